"""What is known of each KMS operation beside botocore's model: one row each, and the one list of them. Pure; imports nothing of the engine.

Every other list of operations (last use, key usage, grants, other accounts' keys, quotas, pages) is read from here. Source: AWS KMS API
Reference (each operation's "Key state", "Cross-account use" and "Required permissions"); Service Authorization Reference for AWS KMS;
Developer Guide, "Grant operations" and "Request quotas".
"""

from __future__ import annotations

from dataclasses import dataclass

# Kinds of key: by its usage, and apart from RSA encryption keys the symmetric ones.
SYMMETRIC = "symmetric"
ENCRYPT_DECRYPT = "ENCRYPT_DECRYPT"
SIGN_VERIFY = "SIGN_VERIFY"
GENERATE_VERIFY_MAC = "GENERATE_VERIFY_MAC"
KEY_AGREEMENT = "KEY_AGREEMENT"
ENCAPSULATE_DECAPSULATE = "ENCAPSULATE_DECAPSULATE"
_BOTH = (SYMMETRIC, ENCRYPT_DECRYPT)
_PUBLIC = (ENCRYPT_DECRYPT, SIGN_VERIFY, KEY_AGREEMENT, ENCAPSULATE_DECAPSULATE)

# What an operation is about, and so what policies allow it on.
KEY = "key"
ALIAS = "alias"  # and its key
GRANT = "grant"
STORE = "custom key store"
ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class KmsOperation:
    """`quota`: its family in engine.throttling. `kinds`: the keys whose cryptography it is; none for what every key takes. `writes` and
    `quick`: see engine.operation.Operation. `use`: a successful call is the key's last use. `permissions`: where its name is none."""

    name: str
    resource: str = KEY
    quota: str = "administration"
    kinds: tuple[str, ...] = ()
    writes: bool = False
    quick: bool = False
    use: bool = False
    makes_ciphertext: bool = False
    grantable: bool = False
    cross_account: bool = False
    permissions: tuple[str, ...] = ()

    @property
    def actions(self) -> tuple[str, ...]:
        """What policies and grants call it."""
        return self.permissions or (self.name,)


def _use(
    name: str,
    kinds: tuple[str, ...],
    quota: str,
    *,
    quick: bool = False,
    makes_ciphertext: bool = False,
    permissions: tuple[str, ...] = (),
) -> KmsOperation:
    return KmsOperation(
        name,
        quota=quota,
        kinds=kinds,
        quick=quick,
        use=True,
        makes_ciphertext=makes_ciphertext,
        grantable=True,
        cross_account=True,
        permissions=permissions,
    )


def _read(name: str, resource: str = KEY, *, quota: str = "read", cross_account: bool = False) -> KmsOperation:
    return KmsOperation(name, resource, quota, cross_account=cross_account)


def _change(
    name: str,
    resource: str = KEY,
    *,
    quota: str = "administration",
    grantable: bool = False,
    cross_account: bool = False,
) -> KmsOperation:
    return KmsOperation(name, resource, quota, writes=True, grantable=grantable, cross_account=cross_account)


# In the order in which pages list them.
TABLE: dict[str, KmsOperation] = {
    row.name: row
    for row in (
        _use("Encrypt", _BOTH, "symmetric", quick=True, makes_ciphertext=True),
        _use("Decrypt", _BOTH, "symmetric", quick=True),
        _use(
            "ReEncrypt",
            _BOTH,
            "symmetric",
            quick=True,
            makes_ciphertext=True,
            permissions=("ReEncryptFrom", "ReEncryptTo"),
        ),
        _use("GenerateDataKey", (SYMMETRIC,), "symmetric", quick=True, makes_ciphertext=True),
        _use("GenerateDataKeyWithoutPlaintext", (SYMMETRIC,), "symmetric", quick=True, makes_ciphertext=True),
        _use("GenerateDataKeyPair", (SYMMETRIC,), "key-pairs", makes_ciphertext=True),
        _use("GenerateDataKeyPairWithoutPlaintext", (SYMMETRIC,), "key-pairs", makes_ciphertext=True),
        _use("Sign", (SIGN_VERIFY,), "asymmetric"),
        _use("Verify", (SIGN_VERIFY,), "asymmetric", quick=True),
        _use("GenerateMac", (GENERATE_VERIFY_MAC,), "symmetric", quick=True),
        _use("VerifyMac", (GENERATE_VERIFY_MAC,), "symmetric", quick=True),
        _use("DeriveSharedSecret", (KEY_AGREEMENT,), "asymmetric"),
        _use("Encapsulate", (ENCAPSULATE_DECAPSULATE,), "asymmetric"),
        _use("Decapsulate", (ENCAPSULATE_DECAPSULATE,), "asymmetric"),
        KmsOperation("GetPublicKey", KEY, "describe", _PUBLIC, quick=True, grantable=True, cross_account=True),
        KmsOperation("GenerateRandom", ACCOUNT, "symmetric", quick=True),
        KmsOperation("DescribeKey", KEY, "describe", quick=True, grantable=True, cross_account=True),
        _change("CreateGrant", quota="grants", grantable=True, cross_account=True),
        _change("RetireGrant", GRANT, quota="grants", grantable=True, cross_account=True),
        _change("RevokeGrant", quota="grants", cross_account=True),
        _read("ListGrants", cross_account=True),
        _read("ListRetirableGrants", ACCOUNT),
        _change("CreateKey", ACCOUNT),
        _change("EnableKey"),
        _change("DisableKey"),
        _change("ScheduleKeyDeletion"),
        _change("CancelKeyDeletion"),
        _change("UpdateKeyDescription"),
        _read("ListKeys", ACCOUNT),
        _read("GetKeyLastUsage"),
        _change("CreateAlias", ALIAS),
        _change("UpdateAlias", ALIAS),
        _change("DeleteAlias", ALIAS),
        _read("ListAliases", ACCOUNT),
        _change("TagResource"),
        _change("UntagResource"),
        _read("ListResourceTags"),
        _change("PutKeyPolicy"),
        _read("GetKeyPolicy"),
        _read("ListKeyPolicies"),
        _change("EnableKeyRotation"),
        _change("DisableKeyRotation"),
        _change("RotateKeyOnDemand"),
        _read("GetKeyRotationStatus", cross_account=True),
        _read("ListKeyRotations"),
        _read("GetParametersForImport", quota="administration"),
        _change("ImportKeyMaterial"),
        _change("DeleteImportedKeyMaterial"),
        _change("ReplicateKey"),
        _change("UpdatePrimaryRegion"),
        _change("CreateCustomKeyStore", STORE),
        _change("ConnectCustomKeyStore", STORE),
        _change("DisconnectCustomKeyStore", STORE),
        _change("UpdateCustomKeyStore", STORE),
        _change("DeleteCustomKeyStore", STORE),
        _read("DescribeCustomKeyStores", STORE, quota="administration"),
    )
}

