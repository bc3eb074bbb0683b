"""Every operation of every service, with each member of its request at any depth empty, absent, single, at its limit, beyond it and
of another type: the answer is AWS's, never an internal failure. What there is to try is read from botocore's service models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from engine.service import operations
from engine.trail import journal
from engine.wire.services import SERVICES, error_shapes, model
from tests.conftest import TestAccount, TestUser, new_account
from tests.support import members, raw
from tests.support.calls import EVERY, Calls
from tests.support.long_form import one_in
from tests.support.server import ACCESS_KEY_ID, ACCOUNT, SECRET, Server

# Errors that any operation may answer and that the models do not declare. Source: the API references' "Common errors".
COMMON = {
    "json": {
        "AccessDeniedException",
        "InvalidArnException",  # of a key identifier, declared for half of KMS's operations only
        "SerializationException",
        "ValidationException",
        "RequestEntityTooLargeException",
    },
    "ec2": {"UnauthorizedOperation", "InvalidParameterValue", "DryRunOperation"},
    "query": {"AccessDenied", "MalformedInput", "MalformedQueryString", "ValidationError", "RequestEntityTooLarge"},
}
# What AWS answers though the operation's model does not declare it, and what stands for a feature that is not offered here.
UNDECLARED = {
    "AssumeRole": {"InvalidParameterValue"},
    "GetFederationToken": {
        "InvalidParameterValue"
    },  # as recorded by LocalStack: tags that are sent twice or are not there
    "CreateRole": {"NoSuchEntity"},  # a boundary that is not there, as for CreateUser, where it is declared
    "CreateCustomKeyStore": {"UnsupportedOperationException"},  # an external one
    "Decrypt": {"UnsupportedOperationException"},  # this and the next two: Recipient
    "DeriveSharedSecret": {"UnsupportedOperationException"},
    "GenerateDataKey": {"UnsupportedOperationException"},
    "DescribeKey": {"InvalidGrantTokenException"},  # as for every other operation that takes GrantTokens
    "ListKeyPolicies": {"InvalidMarkerException"},  # as for every other list
}


@pytest.fixture(scope="module")
def calls(prepared: object) -> Iterator[Calls]:
    """An account whose calls are not waited for until the disk has them: there are many, and none is read again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal.os, "fdatasync", lambda descriptor: None)
        yield Calls(new_account().administrator)


def bodies(calls: Calls, name: str, operation: str, base: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """(what is tried, body), around the sound parameters `base`."""
    shape = model(name).operation_model(operation).input_shape
    if shape is None:
        return
    for tried, parameters in members.cases(shape, base, calls.given):
        yield tried, body_of(name, operation, parameters)
    if SERVICES[name].protocol == "json":
        return
    version = SERVICES[name].version
    for member, described in shape.members.items():
        rest = members.fields({key: value for key, value in base.items() if key != member})
        for odd in members.odd_fields(described, member, calls.given):
            yield f"{odd}"[:100], members.form(operation, version, [*rest, *odd])


def declared(name: str, operation: str) -> set[str]:
    shapes = error_shapes(name)
    return {shapes[each.name].code for each in model(name).operation_model(operation).error_shapes}


def wrong(name: str, operation: str, answer: raw.Answer) -> bool:
    if answer.status == 200:
        return False
    known = declared(name, operation) | COMMON[SERVICES[name].protocol] | UNDECLARED.get(operation, set())
    return answer.status >= 500 or answer.code not in known


# Calls about what no account has here.
NEVER_SOUND = {
    *("ConnectCustomKeyStore", "CreateCustomKeyStore", "DeleteCustomKeyStore", "DisconnectCustomKeyStore"),
    *("UpdateCustomKeyStore", "GetAccountPasswordPolicy", "DeleteAccountPasswordPolicy", "GetTrailStatus"),
    *("GenerateOrganizationsAccessReport", "GetOrganizationsAccessReport", "ListOrganizationsFeatures"),
    *("DisableOrganizationsRootCredentialsManagement", "DisableOrganizationsRootSessions"),
    *("EnableOrganizationsRootCredentialsManagement", "EnableOrganizationsRootSessions"),
    "DecodeAuthorizationMessage",
}


def body_of(name: str, operation: str, parameters: dict[str, Any]) -> bytes:
    if SERVICES[name].protocol == "json":
        return json.dumps(parameters).encode()
    return members.form(operation, SERVICES[name].version, members.fields(parameters))


# Each member of each operation is tried as some of the values that follow each other in `members.cases`, from another one on for
# each operation; as all of them by `make walks`.
STEP = 5


@pytest.mark.parametrize(("name", "operation"), EVERY)
def test_no_member_brings_an_operation_down(calls: Calls, name: str, operation: str) -> None:
    base = calls.sound(name, operation)
    uses_up = operations()[name][operation].writes
    answer = raw.send(calls.user, name, operation, body_of(name, operation, base))
    assert (answer.status == 200) == (operation not in NEVER_SOUND and name != "organizations"), answer
    if uses_up:
        base = calls.sound(name, operation)
    failures = []
    sent: set[bytes] = set()
    for tried, body in one_in(STEP, bodies(calls, name, operation, base), first=EVERY.index((name, operation))):
        if body in sent:
            continue
        sent.add(body)
        answer = raw.send(calls.user, name, operation, body)
        if wrong(name, operation, answer):
            failures.append((tried, answer.status, answer.code, answer.message))
        if uses_up and answer.status == 200:
            base.clear()
            base.update(calls.sound(name, operation))
    if operation == "UpdateAccountPasswordPolicy":
        calls.iam.delete_account_password_policy()  # the passwords of further calls are not made for it
    assert not failures, failures


ALL = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
EMPTY = {"structure": {}, "list": [], "map": {}, "boolean": False, "integer": 0, "long": 0, "timestamp": 0}


def test_no_empty_request_brings_a_server_down(server: Server) -> None:
    """Over a socket: nothing, every member empty, every member null or a name without a value."""
    account = TestAccount(ACCOUNT, endpoint=server.url)
    account.administrator = TestUser(account, "admin", f"arn:aws:iam::{ACCOUNT}:user/admin", ACCESS_KEY_ID, SECRET)
    user = account.create_user("empties", ALL)  # a call that names nobody is about the caller
    failures = []
    for name, operation in EVERY:
        shape = model(name).operation_model(operation).input_shape
        known = shape.members if shape is not None else {}
        empty = {member: EMPTY.get(described.type_name, "") for member, described in known.items()}
        no_value = dict.fromkeys(known, None if SERVICES[name].protocol == "json" else "")
        for parameters in ({}, empty, no_value):
            answer = raw.send(user, name, operation, body_of(name, operation, parameters))
            if wrong(name, operation, answer):
                failures.append((operation, parameters, answer.status, answer.code, answer.message))
    assert not failures, failures
