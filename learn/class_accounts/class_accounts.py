"""Classes whose students have an account each: making them, resetting and ending their accounts.

Each change is kmsconsole:ManageClasses of the signed-in teacher, decided and recorded by the engine, in one transaction with the rows
here. Who comes by a join link is nobody yet; the link stands for the teacher. Passwords are made here and shown once, to whom they belong
or who hands them out: they are in no log, no session and no row.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from botocore.exceptions import ClientError
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from console import public_address, session
from console.request import ConsoleRequest
from engine.public import drills, member_accounts
from engine.public.member_accounts import Limits, Member
from keys import service
from learn.class_accounts import join_links, roster
from learn.class_accounts.cards import Card
from learn.class_accounts.roster import Person
from learn.classes.classes import new_password
from learn.models import AccountClass, ClassAccount, JoinLink

MANAGE, OPEN, READ = "kmsconsole:ManageClasses", "kmsconsole:OpenClassAccount", "kmsconsole:ReadClassRecord"
MOST = 200  # accounts of a class
_PATIENCE = 15.0  # seconds after which a request begins with no further account
T = TypeVar("T")


@dataclass(slots=True)
class Outcome:
    """What making accounts came to. `left` are the people whose accounts are not made yet, `shared_left` is how many shared ones are not;
    with `error` it was refused."""

    cards: list[Card] = field(default_factory=list)
    left: list[Person] = field(default_factory=list)
    shared_left: int = 0
    error: ClientError | None = None

    @property
    def unmade(self) -> int:
        return len(self.left) + self.shared_left


class LinkClosed(Exception):
    """The link was used up, revoked or over at the moment that its account was to be made."""


def every(request: ConsoleRequest) -> list[AccountClass]:
    return list(AccountClass.objects.filter(account_id=request.signed_in.account_id).order_by("-created"))


def find(request: ConsoleRequest, slug: str) -> AccountClass | None:
    """One of the signed-in account's own: another's is not there."""
    return AccountClass.objects.filter(account_id=request.signed_in.account_id, slug=slug).first()


def accounts(of_class: AccountClass) -> list[ClassAccount]:
    """Those that have not ended, students before shared ones."""
    return list(of_class.accounts.filter(ended=None).order_by("shared", "name", "pk"))


def why_over(of_class: AccountClass) -> str:
    """Why nothing is done with a class and its accounts any more; empty where it goes on. Past its end it goes on once its limits are set."""
    if of_class.closed is not None:
        return _("The class is closed.")
    if of_class.ends is not None and of_class.ends <= timezone.now():
        return _("The accounts of this class have ended. Set a longer account lifetime first.")
    return ""


def _ids(of_class: AccountClass) -> list[str]:
    return [row.account_id for row in accounts(of_class)]


def limits(of_class: AccountClass) -> Limits:
    return Limits(of_class.ends, of_class.key_quota, of_class.call_quota)


def manage(request: ConsoleRequest, of_class: AccountClass, what: Callable[[], T], **parameters: object) -> T:
    """Do `what` to a class, if the teacher may, with its record. Raises ClientError."""
    return service.console_action(request, MANAGE, what, parameters={"class": of_class.slug, **parameters})


def create(request: ConsoleRequest, made: AccountClass, join: tuple[int, int] | None = None) -> JoinLink | None:
    """With a join link for so many (minutes, places), if asked. Raises ClientError."""

    def what() -> JoinLink | None:
        made.save()
        return join_links.make(made, *join) if join else None

    given = {"joinLink": {"minutes": join[0], "places": join[1]}} if join else {}
    return manage(request, made, what, change="CreateClass", **given)


def open_link(request: ConsoleRequest, of_class: AccountClass, minutes: int, places: int) -> JoinLink:
    """Raises ClientError."""
    return manage(request, of_class, lambda: join_links.make(of_class, minutes, places), change="CreateJoinLink")


def add(
    request: ConsoleRequest,
    of_class: AccountClass,
    people: Sequence[Person],
    *,
    shared: int = 0,
    patience: float = _PATIENCE,
) -> Outcome:
    """Make an account for each of these people, and so many shared ones more, until it is refused or the time is up."""
    outcome = Outcome(left=list(people), shared_left=shared)
    until = time.monotonic() + patience
    wanted = [(person, False) for person in people]
    there = of_class.accounts.filter(shared=True).count()
    wanted += [(Person(f"shared-{there + number}"), True) for number in range(1, shared + 1)]
    for person, is_shared in wanted:
        if outcome.cards and time.monotonic() > until:
            return outcome
        password = new_password()
        hashed = member_accounts.hash_password(password)
        try:
            row, member = manage(
                request,
                of_class,
                lambda: _make(of_class, person, hashed, shared=is_shared),  # noqa: B023  (called at once)
                change="CreateAccount",
                student=person.name,
            )
        except ClientError as error:
            outcome.error = error
            return outcome
        outcome.cards.append(card(request, row, member, password, region=request.signed_in.region))
        if is_shared:
            outcome.shared_left -= 1
        else:
            outcome.left.remove(person)
    return outcome


def _make(of_class: AccountClass, person: Person, hashed: str, *, shared: bool = False) -> tuple[ClassAccount, Member]:
    """Part of a transaction."""
    taken = set(of_class.accounts.values_list("user_name", flat=True))
    user_name = roster.user_name(person.name, taken)
    alias = _alias(of_class.slug, user_name)
    member = member_accounts.create(
        of_class.account_id, user_name, password_hash=hashed, alias=alias, limits=limits(of_class)
    )
    row = ClassAccount.objects.create(
        of_class=of_class,
        account_id=member.account_id,
        alias=alias,
        name=person.name,
        email=person.email,
        user_name=user_name,
        shared=shared,
        since=timezone.now(),
    )
    return row, member


def _alias(slug: str, user_name: str) -> str:
    """A free account alias, by which students sign in: a reset leaves it as it is. Aliases are unique among all accounts."""
    wanted = f"{slug[:20].strip('-')}-{user_name}"
    return roster.free(wanted, lambda alias: not member_accounts.alias_is_free(alias))


def join(request: HttpRequest, link: JoinLink, person: Person) -> tuple[ClassAccount, Card]:
    """An account for who came by a link. Raises LinkClosed."""
    password = new_password()
    hashed = member_accounts.hash_password(password)
    made: list[ClassAccount] = []

    def what() -> Member:
        present = JoinLink.objects.select_for_update().select_related("of_class").get(pk=link.pk)
        if not join_is_open(present):
            raise LinkClosed
        present.used += 1
        present.save(update_fields=["used"])
        row, member = _make(present.of_class, person, hashed)
        made.append(row)
        return member

    of_class = link.of_class
    member = member_accounts.by_link(
        of_class.account_id,
        what,
        {"class": of_class.slug, "student": person.name},
        source_ip=request.META.get("REMOTE_ADDR", ""),
        user_agent=request.headers.get("User-Agent", "")[:512],
    )
    return made[0], card(request, made[0], member, password, region=session.region(request))


def join_is_open(link: JoinLink) -> bool:
    return join_links.is_open(link) and link.of_class.accounts.filter(ended=None).count() < MOST


def card(request: HttpRequest, row: ClassAccount, member: Member, password: str, *, region: str) -> Card:
    return Card(
        name=row.name,
        user_name=row.user_name,
        account_id=row.account_id,
        alias=row.alias,
        address=public_address.of(request),
        region=region,
        password=password,
        access_key_id=member.access_key_id if member.secret_access_key else "",
        secret_access_key=member.secret_access_key,
    )


def new_credentials(request: ConsoleRequest, row: ClassAccount) -> Card:
    """A new password and access key for a student who lost them; the older ones are worth nothing. Raises ClientError."""
    password = new_password()
    hashed = member_accounts.hash_password(password)
    manager = row.of_class.account_id

    def what() -> Member:
        member_accounts.set_password(manager, row.account_id, row.user_name, hashed)
        return member_accounts.new_access_key(manager, row.account_id, row.user_name)

    member = manage(request, row.of_class, what, change="NewCredentials", accountId=row.account_id)
    _tell(request, [row.account_id], "NewCredentials")
    return card(request, row, member, password, region=request.signed_in.region)


def reset(request: ConsoleRequest, row: ClassAccount, kept: dict[str, object]) -> Card:
    """A fresh account in the place of a student's: what was in the old one is not reached any more, the sign-in and the CLI profile
    stay as they are. `kept`: steps done before, that go on counting. Raises ClientError."""
    password = new_password()
    hashed = member_accounts.hash_password(password)
    before = row.account_id

    def what() -> Member:
        member = member_accounts.replace(row.of_class.account_id, before, row.user_name, password_hash=hashed)
        row.account_id, row.since, row.kept = member.account_id, timezone.now(), kept
        row.save(update_fields=["account_id", "since", "kept"])
        return member

    member = manage(request, row.of_class, what, change="ResetAccount", accountId=before)
    _tell(request, [row.account_id], "ResetAccount")
    lost = bool(member.secret_access_key)  # the student had deleted its keys: then it has nothing that goes over
    return card(request, row, member, password if lost else "", region=request.signed_in.region)


def end(request: ConsoleRequest, of_class: AccountClass, rows: Sequence[ClassAccount]) -> None:
    """These accounts end now, and leave the class's lists. Raises ClientError."""
    ids = [row.account_id for row in rows]

    def what() -> None:
        member_accounts.end(of_class.account_id, ids)
        of_class.accounts.filter(account_id__in=ids).update(ended=timezone.now())

    manage(request, of_class, what, change="EndAccounts", accountIds=ids)


