"""Sign-in by password and the sessions it makes, which AWS has no API for."""

from __future__ import annotations

from engine.iam.accounts import first_account
from engine.iam.console_sessions import end, of_same_user, seen, user_id, user_since
from engine.iam.signin import (
    SignedInUser,
    SignInRefused,
    end_own_sessions,
    end_sessions_of,
    in_path,
    is_valid,
    sign_in,
    user_arn,
)

__all__ = [
    "SignInRefused",
    "SignedInUser",
    "end",
    "end_own_sessions",
    "end_sessions_of",
    "first_account",
    "in_path",
    "is_valid",
    "of_same_user",
    "seen",
    "sign_in",
    "user_arn",
    "user_id",
    "user_since",
]
