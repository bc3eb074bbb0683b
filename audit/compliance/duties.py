"""Separation of duties: who administers a key and uses it as well, by the decision function over the account's policies.

Two questions: what identity policies allow on any key that leaves access to them (as the default key policy does), and what the policies
of keys give to principals that they name. Keys of one policy text are looked at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from django.utils.translation import gettext_noop

from audit.compliance.results import Examined, Finding, Findings, Words
from console.request import ConsoleRequest
from engine.public.decision import CompiledPolicy
from engine.public.key_policies import default_key_policy
from keys import service
from keys.evaluator import decisions, key_policy_cache, key_view, principal_directory
from keys.evaluator.key_view import KeyView
from keys.evaluator.principal_directory import PrincipalDirectory, Subject

ADMINISTERS = ("kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:DisableKey")
USES = ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey")
BUDGET = 2.0  # seconds for reading the policies of keys
_KEY_ID = "00000000-0000-4000-8000-000000000000"


def administrators_who_use(request: ConsoleRequest, *, budget: float = BUDGET) -> Examined:
    """At a URL endpoint this raises ClientError: its principals are not known."""
    people = principal_directory.of(request)
    asked = decisions.RequestContext({}, {}, service.now(request))
    users = [each for each in people.subjects if each.kind in ("user", "role")]
    found = {each.resource: each for each in _by_identity(request, users, asked)}
    held = key_policy_cache.readable_keys(request, people, budget)
    for each in _by_key_policy(people, held.keys, asked):
        found.setdefault(each.resource, each)
    unknown = []
    if held.unread:
        text = gettext_noop("The policies of %(number)d keys are not read yet.")
        unknown.append(Words(text, {"number": held.unread}))
    if held.hidden:
        text = gettext_noop("The policies of %(number)d keys may not be read.")
        unknown.append(Words(text, {"number": held.hidden}))
    if people.problems:
        text = gettext_noop("Not understood: %(policies)s")
        unknown.append(Words(text, {"policies": "; ".join(people.problems)}))
    listed = sorted(found.values(), key=lambda each: each.resource)
    return Examined(len(users), Findings(listed), tuple(unknown))


def _by_identity(
    request: ConsoleRequest, users: Iterable[Subject], asked: decisions.RequestContext
) -> Iterator[Finding]:
    account_id, region = service.account_id(request), request.signed_in.region
    partition = request.signed_in.arn.split(":")[1]
    metadata = {
        "KeyId": _KEY_ID,
        "Arn": f"arn:{partition}:kms:{region}:{account_id}:key/{_KEY_ID}",
        "AWSAccountId": account_id,
        "KeySpec": "SYMMETRIC_DEFAULT",
        "KeyUsage": "ENCRYPT_DECRYPT",
        "Origin": "AWS_KMS",
        "MultiRegion": False,
    }
    key = key_view.make(metadata, default_key_policy(account_id, partition), [], {}, [])
    text = gettext_noop("Its policies allow %(administers)s and %(uses)s on every key that leaves access to IAM.")
    for subject in users:
        if both := _both(subject, key, asked):
            yield _finding(subject, Words(text, both))


def _by_key_policy(
    people: PrincipalDirectory, keys: Iterable[KeyView], asked: decisions.RequestContext
) -> Iterator[Finding]:
    """Of principals that a key policy or grant names. A name of another account is left out: its own policies decide as well."""
    looked_at: set[tuple[CompiledPolicy, tuple[str, ...]]] = set()
    text = gettext_noop("With key %(key)s it may do %(administers)s and %(uses)s.")
    for key in keys:
        place = (key.policy, tuple(sorted(grant.grant_id for grant in key.grants)))
        if place in looked_at:
            continue
        looked_at.add(place)
        for name in sorted(key_view.named_in(key.policy, key.grants)):
            subject = people.find(name)
            if subject is None or not subject.visible or subject.kind not in ("user", "role"):
                continue
            if both := _both(subject, key, asked):
                yield _finding(replace(subject, arn=name), Words(text, {"key": key.label, **both}))


def _both(subject: Subject, key: KeyView, asked: decisions.RequestContext) -> dict[str, str]:
    """The first of each that it may do in any case; nothing unless it may do one of both."""
    evaluator = decisions.AccessEvaluator(subject, key, asked)
    administers = next((each for each in ADMINISTERS if evaluator.cell(each) == decisions.YES), "")
    uses = next((each for each in USES if administers and evaluator.cell(each) == decisions.YES), "")
    return {"administers": administers, "uses": uses} if administers and uses else {}


def _finding(subject: Subject, fact: Words) -> Finding:
    return Finding(subject.arn, subject.name, subject.kind, subject.name, fact)
