"""The contract tests of symmetric keys, in use and managed, over keys in an external key store behind the reference proxy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.engine.kms.stores.test_contract_in_a_store import (  # noqa: F401
    contract,
    test_a_ciphertext_opens_only_in_its_encryption_context,
    test_a_data_key_is_as_long_as_asked_for_and_comes_back,
    test_a_data_key_needs_a_spec_or_a_length,
    test_a_data_key_pair_of_a_spec_that_is_not_here_is_refused,
    test_a_dry_run_checks_everything_and_does_nothing,
    test_a_grant_that_is_not_there_is_not_revoked,
    test_a_grant_that_only_makes_grants_is_refused,
    test_a_key_has_one_policy,
    test_a_key_of_another_usage_is_refused_whatever_its_state,
    test_a_key_that_did_not_encrypt_cannot_decrypt,
    test_an_algorithm_of_another_spec_is_refused,
    test_an_answer_has_all_its_members_but_material_ids,
    test_an_operation_that_takes_aliases_takes_all_four_forms,
    test_answers_sealed_for_an_enclave_are_refused,
    test_duplicate_tag_keys_are_refused,
    test_the_destination_of_a_re_encryption_must_encrypt,
    test_the_state_comes_before_the_algorithm_and_the_spec,
    test_what_is_no_ciphertext_is_refused_without_a_word,
    test_what_is_no_grant_token_is_refused,
)
from tests.support import key_stores
from tests.support.xks import ReferenceProxy


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReferenceProxy]:
    with ReferenceProxy(tmp_path_factory.mktemp("proxy") / "training", keys=3) as made, made.settings():
        yield made


@pytest.fixture(scope="module")
def keys(keys: dict[str, Any], aws: Any, proxy: ReferenceProxy) -> dict[str, Any]:
    """As of every contract test, but the symmetric ones are in a store."""
    store_id = aws.create_custom_key_store(CustomKeyStoreName="external", **proxy.members)["CustomKeyStoreId"]
    key_stores.connect(aws, store_id)
    in_store = {
        name: aws.create_key(Origin="EXTERNAL_KEY_STORE", CustomKeyStoreId=store_id, XksKeyId=f"key-{number}")[
            "KeyMetadata"
        ]
        for number, name in enumerate(("symmetric", "other symmetric", "disabled"))
    }
    aws.disable_key(KeyId=in_store["disabled"]["KeyId"])
    return {**keys, **in_store}
