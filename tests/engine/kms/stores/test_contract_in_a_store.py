"""The contract tests of symmetric keys, in use and managed, over keys whose material is in a token."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import TestAccount, new_account
from tests.engine.kms import test_contract_keys, test_contract_management
from tests.engine.kms.contract import METHODS
from tests.engine.kms.test_contract_management import (  # noqa: F401
    test_a_grant_that_is_not_there_is_not_revoked,
    test_a_grant_that_only_makes_grants_is_refused,
    test_a_key_has_one_policy,
    test_duplicate_tag_keys_are_refused,
    test_what_is_no_grant_token_is_refused,
)
from tests.engine.kms.test_contract_use import (  # noqa: F401
    ANSWERS,
    test_a_ciphertext_opens_only_in_its_encryption_context,
    test_a_data_key_is_as_long_as_asked_for_and_comes_back,
    test_a_data_key_needs_a_spec_or_a_length,
    test_a_data_key_pair_of_a_spec_that_is_not_here_is_refused,
    test_a_key_of_another_usage_is_refused_whatever_its_state,
    test_a_key_that_did_not_encrypt_cannot_decrypt,
    test_an_algorithm_of_another_spec_is_refused,
    test_answers_sealed_for_an_enclave_are_refused,
    test_the_destination_of_a_re_encryption_must_encrypt,
    test_the_state_comes_before_the_algorithm_and_the_spec,
    test_what_is_no_ciphertext_is_refused_without_a_word,
)
from tests.support import key_stores
from tests.support.softhsm import SoftHsm


@pytest.fixture(scope="module")
def contract(prepared: Any) -> TestAccount:
    return new_account()


@pytest.fixture(scope="module")
def keys(keys: dict[str, Any], aws: Any, softhsm: SoftHsm) -> dict[str, Any]:
    """As of every contract test, but the symmetric ones are in a store."""
    store_id = key_stores.connected_store(aws, key_stores.make_cluster(softhsm, "contract"))
    in_store = {name: key_stores.key_in(aws, store_id) for name in ("symmetric", "other symmetric", "disabled")}
    aws.disable_key(KeyId=in_store["disabled"]["KeyId"])
    return {**keys, **in_store}


IN_STORE = ("Encrypt", "Decrypt", "ReEncrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext")


@pytest.mark.parametrize("operation", IN_STORE)
def test_an_answer_has_all_its_members_but_material_ids(
    aws: Any, keys: dict[str, Any], uses: dict[str, Any], operation: str
) -> None:
    """Key material in a custom key store has no ID."""
    kind, member, rest = uses[operation]
    answer = getattr(aws, METHODS[operation])(**{member: keys[kind]["KeyId"]}, **rest)
    answer.pop("ResponseMetadata")
    assert set(answer) == {name for name in ANSWERS[operation] if not name.endswith("KeyMaterialId")}


@pytest.mark.parametrize("operation", [*IN_STORE, "CreateGrant", "RetireGrant", "RevokeGrant"])
def test_a_dry_run_checks_everything_and_does_nothing(
    contract: TestAccount, aws: Any, keys: dict[str, Any], uses: dict[str, Any], operation: str
) -> None:
    test_contract_management.test_a_dry_run_checks_everything_and_does_nothing(contract, aws, keys, uses, operation)


@pytest.mark.parametrize("operation", [*IN_STORE, "DescribeKey"])
def test_an_operation_that_takes_aliases_takes_all_four_forms(
    contract: TestAccount, aws: Any, keys: dict[str, Any], uses: dict[str, Any], operation: str
) -> None:
    test_contract_keys.test_an_operation_that_takes_aliases_takes_all_four_forms(contract, aws, keys, uses, operation)