def close(request: ConsoleRequest, of_class: AccountClass) -> None:
    """All accounts of the class end, and its links with them. What they hold and the record of it stay. Raises ClientError."""
    ids = _ids(of_class)

    def what() -> None:
        member_accounts.end(of_class.account_id, ids)
        of_class.links.filter(revoked=None).update(revoked=timezone.now())
        of_class.closed = timezone.now()
        of_class.save(update_fields=["closed"])

    manage(request, of_class, what, change="CloseClass", accountIds=ids)


def set_limits(request: ConsoleRequest, of_class: AccountClass) -> None:
    """Its limits, as the class has them now, for every account. Raises ClientError."""
    ids = _ids(of_class)

    def what() -> None:
        of_class.save(update_fields=["ends", "key_quota", "call_quota"])
        member_accounts.limit(of_class.account_id, ids, limits(of_class))

    manage(request, of_class, what, change="SetLimits")


def move_clocks(request: ConsoleRequest, of_class: AccountClass, seconds: float) -> int:
    """All clocks of the class to one time, `seconds` after the one that is farthest; how many moved. Raises ClientError."""
    ids = _ids(of_class)
    to = max(member_accounts.clock_offsets(ids).values(), default=0.0) + seconds
    moved = manage(
        request,
        of_class,
        lambda: member_accounts.move_clocks(of_class.account_id, ids, to),
        change="MoveClocks",
        secondsAhead=to,
    )
    _tell(request, ids, "MoveClock", secondsAhead=to)
    return moved


