"""What AWS says to a caller whom a decision does not allow. Source: IAM User Guide, "Troubleshoot access denied error messages"."""

from __future__ import annotations

from engine.iam.decide import EXPLICIT_DENY, KIND_WORDS, Decision, Request

NOT_THERE_OR_NOT_ALLOWED = (
    "because the resource does not exist in this Region, no resource-based policies allow access, "
    "or a resource-based policy explicitly denies access"
)


def denied_by_service_control_policy(arn: str, action: str, resource: str = "") -> str:
    """AWS's sentence for what an account's organization denies; without a `resource`, of the action whatever it is about."""
    about = f" on resource: {resource}" if resource else ""
    return (
        f"User: {arn} is not authorized to perform: {action}{about} with an explicit deny in a service control policy"
    )


def access_denied_message(decision: Decision, request: Request) -> str:
    """AWS's sentence.

    Of another account's key, KMS does not tell whether it is there (KMS Developer Guide, "Troubleshooting key access").
    """
    principal = request.principal
    start = (
        f"User: {principal.arn or principal.invoked_by or 'anonymous'} is not authorized to perform: {request.action}"
    )
    if decision.lacking == "resource" and principal.account_id and principal.account_id != request.resource_account:
        return f"{start} on this resource {NOT_THERE_OR_NOT_ALLOWED}"
    where = KIND_WORDS[decision.lacking]
    start += f" on resource: {request.resource}"
    if decision.reason == EXPLICIT_DENY:
        article = "the" if decision.lacking == "trust" else "an" if where.startswith("i") else "a"
        return f"{start} with an explicit deny in {article} {where}"
    return f"{start} because no {where} allows the {request.action} action"
