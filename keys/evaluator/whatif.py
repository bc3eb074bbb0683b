"""What another text of an IAM policy would change, for whom: on each key, and in actions that are about no key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from engine.public import vocabulary
from engine.public.decision import Request, compile_policy, decide
from keys.evaluator import decisions, operations
from keys.evaluator.decisions import AccessEvaluator, RequestContext
from keys.evaluator.key_view import KeyView
from keys.evaluator.principal_directory import PrincipalDirectory, Subject

Replace = Callable[[Subject], Subject]  # the subject as it would be; the very same one where nothing changes for it


@dataclass(frozen=True, slots=True)
class Change:
    """One action that a principal gains or loses (`answer`: what it would be then), and the keys it is about; none for no key."""

    action: str
    gained: bool
    answer: str
    keys: tuple[KeyView, ...] = ()


def inline(kind: str, owner: str, name: str, document: str) -> Replace:
    """With an inline policy of a "user", "group" or "role" written or written anew. Raises MalformedPolicy."""
    label = f"{name} ({kind} {owner})"
    new = compile_policy(document, name=label, kind="identity")

    def changed(subject: Subject) -> Subject:
        concerned = owner in subject.groups if kind == "group" else (subject.kind, subject.name) == (kind, owner)
        if not concerned:
            return subject
        return replace(subject, identity=(*(each for each in subject.identity if each.name != label), new))

    return changed


def managed(arn: str, document: str) -> Replace:
    """With another default version of a managed policy, for whom it is attached to or the boundary of. Raises MalformedPolicy."""
    name = arn.rpartition("/")[2]
    new = compile_policy(document, name=name, kind="identity", source=arn)
    limit = compile_policy(document, name=name, kind="boundary", source=arn)

    def changed(subject: Subject) -> Subject:
        bounded = subject.boundary is not None and subject.boundary.source == arn
        if not bounded and all(each.source != arn for each in subject.identity):
            return subject
        identity = tuple(new if each.source == arn else each for each in subject.identity)
        return replace(subject, identity=identity, boundary=limit if bounded else subject.boundary)

    return changed


def changes(
    people: PrincipalDirectory, keys: Sequence[KeyView], changed: Replace, asked: RequestContext, region: str
) -> list[tuple[Subject, list[Change]]]:
    """(principal, its changes) for everyone whose access would be another."""
    found = []
    for before in people.subjects:
        after = changed(before)
        if after is not before and (
            each := [*_on_keys(before, after, keys, asked), *_elsewhere(before, after, asked, region)]
        ):
            found.append((before, each))
    return found


def _on_keys(before: Subject, after: Subject, keys: Iterable[KeyView], asked: RequestContext) -> list[Change]:
    found: dict[tuple[str, bool, str], list[KeyView]] = {}
    for key in keys:
        then, now = AccessEvaluator(before, key, asked), AccessEvaluator(after, key, asked)
        for action in operations.actions_for(key.spec, key.usage):
            old, new = then.cell(action), now.cell(action)
            if old != new:
                found.setdefault((action, _gained(old, new), new), []).append(key)
    return [Change(*what, keys=tuple(concerned)) for what, concerned in sorted(found.items())]


def _gained(old: str, new: str) -> bool:
    order = (decisions.NO, decisions.DEPENDS, decisions.YES)
    return order.index(new) > order.index(old)


def _elsewhere(before: Subject, after: Subject, asked: RequestContext, region: str) -> list[Change]:
    """What identity policies alone decide, asked for every resource at once."""
    contexts = [
        decisions.context_of(before, None, asked, region, action=action) for action in ("", "kms:CreateCustomKeyStore")
    ]
    about_keys = set(operations.key_actions())
    found = []
    for service in (*vocabulary.SERVICES, vocabulary.CONSOLE):
        for action in vocabulary.actions(service):
            if action in about_keys:
                continue
            context = contexts["CustomKeyStore" in action]
            request = Request(before.principal, action, "*", before.principal.account_id, context)
            old, new = (decide(request, decisions.policies_for(each, None)).allowed for each in (before, after))
            if old != new:
                found.append(Change(action, new, decisions.YES if new else decisions.NO))
    return found
