"""Rules of the policy checker on a statement's Effect, Action and Resource. Pure."""

from __future__ import annotations

from django.utils.translation import gettext as _

from engine.iam import patterns, vocabulary
from engine.iam.lint_findings import Element, Finding
from engine.iam.policy import STATEMENT_MEMBERS

_ARN_PARTS = 6


def unknown_member(element: Element) -> Finding | None:
    return None if element.name in STATEMENT_MEMBERS else unknown(element, STATEMENT_MEMBERS)


def unknown(element: Element, known: tuple[str, ...]) -> Finding:
    message = _("There is no element “%(name)s”.") % {"name": element.name}
    return element.error("element", message, vocabulary.nearest(element.name, known), of_name=True)


def no_effect(element: Element) -> Finding | None:
    effect = element.value.get("Effect")
    if effect in ("Allow", "Deny"):
        return None
    place = (*element.path, "Effect") if "Effect" in element.value else element.path
    near = vocabulary.nearest(str(effect or ""), ("Allow", "Deny"))
    message = _("A statement has an Effect, which is Allow or Deny.")
    return Element(element.statement, place, effect).error("effect", message, near or "Allow")


def no_action(element: Element) -> Finding | None:
    if "Action" in element.value or "NotAction" in element.value:
        return None
    if element.statement.kind == "resource":
        return element.warning("action", _("Without an Action this statement has no effect."))
    return element.error("action", _("A statement has an Action or a NotAction."))


def action_without_service(element: Element) -> Finding | None:
    _service, _colon, name = element.value.partition(":")
    if name or element.value == "*":
        return None
    near = vocabulary.nearest_action(f"{'sts' if element.statement.kind == 'trust' else 'kms'}:{element.value}")
    return element.error("action", _("An action is written service:Name, for instance kms:Decrypt."), near)


def action_of_another_service(element: Element) -> Finding | None:
    """In a key policy."""
    service = _service(element)
    if element.statement.kind != "resource" or service == "kms" or "*" in service:
        return None
    near = vocabulary.nearest_action(element.value) if service not in vocabulary.known_services() else ""
    return element.warning("never", _("A key policy decides about kms: actions only; this one never matches."), near)


def unknown_service(element: Element) -> Finding | None:
    service = _service(element)
    if service in vocabulary.known_services() or "*" in service or "?" in service:
        return None
    message = _("There is no service “%(service)s”.") % {"service": element.value.partition(":")[0]}
    return element.warning("action", message, vocabulary.nearest_action(element.value))


def unknown_action(element: Element) -> Finding | None:
    if not vocabulary.has_actions(_service(element)) or vocabulary.matching(element.value):
        return None
    message = _("There is no action “%(action)s”.") % {"action": element.value}
    return element.warning("action", message, vocabulary.nearest_action(element.value))


def _service(element: Element) -> str:
    return str(element.value.partition(":")[0].lower())


def resource_in_trust_policy(element: Element) -> Finding | None:
    return element.error("resource", _("A trust policy is about its role: it has no Resource."), of_name=True)


def no_resource(element: Element) -> Finding | None:
    if "Resource" in element.value or "NotResource" in element.value:
        return None
    if element.statement.kind == "resource":
        return element.warning("resource", _("Without a Resource this statement has no effect."), "*")
    return element.error("resource", _("A statement has a Resource."), "*")


def variable_too_early(element: Element) -> Finding | None:
    if "${" not in ":".join(element.value.split(":", 5)[:5]):
        return None
    return element.warning(
        "never", _("A variable before the fifth colon of an ARN is not replaced; this never matches.")
    )


def other_resource_in_key_policy(element: Element) -> Finding | None:
    statement = element.statement
    if statement.kind != "resource" or _is_open(element):
        return None
    if statement.about.key_arn and patterns.glob(element.value).match(statement.about.key_arn):
        return None
    return element.warning(
        "never", _("In a key policy the resource is this key, written “*”; this never matches it."), "*"
    )


def resource_is_no_arn(element: Element) -> Finding | None:
    if element.statement.kind == "resource" or _is_open(element) or element.value.startswith(("arn:", "*")):
        return None
    return element.error("resource", _("A resource is an ARN or “*”."), "*")


def resource_of_another_service(element: Element) -> Finding | None:
    parts = _parts_for_kms(element)
    if not parts or patterns.glob(parts[2]).match("kms"):
        return None
    return element.warning("never", _("kms: actions are on keys and aliases; no ARN of another service matches."))


def alias_for_actions_on_keys(element: Element) -> Finding | None:
    parts = _parts_for_kms(element)
    if not parts or not parts[5].startswith("alias/") or any("Alias" in each for each in element.statement.actions):
        return None
    return element.warning(
        "never",
        _(
            "These actions are decided on the key's ARN, not on an alias. Name the key, or use the condition kms:RequestAlias or kms:ResourceAliases."
        ),
    )


def _is_open(element: Element) -> bool:
    """Whether it is every resource, or one that a variable completes."""
    return element.value == "*" or "${" in element.value


def _parts_for_kms(element: Element) -> list[str]:
    """The parts of the ARN where an identity policy's statement is about actions of KMS alone; none of anything else."""
    statement = element.statement
    parts: list[str] = element.value.split(":", 5)
    if statement.kind == "resource" or _is_open(element) or len(parts) != _ARN_PARTS or not statement.actions:
        return []
    return parts if all(action.startswith("kms:") for action in statement.actions) else []
