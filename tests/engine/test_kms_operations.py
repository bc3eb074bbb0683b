"""engine/kms_operations.py is the one list of KMS operations: it names what AWS's model names, and there is no second list anywhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from engine import kms_operations, throttling
from engine.kms import specs
from engine.kms.operations import OPERATIONS
from engine.wire import services

MODEL = services.model("kms")
NAMES = {*MODEL.operation_names, *(action for row in kms_operations.TABLE.values() for action in row.actions)}
ROOT = Path(__file__).parents[2]
ROOMS = ("engine", "console", "keys", "principals", "playground", "access", "audit", "learn", "kmsconsole")
MOST = 4  # operations of AWS KMS that a collection may name by hand

# Where more stand by hand, and why each is no second list: what it holds of an operation is said nowhere else.
ELSEWHERE = {
    "engine/kms_operations.py": "the table",
    "engine/kms/operations.py": "the function of each operation",
    "engine/kms/states.py": "what each operation answers in each key state",
    "engine/iam/starter_policies.py": "policies as people read them",
    "engine/kms/managed.py": "key policies as AWS words them",
    "keys/evaluator/operations.py": "columns of the access matrix, a label each",
    "keys/grants/grants.py": "what each operation does, in words",
    "keys/inventory/reads.py": "the reads of a list's row: their order is that of stored bits",
    "keys/endpoints/connections.py": "what the test of a connection leaves out, for what it would do there",
    "keys/record/key_states.py": "what each operation changes of a key's state",
    "keys/record/snapshots.py": "which calls a past state is read from",
    "audit/compliance/checks.py": "the call that shows each check's evidence",
    "kmsconsole/frame/context.py": "which action each page of the navigation takes",
    "learn/labs/sequence.py": "what each answers a service, in words",
    "console/error_help.py": "what helps, by operation and error",
    "console/terraform.py": "Terraform's resource for each operation",
    "playground/table.py": "where each result goes on to",
    "learn/labs/services.py": "the calls of AWS services, in their order",
    "kmsconsole/management/commands/compatibility.py": "what an operation does not do, a sentence each",
}


def _by_hand(path: Path) -> Iterator[int]:
    """Lines where a literal collection of more than MOST names of operations begins."""
    text = path.read_text()
    if len(NAMES.intersection(re.findall(r"\w+", text))) <= MOST:
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Dict):
            members = [key for key in node.keys if key is not None]
        elif isinstance(node, ast.Set | ast.Tuple | ast.List):
            members = list(node.elts)
        else:
            continue
        named = {
            part.value.removeprefix("kms:")
            for member in members
            for part in ast.walk(member)
            if isinstance(part, ast.Constant) and isinstance(part.value, str)
        }
        if len(named & NAMES) > MOST:
            yield node.lineno


def test_no_module_lists_operations_beside_the_table() -> None:
    found = {
        path.relative_to(ROOT).as_posix(): lines
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if (lines := list(_by_hand(path)))
    }
    assert {path: lines for path, lines in found.items() if path not in ELSEWHERE} == {}
    assert set(ELSEWHERE) - set(found) == set()  # an exception that is none any more goes


def test_the_table_names_the_operations_of_awss_model_and_each_has_its_function() -> None:
    assert set(kms_operations.TABLE) == set(MODEL.operation_names) == set(OPERATIONS)


def test_grants_may_allow_what_awss_model_says() -> None:
    grantable = [action for row in kms_operations.TABLE.values() if row.grantable for action in row.actions]
    assert sorted(grantable) == sorted(MODEL.shape_for("GrantOperation").enum)


def test_kinds_of_key_are_the_key_usages_and_symmetric() -> None:
    kinds = {kind for row in kms_operations.TABLE.values() for kind in row.kinds}
    assert kinds == {kms_operations.SYMMETRIC, *(usage for spec in specs.SPECS.values() for usage in spec.usages)}


def test_every_operation_has_a_request_quota() -> None:
    families = {family.name for family in throttling.FAMILIES["kms"]}
    assert {row.quota for row in kms_operations.TABLE.values()} == families


def test_a_grants_operations_are_those_of_a_use_and_those_that_go_with_every_key() -> None:
    assert kms_operations.grantable_on_kind("GENERATE_VERIFY_MAC") == (
        "GenerateMac",
        "VerifyMac",
        "DescribeKey",
        "CreateGrant",
        "RetireGrant",
    )


def test_a_public_key_is_cryptography_but_no_use_of_the_key() -> None:
    assert {"GetPublicKey"} == kms_operations.CRYPTOGRAPHIC - kms_operations.USES
    assert set(kms_operations.USAGE) == kms_operations.USES
