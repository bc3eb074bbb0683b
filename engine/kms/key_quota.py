"""How many KMS keys an account may have, where it is one that another account manages: a class's (engine.iam.account_limits)."""

from __future__ import annotations

from django.db.models import Q

from engine.context import CallContext
from engine.iam import account_limits
from engine.kms import models
from engine.wire.errors import AWSError


def hold(context: CallContext) -> None:
    """Raise LimitExceededException if the account may have no more keys. In all Regions together; what was destroyed does not count."""
    most = account_limits.of(context.account_id).keys
    if most is None:
        return
    there = Q(deletion_date=None) | Q(deletion_date__gt=context.now)
    if models.Key.objects.filter(there, account_id=context.account_id, manager="CUSTOMER").count() >= most:
        raise AWSError("LimitExceededException", f"This account may have {most} KMS keys at most, and has them.")
