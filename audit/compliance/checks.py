"""The named checks, one row each, and what a check is to the pages. A new one is a row here.

References were looked up in what they name: the CIS benchmark's list of recommendations (5.0.0, which AWS Security Hub checks, and 7.0.0,
where the same recommendations have other numbers), AWS Security Hub's list of controls, and PCI DSS 4.0.1. Where a standard does not say
what a check asks for, the check does not cite it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from audit.compliance import duties, iam_checks, key_checks, own_checks
from audit.compliance.results import Examined
from console.request import ConsoleRequest

CIS, SECURITY_HUB, NIST, PCI, OWN = "cis", "security-hub", "nist", "pci", "own"
FRAMEWORKS: dict[str, Any] = {
    CIS: "CIS AWS Foundations",
    SECURITY_HUB: "AWS Security Hub",
    NIST: "NIST",
    PCI: "PCI DSS",
    OWN: _("Own checks"),
}
SEVERITIES: dict[str, Any] = {
    "critical": _("Critical"),
    "high": _("High"),
    "medium": _("Medium"),
    "low": _("Low"),
}


@dataclass(frozen=True, slots=True)
class Reference:
    """`number` as the framework's document has it; `version` of that document, or the part of it."""

    framework: str
    version: str
    number: str

    def __str__(self) -> str:
        return " ".join(filter(None, (str(FRAMEWORKS[self.framework]), self.version, self.number)))


@dataclass(frozen=True, slots=True)
class Check:
    """`calls`: the API calls that show the same. `reads_policies`: it reads the policy of every key, which takes long where there are many."""

    id: str
    title: Any
    severity: str
    references: tuple[Reference, ...]
    what_to_do: Any
    calls: tuple[str, ...]
    examine: Callable[[ConsoleRequest], Examined]
    reads_policies: bool = False

    @property
    def frameworks(self) -> frozenset[str]:
        own = {OWN} if self.id.startswith(own_checks.PREFIX) else set()
        return frozenset(each.framework for each in self.references) | own

    @property
    def severity_words(self) -> Any:
        return SEVERITIES[self.severity]


def _cis(of_5: str, of_7: str) -> tuple[Reference, Reference]:
    return Reference(CIS, "5.0.0", of_5), Reference(CIS, "7.0.0", of_7)


def _fsbp(number: str) -> Reference:
    return Reference(SECURITY_HUB, "FSBP", number)


