"""The KMS operations: the function that carries each one out. How it runs is said in its row of engine.kms_operations."""

from __future__ import annotations

from engine.kms import (
    aliases,
    data_keys,
    encryption,
    grants,
    imports,
    keys,
    last_use,
    policies,
    regions,
    rotation,
    signing,
    tags,
)
from engine.kms.stores import operations as stores
from engine.kms_operations import TABLE
from engine.operation import Operation, Prepare, Run

_FUNCTIONS: dict[str, Run] = {
    "CancelKeyDeletion": keys.cancel_key_deletion,
    "ConnectCustomKeyStore": stores.connect_custom_key_store,
    "CreateAlias": aliases.create_alias,
    "CreateCustomKeyStore": stores.create_custom_key_store,
    "CreateGrant": grants.create_grant,
    "CreateKey": keys.create_key,
    "Decapsulate": signing.decapsulate,
    "Decrypt": encryption.decrypt,
    "DeleteAlias": aliases.delete_alias,
    "DeleteCustomKeyStore": stores.delete_custom_key_store,
    "DeleteImportedKeyMaterial": imports.delete_imported_key_material,
    "DeriveSharedSecret": signing.derive_shared_secret,
    "DescribeCustomKeyStores": stores.describe_custom_key_stores,
    "DescribeKey": keys.describe_key,
    "DisableKey": keys.disable_key,
    "DisableKeyRotation": rotation.disable_key_rotation,
    "DisconnectCustomKeyStore": stores.disconnect_custom_key_store,
    "EnableKey": keys.enable_key,
    "EnableKeyRotation": rotation.enable_key_rotation,
    "Encapsulate": signing.encapsulate,
    "Encrypt": encryption.encrypt,
    "GenerateDataKey": data_keys.generate_data_key,
    "GenerateDataKeyPair": data_keys.generate_data_key_pair,
    "GenerateDataKeyPairWithoutPlaintext": data_keys.generate_data_key_pair_without_plaintext,
    "GenerateDataKeyWithoutPlaintext": data_keys.generate_data_key_without_plaintext,
    "GenerateMac": signing.generate_mac,
    "GenerateRandom": data_keys.generate_random,
    "GetKeyLastUsage": last_use.get_key_last_usage,
    "GetKeyPolicy": policies.get_key_policy,
    "GetKeyRotationStatus": rotation.get_key_rotation_status,
    "GetParametersForImport": imports.get_parameters_for_import,
    "GetPublicKey": signing.get_public_key,
    "ImportKeyMaterial": imports.import_key_material,
    "ListAliases": aliases.list_aliases,
    "ListGrants": grants.list_grants,
    "ListKeyPolicies": policies.list_key_policies,
    "ListKeyRotations": rotation.list_key_rotations,
    "ListKeys": keys.list_keys,
    "ListResourceTags": tags.list_resource_tags,
    "ListRetirableGrants": grants.list_retirable_grants,
    "PutKeyPolicy": policies.put_key_policy,
    "ReEncrypt": encryption.re_encrypt,
    "ReplicateKey": regions.replicate_key,
    "RetireGrant": grants.retire_grant,
    "RevokeGrant": grants.revoke_grant,
    "RotateKeyOnDemand": rotation.rotate_key_on_demand,
    "ScheduleKeyDeletion": keys.schedule_key_deletion,
    "Sign": signing.sign,
    "TagResource": tags.tag_resource,
    "UntagResource": tags.untag_resource,
    "UpdateAlias": aliases.update_alias,
    "UpdateCustomKeyStore": stores.update_custom_key_store,
    "UpdateKeyDescription": keys.update_key_description,
    "UpdatePrimaryRegion": regions.update_primary_region,
    "Verify": signing.verify,
    "VerifyMac": signing.verify_mac,
}

# What asks a key store's device before the change.
_PREPARE: dict[str, Prepare] = {
    "CreateCustomKeyStore": stores.create_prepared,
    "CreateKey": keys.create_prepared,
    "UpdateCustomKeyStore": stores.update_prepared,
}

OPERATIONS = {
    name: Operation(run, writes=TABLE[name].writes, quick=TABLE[name].quick, prepare=_PREPARE.get(name))
    for name, run in _FUNCTIONS.items()
}
