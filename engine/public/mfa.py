"""A person's own second factors, as far as AWS has no API for them."""

from __future__ import annotations

from engine.iam.enrolment import Enrolled, Enrolment, by_codes, by_passkey, later
from engine.iam.enrolment import begin as begin_enrolment
from engine.iam.own_factors import ask_to_register, new_recovery_codes, recovery_codes_left, register
from engine.iam.passkeys import Site

__all__ = [
    "Enrolled",
    "Enrolment",
    "Site",
    "ask_to_register",
    "begin_enrolment",
    "by_codes",
    "by_passkey",
    "later",
    "new_recovery_codes",
    "recovery_codes_left",
    "register",
]
