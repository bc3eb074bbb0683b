"""Sign-in by OpenID Connect, and its settings, which AWS has no API for."""

from __future__ import annotations

from engine.iam.oidc_sign_in import Begun, Option, begin, finish, issuer_of, options
from engine.iam.role_mapping import Rule
from engine.iam.sign_in_settings import Outcome, Settings, preview, read, remove, store, store_keys

__all__ = [
    "Begun",
    "Option",
    "Outcome",
    "Rule",
    "Settings",
    "begin",
    "finish",
    "issuer_of",
    "options",
    "preview",
    "read",
    "remove",
    "store",
    "store_keys",
]
