"""Sign-in by password and the sessions it makes, which AWS has no API for."""

from __future__ import annotations

from engine.iam.accounts import first_account
from engine.iam.console_sessions import end, of_same_user, seen, user_id, user_since
from engine.iam.signin import (
    GivenFactor,
    NewPasswordNeeded,
    SecondFactorNeeded,
    SecondFactors,
    SignedIn,
    SignInRefused,
    end_own_sessions,
    end_sessions_of,
    in_path,
    is_valid,
    new_password,
    second_factor,
    second_factors,
    sign_in,
    user_arn,
)

__all__ = [
    "GivenFactor",
    "NewPasswordNeeded",
    "SecondFactorNeeded",
    "SecondFactors",
    "SignInRefused",
    "SignedIn",
    "end",
    "end_own_sessions",
    "end_sessions_of",
    "first_account",
    "in_path",
    "is_valid",
    "new_password",
    "of_same_user",
    "second_factor",
    "second_factors",
    "seen",
    "sign_in",
    "user_arn",
    "user_id",
    "user_since",
]