CHECKS: tuple[Check, ...] = (
    Check(
        "key-rotation",
        _("Automatic rotation is on for symmetric keys with material of KMS"),
        "medium",
        (
            *_cis("3.6", "4.6"),
            Reference(SECURITY_HUB, "", "KMS.4"),
            Reference(NIST, "SP 800-57 Part 1 Rev. 5", "5.3"),
            Reference(PCI, "4.0.1", "3.7.4"),
        ),
        _("Switch on automatic rotation on the key's tab “Key material and rotations”. What was encrypted before still opens."),
        ("kms:DescribeKey", "kms:GetKeyRotationStatus"),
        key_checks.rotation,
    ),
    Check(
        "key-deletion-pending",
        _("No key is scheduled for deletion"),
        "critical",
        (_fsbp("KMS.3"),),
        _("Cancel the deletion; or, if it is meant, say so by an exception with the reason and the day of the deletion."),
        ("kms:DescribeKey",),
        key_checks.deletion_pending,
    ),
    Check(
        "key-policy-public",
        _("No key policy allows public access"),
        "critical",
        (_fsbp("KMS.5"), Reference(CIS, "7.0.0", "2.21")),
        _("Name accounts, users, roles or services as principals, or narrow the statement by a condition on who calls."),
        ("kms:GetKeyPolicy",),
        key_checks.public_policy,
    ),
    Check(
        "material-expires",
        _("No imported key material expires within 30 days"),
        "high",
        (),
        _("Import the same material again, with a later date of expiry or none."),
        ("kms:DescribeKey",),
        key_checks.material_expires,
    ),
    Check(
        "key-unused",
        _("Every enabled key was used within 90 days"),
        "low",
        (),
        _("Look at the key's impact of deletion. Disable it first, and delete it once nothing missed it."),
        ("kms:DescribeKey", "kms:GetKeyLastUsage"),
        key_checks.unused_keys,
    ),
    Check(
        "key-owner-tag",
        _("Every key has a tag “owner”"),
        "low",
        (),
        _("Add the tag “owner”, so that somebody can be asked about the key."),
        ("kms:ListResourceTags",),
        key_checks.owner_tag,
    ),
    Check(
        "policy-decrypt-all",
        _("No customer managed policy allows decryption with all keys"),
        "medium",
        (_fsbp("KMS.1"), Reference(PCI, "4.0.1", "3.6.1")),
        _("Name the keys, or the account's keys of one Region, in the statement's Resource."),
        ("iam:GetAccountAuthorizationDetails",),
        iam_checks.managed_decrypt,
    ),
    Check(
        "inline-decrypt-all",
        _("No inline policy allows decryption with all keys"),
        "medium",
        (_fsbp("KMS.2"), Reference(PCI, "4.0.1", "3.6.1")),
        _("Name the keys, or the account's keys of one Region, in the statement's Resource."),
        ("iam:GetAccountAuthorizationDetails",),
        iam_checks.inline_decrypt,
    ),
    Check(
        "policy-kms-all",
        _("No policy in use allows every action of KMS on all keys"),
        "high",
        (Reference(PCI, "4.0.1", "3.6.1"),),
        _("Give administration and use of keys by different policies; KeyAdministrator and KeyOperator are there to begin with."),
        ("iam:GetAccountAuthorizationDetails",),
        iam_checks.wide_policies,
    ),
    Check(
        "duties-separated",
        _("Nobody who administers a key uses it as well"),
        "high",
        (Reference(NIST, "SP 800-53 Rev. 5", "AC-5"),),
        _("Take one part away: by another policy, a key policy that names administrators and users apart, or an explicit deny."),
        ("iam:GetAccountAuthorizationDetails", "kms:GetKeyPolicy", "kms:ListGrants"),
        duties.administrators_who_use,
        reads_policies=True,
    ),
    Check(
        "access-key-age",
        _("No active access key is older than 90 days"),
        "medium",
        (*_cis("1.13", "2.12"), _fsbp("IAM.3")),
        _("Make a second access key, use it, switch the old one off, and delete it."),
        ("iam:GenerateCredentialReport", "iam:GetCredentialReport"),
        iam_checks.access_key_age,
    ),
    Check(
        "credentials-unused",
        _("No password or access key is unused for 45 days"),
        "medium",
        _cis("1.11", "2.11"),
        _("Switch the access key off, or delete the login profile; delete the user if nobody needs it."),
        ("iam:GenerateCredentialReport", "iam:GetCredentialReport"),
        iam_checks.unused_credentials,
    ),
    Check(
        "role-unused",
        _("Every role was used within 90 days"),
        "low",
        (),
        _("Delete the role, or narrow its trust policy."),
        ("iam:GetAccountAuthorizationDetails",),
        iam_checks.unused_roles,
    ),
    Check(
        "user-mfa",
        _("Every user with a password has an MFA device"),
        "high",
        (*_cis("1.9", "2.10"), _fsbp("IAM.5")),
        _("Give the user an MFA device, or take the password away."),
        ("iam:GenerateCredentialReport", "iam:GetCredentialReport"),
        iam_checks.mfa,
    ),
    Check(
        "root-use",
        _("The root user was not used within 90 days and has no access key"),
        "critical",
        (*_cis("1.6", "2.7"), *_cis("1.3", "2.4"), _fsbp("IAM.4")),
        _("Use an administrator's user or role. Delete access keys of the root user."),
        ("iam:GetCredentialReport", "cloudtrail:LookupEvents"),
        iam_checks.root_use,
    ),
    Check(
        "audit-denied",
        _("No policy in use denies the audit"),
        "medium",
        (),
        _("Take the Deny out of the policy, or keep the policy from whoever audits."),
        ("iam:GetAccountAuthorizationDetails",),
        iam_checks.denies_audit,
    ),
)  # fmt: skip


def every() -> Sequence[Check]:
    """The console's checks and the installation's own. Raises own_checks.OwnCheckError for a file that is none."""
    return (*CHECKS, *(_own(each) for each in own_checks.of_data_folder()))


def _own(own: own_checks.OwnCheck) -> Check:
    references = tuple(Reference(OWN, "", each) for each in own.references)
    calls = ("kms:DescribeKey", "kms:ListResourceTags")
    return Check(own.id, own.title, own.severity, references, own.what_to_do, calls, own.examine)


def of_framework(checks: Iterable[Check], framework: str) -> list[Check]:
    return [each for each in checks if not framework or framework in each.frameworks]
