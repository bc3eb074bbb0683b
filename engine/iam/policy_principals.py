"""Who a statement of a resource-based policy is about. Source: IAM User Guide, "Policy elements: Principal" and "NotPrincipal"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

DIRECT, ACCOUNT = "direct", "account"


class Session(Protocol):
    @property
    def issuer_arn(self) -> str: ...


class Caller(Protocol):
    """What a Principal element asks about who calls (engine.iam.principal.Principal)."""

    @property
    def kind(self) -> str: ...
    @property
    def account_id(self) -> str: ...
    @property
    def arn(self) -> str: ...
    @property
    def unique_id(self) -> str: ...
    @property
    def invoked_by(self) -> str: ...
    @property
    def provider(self) -> str: ...
    @property
    def session(self) -> Session | None: ...


@dataclass(frozen=True, slots=True)
class Principals:
    """Who a statement is about. `everyone` is "*"; `accounts` delegates to them; `names` are ARNs and unique IDs; `negated` NotPrincipal.

    In a stored policy the ARNs of users and roles are replaced by their unique IDs (engine.iam.principal_ids). Who comes
    from an identity provider is matched by its ARN alone ("*" is no federated principal), and canonical users match nobody.
    """

    everyone: bool
    accounts: frozenset[str]
    names: frozenset[str]
    services: frozenset[str]
    federated: frozenset[str]
    negated: bool

    def match(self, principal: Caller) -> str:
        """DIRECT, ACCOUNT or "" (not about this principal)."""
        if self.negated:
            return "" if self._excepts(principal) else DIRECT
        if principal.provider:
            return DIRECT if principal.provider in self.federated else ""
        if self.everyone:
            return DIRECT
        if principal.kind == "service":
            return DIRECT if principal.invoked_by in self.services else ""
        if self._names_role_or_user(principal) or self._names_own_session(principal):
            return DIRECT
        return ACCOUNT if principal.account_id in self.accounts else ""

    def _names_role_or_user(self, principal: Caller) -> bool:
        """By the ARN or unique ID of the user or of the session's role."""
        if not self.names:
            return False
        arn = principal.session.issuer_arn if principal.session is not None else principal.arn
        return arn in self.names or principal.unique_id.partition(":")[0] in self.names

    def _names_own_session(self, principal: Caller) -> bool:
        """By the ARN or unique ID of the session itself."""
        return principal.kind != "user" and (principal.arn in self.names or principal.unique_id in self.names)

    def _excepts(self, principal: Caller) -> bool:
        """NotPrincipal lists the caller: its account and, within it, the very user or role (IAM User Guide, "NotPrincipal")."""
        if self.everyone:
            return True
        if principal.kind == "service":
            return principal.invoked_by in self.services
        return principal.account_id in self.accounts and (
            principal.kind == "root" or self._names_role_or_user(principal)
        )

    def names_session(self, principal: Caller) -> bool:
        """The very session or user is named, or everyone: what boundaries and session policies do not narrow by not allowing.

        Source: IAM User Guide, "Policy evaluation for requests within a single account" and "IAM role principals".
        """
        if self.everyone:
            return True
        return self._names_role_or_user(principal) if principal.kind == "user" else self._names_own_session(principal)
