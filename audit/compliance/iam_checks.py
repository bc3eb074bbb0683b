"""Checks of IAM: what policies allow, how old and used credentials are, and the root user."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

from django.utils.translation import gettext_noop

from audit.compliance import iam_facts
from audit.compliance.iam_facts import WrittenPolicy
from audit.compliance.results import Examined, Finding, Findings, Words
from console import moments
from console.request import ConsoleRequest
from engine.public.decision import CompiledPolicy
from keys import service
from keys.record import events

OLD_DAYS, UNUSED_DAYS, ROLE_DAYS, ROOT_DAYS = 90, 45, 90, 90
DECRYPTION = ("kms:decrypt", "kms:reencryptfrom")  # what KMS.1 and KMS.2 ask about
# Allowed all together only by a statement that allows every action of KMS: the last is of no service's.
_EVERYTHING = ("kms:decrypt", "kms:putkeypolicy", "kms:schedulekeydeletion", "kms:anyotheraction")
_AUDIT = ("cloudtrail:LookupEvents", "kmsconsole:ReadRecord", "kms:GetKeyPolicy", "kms:ListGrants", "kms:DescribeKey")
_SERVICE_ROLES = "/aws-service-role/"


def managed_decrypt(request: ConsoleRequest) -> Examined:
    """As KMS.1: attached or not, but no permissions boundaries, which allow nothing."""
    return _policies(
        request,
        lambda each: not each.inline and each.customer and not each.boundary,
        lambda policy, keys: any(_allows(policy, action, keys) for action in DECRYPTION),
        gettext_noop("It allows kms:Decrypt or kms:ReEncryptFrom on all keys."),
    )


def inline_decrypt(request: ConsoleRequest) -> Examined:
    """As KMS.2."""
    return _policies(
        request,
        lambda each: each.inline,
        lambda policy, keys: any(_allows(policy, action, keys) for action in DECRYPTION),
        gettext_noop("It allows kms:Decrypt or kms:ReEncryptFrom on all keys."),
    )


def wide_policies(request: ConsoleRequest) -> Examined:
    """What somebody has; AWS managed ones too, for whoever attached AdministratorAccess chose it."""
    return _policies(
        request,
        lambda each: each.attached > 0,
        lambda policy, keys: all(_allows(policy, action, keys) for action in _EVERYTHING),
        gettext_noop("It allows every action of KMS on all keys."),
    )


def denies_audit(request: ConsoleRequest) -> Examined:
    """Of what is attached; a Deny under conditions is left out, for it may be about what no auditor is or does."""

    def denied(policy: CompiledPolicy, keys: tuple[str, str]) -> bool:
        return any(
            not each.conditions and each.about_resource(keys[0] if action.startswith("kms:") else "*", {})
            for action in _AUDIT
            for each in policy.denies(action.lower())
        )

    return _policies(
        request,
        lambda each: each.attached > 0,
        denied,
        gettext_noop("It denies reading the record of calls, key policies or grants, under no condition."),
    )


def _policies(
    request: ConsoleRequest,
    about: Callable[[WrittenPolicy], bool],
    fails: Callable[[CompiledPolicy, tuple[str, str]], bool],
    fact: str,
) -> Examined:
    facts = iam_facts.account(request)
    keys = _any_two_keys(service.account_id(request))
    looked_at = [each for each in facts.policies if about(each)]
    found = [
        Finding(each.arn, each.label, each.kind, each.name, Words(fact))
        for each in looked_at
        if fails(each.compiled, keys)
    ]
    unknown = (Words(gettext_noop("Not understood: %(policies)s"), {"policies": "; ".join(facts.problems)}),)
    return Examined(len(looked_at), Findings(found), unknown if facts.problems else ())


def _any_two_keys(account_id: str) -> tuple[str, str]:
    """Keys of two Regions: what takes in both takes in all of the account."""
    return (
        f"arn:aws:kms:us-east-1:{account_id}:key/00000000-0000-4000-8000-000000000000",
        f"arn:aws:kms:eu-central-2:{account_id}:key/ffffffff-ffff-4fff-bfff-ffffffffffff",
    )


def _allows(policy: CompiledPolicy, action: str, keys: tuple[str, str]) -> bool:
    """Whether statements of it allow the action on both keys, and none denies it. As the controls do it looks at Action and Resource
    alone: a condition narrows no Allow, and a Deny under a condition denies nothing for certain."""
    return all(
        any(each.about_resource(key, {}) for each in policy.allows(action))
        and not any(not each.conditions and each.about_resource(key, {}) for each in policy.denies(action))
        for key in keys
    )


# --- credentials


def _report(request: ConsoleRequest) -> tuple[datetime, list[iam_facts.CredentialLine]]:
    _made, lines = iam_facts.credential_report(request)
    return service.account_now(request), list(lines)


def access_key_age(request: ConsoleRequest) -> Examined:
    now, lines = _report(request)

    def old() -> Iterator[Finding]:
        for line in lines:
            for number, made, _used in line.access_keys():
                if made is not None and (age := (now - made).days) > OLD_DAYS:
                    yield _credential(line, number, gettext_noop("It is %(days)d days old."), {"days": age})

    return Examined(sum(1 for line in lines for _key in line.access_keys()), Findings(old()))


def unused_credentials(request: ConsoleRequest) -> Examined:
    now, lines = _report(request)
    oldest = now - timedelta(days=UNUSED_DAYS)
    text, never = gettext_noop("It was last used on %(date)s."), gettext_noop("It was never used since %(date)s.")

    def all_of() -> Iterator[tuple[iam_facts.CredentialLine, int, datetime | None, datetime | None]]:
        for line in lines:
            if line.is_on("password_enabled") and not line.is_root:
                yield line, 0, line.time("password_last_changed"), line.time("password_last_used")
            yield from ((line, *each) for each in line.access_keys())

    def unused() -> Iterator[Finding]:
        for line, number, made, used in all_of():
            latest = used or made
            if latest is not None and latest <= oldest:
                yield _credential(line, number, text if used else never, {"date": moments.day(latest)})

    return Examined(sum(1 for _each in all_of()), Findings(unused()))


def _credential(line: iam_facts.CredentialLine, number: int, text: str, values: dict[str, object]) -> Finding:
    """`number` of the access key, 0 for the password."""
    what = f"access key {number}" if number else "password"
    kind = "" if line.is_root else "user"
    return Finding(f"{line.arn}#{what}", f"{line.user}: {what}", kind, line.user, Words(text, values))


def unused_roles(request: ConsoleRequest) -> Examined:
    since = service.account_now(request) - timedelta(days=ROLE_DAYS)
    roles = [each for each in iam_facts.account(request).roles if not each.path.startswith(_SERVICE_ROLES)]
    text, never = gettext_noop("It was last used on %(date)s."), gettext_noop("It was never used since %(date)s.")
    found = [
        Finding(each.arn, each.name, "role", each.name, Words(text if each.last_used else never, {"date": moments.day(latest)}))
        for each in roles
        if (latest := each.last_used or each.created) < since
    ]  # fmt: skip
    return Examined(len(roles), Findings(found))


def mfa(request: ConsoleRequest) -> Examined:
    _now, lines = _report(request)
    people = [line for line in lines if line.is_on("password_enabled") and not line.is_root]
    found = (
        Finding(line.arn, line.user, "user", line.user, Words(gettext_noop("It has a password and no MFA device.")))
        for line in people
        if not line.is_on("mfa_active")
    )
    return Examined(len(people), Findings(found))


def root_use(request: ConsoleRequest) -> Examined:
    """By the credential report, and by the newest event of the root user in the record."""
    now, lines = _report(request)
    since = now - timedelta(days=ROOT_DAYS)
    return Examined(1, Findings(_root(request, [line for line in lines if line.is_root], since)))


def _root(request: ConsoleRequest, lines: Iterable[iam_facts.CredentialLine], since: datetime) -> Iterator[Finding]:
    used_text = gettext_noop("The root user was used on %(date)s.")
    name = "<root_account>"
    for line in lines:
        for number, _made, _used in line.access_keys():
            yield _credential(line, number, gettext_noop("The root user has an active access key."), {})
        used = [line.time(each) for each in ("password_last_used", "access_key_1_last_used_date", "access_key_2_last_used_date")]  # fmt: skip
        latest = max((each for each in used if each is not None), default=None)
        if latest is not None and latest >= since:
            yield Finding(line.arn, name, "events", "root", Words(used_text, {"date": moments.day(latest)}))
            return
        attribute = {"AttributeKey": "Username", "AttributeValue": "root"}
        found = events.look_up(request, LookupAttributes=[attribute], StartTime=since, MaxResults=1)["Events"]
        if found:
            yield Finding(line.arn, name, "events", "root", Words(used_text, {"date": moments.day(found[0]["EventTime"])}))  # fmt: skip