# With a key, GetPublicKey too: those of one row in AWS's table of key states.
CRYPTOGRAPHIC = frozenset(row.name for row in TABLE.values() if row.kinds)
# Members that the record shows as they are meant where they are not given. Source: KMS Developer Guide, "AWS KMS log entries".
RECORDED_DEFAULTS: dict[str, dict[str, str]] = {
    "Encrypt": {"encryptionAlgorithm": "SYMMETRIC_DEFAULT"},
    "Decrypt": {"encryptionAlgorithm": "SYMMETRIC_DEFAULT"},
    "ReEncrypt": {
        "sourceEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "destinationEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
    },
}
USES = frozenset(row.name for row in TABLE.values() if row.use)  # what GetKeyLastUsage counts
MAKES_CIPHERTEXT = frozenset(row.name for row in TABLE.values() if row.makes_ciphertext)
CROSS_ACCOUNT = frozenset(row.name for row in TABLE.values() if row.cross_account)
# The key usage that a call needs, by operation. None for GetPublicKey, which several have.
USAGE = {row.name: row.kinds[-1] if row.kinds != (SYMMETRIC,) else ENCRYPT_DECRYPT for row in TABLE.values() if row.use}
# What takes an encryption context, as policies and grants call it.
CONTEXT_ACTIONS = frozenset(action for row in TABLE.values() if SYMMETRIC in row.kinds for action in row.actions)

# What a call is, for who looks through the record of calls.
READ, WRITE, USE = "read", "write", "use"


def kind_of_call(operation: str, *, read_only: bool) -> str:
    """Whether a call reads, changes something, or does cryptography, which is what keys are for. `read_only` is the record's word for
    it: it decides for what is no operation of KMS."""
    row = TABLE.get(operation)
    if row is not None and (row.kinds or row.name == "GenerateRandom"):
        return USE
    return READ if read_only else WRITE


def kind_of_key(spec: str, usage: str) -> str:
    return SYMMETRIC if spec == "SYMMETRIC_DEFAULT" else usage


def actions_of_kind(kind: str) -> tuple[str, ...]:
    """The cryptographic actions of a kind of key; none for a kind that is not known."""
    return tuple(action for row in TABLE.values() if kind in row.kinds for action in row.actions)


def grantable_on_kind(kind: str) -> tuple[str, ...]:
    """What a grant may allow on a key of this kind: its cryptography, and what goes with every key."""
    return tuple(
        action
        for row in TABLE.values()
        if row.grantable and (kind in row.kinds or not row.kinds)
        for action in row.actions
    )


def of_quota(family: str) -> tuple[str, ...]:
    return tuple(row.name for row in TABLE.values() if row.quota == family)


def is_about_key(operation: str) -> bool:
    """Whether policies allow it on a key. What this table does not know yet is taken to be about one, as nearly all are."""
    row = TABLE.get(operation)
    return row is None or row.resource in (KEY, ALIAS)


def actions_of(operation: str) -> tuple[str, ...]:
    """What policies call an operation."""
    row = TABLE.get(operation)
    return row.actions if row is not None else (operation,)
