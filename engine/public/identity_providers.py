"""Sign-in by OpenID Connect and SAML, and its settings, which AWS has no API for."""

from __future__ import annotations

from engine.iam.oidc_sign_in import Begun, Option, begin, finish, issuer_of, options
from engine.iam.role_mapping import Rule
from engine.iam.saml_sign_in import Choice
from engine.iam.saml_sign_in import choices as saml_choices
from engine.iam.saml_sign_in import finish as saml_finish
from engine.iam.sign_in_settings import Outcome, Settings, preview, read, remove, store, store_keys

__all__ = [
    "Begun",
    "Choice",
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
    "saml_choices",
    "saml_finish",
    "store",
    "store_keys",
]
