"""Sign-in by password and the sessions it makes, which AWS has no API for."""

from __future__ import annotations

from engine.iam.accounts import first_account
from engine.iam.console_sessions import end, of_same_user, seen, user_id, user_since
from engine.iam.mfa_requirement import require_of_all as require_mfa_of_all
from engine.iam.mfa_requirement import required_of_all as mfa_required_of_all
from engine.iam.models import ROOT_NAME
from engine.iam.root_user import is_on as root_user_is_on
from engine.iam.signin import (
    EnrolmentNeeded,
    GivenFactor,
    NewPasswordNeeded,
    SecondFactorNeeded,
    SecondFactors,
    SignedIn,
    SignInRefused,
    Unfinished,
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
    "ROOT_NAME",
    "EnrolmentNeeded",
    "GivenFactor",
    "NewPasswordNeeded",
    "SecondFactorNeeded",
    "SecondFactors",
    "SignInRefused",
    "SignedIn",
    "Unfinished",
    "end",
    "end_own_sessions",
    "end_sessions_of",
    "first_account",
    "in_path",
    "is_valid",
    "mfa_required_of_all",
    "new_password",
    "of_same_user",
    "require_mfa_of_all",
    "root_user_is_on",
    "second_factor",
    "second_factors",
    "seen",
    "sign_in",
    "user_arn",
    "user_id",
    "user_since",
]
