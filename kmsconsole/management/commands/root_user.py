"""`manage.py root_user on|off|show`: whether an account's root user may sign in to the console, for the day nobody else can.

`on` prints a new password, once; a second factor is set up at the first sign-in, and one of before is forgotten. An alert rule that finds
each sign-in is made with it where there is none. The server may run meanwhile.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from audit.alerts import watch
from audit.alerts.kinds import ROOT_USER
from audit.alerts.models import AlertRule
from engine import clock
from engine.iam import accounts, root_user
from engine.trail.groupcommit import TrailUnavailable


class Command(BaseCommand):
    help = "Switch the root user of an account on or off, and show which it is."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("do", choices=["on", "off", "show"])
        parser.add_argument("--account", default="", help="the account's ID; without it the first one")

    def handle(self, *args: Any, **options: Any) -> None:
        account_id = options["account"] or accounts.first_account()
        try:
            if options["do"] == "on":
                self._on(account_id)
            elif options["do"] == "off":
                was_on = root_user.switch_off(account_id)
                self.stdout.write("The root user is off." if was_on else "The root user was off already.")
            else:
                self.stdout.write(_shown(account_id))
        except LookupError as reason:
            raise CommandError(f"there is no account {account_id}") from reason
        except (DatabaseError, TrailUnavailable) as reason:
            raise CommandError(f"nothing was changed: {reason}") from reason

    def _on(self, account_id: str) -> None:
        password = root_user.switch_on(account_id)
        if not AlertRule.objects.filter(account_id=account_id, kind=ROOT_USER, enabled=True).exists():
            _make_rule(account_id)
        self.stdout.write(f"account   {account_id}")
        self.stdout.write(f"password  {password}")
        self.stdout.write(
            "It is shown this once. Sign in at /principals/sign-in/root/ to set up the second factor now."
        )


def _make_rule(account_id: str) -> None:
    name = "Root user sign-in"
    taken = AlertRule.objects.filter(account_id=account_id, name=name).exists()
    rule = AlertRule(
        account_id=account_id,
        name=f"{name} {clock.real_now():%Y-%m-%d %H:%M:%S}" if taken else name,
        kind=ROOT_USER,
        created=clock.now(account_id),
        created_by="the operator",
    )
    watch.begin(rule)
    rule.save()


def _shown(account_id: str) -> str:
    state = root_user.state(account_id)
    if state is None:
        return "The root user is off."
    factor = "with a second factor" if state.has_second_factor else "no second factor yet"
    last = f"{state.last_sign_in:%Y-%m-%d %H:%M} UTC" if state.last_sign_in else "never"
    return f"The root user is on since {state.since:%Y-%m-%d %H:%M} UTC, {factor}; last sign-in: {last}."