def begin_drill(request: ConsoleRequest, of_class: AccountClass, kind: str, *, share: int, minutes: int) -> int:
    """A drill in every account of the class, in place of one that runs there; in how many. Raises ClientError."""
    ids, by = _ids(of_class), request.signed_in.arn

    def what() -> None:
        for account_id in ids:
            drills.begin(account_id, kind, share=share, minutes=minutes, by=by)

    manage(request, of_class, what, change="BeginDrill", drill=kind, share=share, minutes=minutes)
    _tell(request, ids, "ManageDrills", drill=kind, share=share, minutes=minutes)
    return len(ids)


def running_drill(of_class: AccountClass) -> drills.Running | None:
    """The drill that runs longest in the accounts of the class: a student may have ended it or begun another one. None where none runs."""
    found = [drill for each in _ids(of_class) if (drill := drills.running(each)) is not None]
    return max(found, key=lambda drill: drill.ends, default=None)


def end_drill(request: ConsoleRequest, of_class: AccountClass) -> None:
    """End the drills in all accounts of the class. Raises ClientError."""
    ids = _ids(of_class)

    def what() -> None:
        for account_id in ids:
            drills.end(account_id)

    manage(request, of_class, what, change="EndDrill")
    _tell(request, ids, "ManageDrills", drill=None)


def open_read_only(request: ConsoleRequest, row: ClassAccount) -> member_accounts.Opened:
    """A session in a student's account that changes nothing. It is in the record of both accounts. Raises ClientError."""
    name = f"{request.signed_in.user_name[:54]}-read-only"
    opened = service.console_action(
        request,
        OPEN,
        lambda: member_accounts.open_session(
            row.of_class.account_id, row.account_id, name, console_session=request.signed_in.session_id
        ),
        parameters={"class": row.of_class.slug, "accountId": row.account_id, "readOnly": True},
    )
    _tell(request, [row.account_id], "OpenClassAccount", readOnly=True)
    return opened


def _tell(request: ConsoleRequest, account_ids: list[str], name: str, **parameters: object) -> None:
    """The students find in the records of their accounts what the teacher did with them."""
    member_accounts.tell(
        account_ids,
        name,
        service.viewer(request).context.principal,
        parameters,
        source_ip=request.META.get("REMOTE_ADDR", ""),
    )
