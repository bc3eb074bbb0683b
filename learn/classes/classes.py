"""A class: a group and users under one IAM path, /students/<slug>/, and nothing beside it. What is there is read from IAM; what is missing
is made, in order, so that a creation that stopped in the middle goes on where it stood.

A password is made here and given to the person who asked, once: it is in no log, no session and no cache.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError

from console.aws_calls import pages
from engine.public import starter_policies as practice
from engine.public import visibility
from keys.call import Call
from principals.groups import views as groups
from principals.users.views import users

PATH = practice.STUDENTS  # where all classes are
MOST = 100  # students that one form makes
_SHOWN, _LOOKED_AT = 20, 2_000  # keys that are named as common property, and looked at for that
_PATIENCE = 15.0  # seconds after which a request begins with no further student
_CLEAR = "abcdefghijkmnpqrstuvwxyz"  # no l and o, which look like digits on paper
_DIGITS = "23456789"


@dataclass(frozen=True, slots=True)
class Class:
    """`name` is that of its group."""

    slug: str
    name: str
    created: datetime

    @property
    def path(self) -> str:
        return path_of(self.slug)


@dataclass(frozen=True, slots=True)
class ClassRequest:
    """What is to be there: the class with at least these students, each with a password and, if so wished, an access key."""

    slug: str
    name: str
    students: tuple[str, ...]
    access_keys: bool
    policy_arn: str

    @property
    def policy_name(self) -> str:
        return self.policy_arn.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Student:
    """What was made for a student just now, as its hand-out says it. Empty is what was there already or was not asked for."""

    name: str
    password: str = field(default="", repr=False)
    access_key_id: str = ""
    secret_access_key: str = field(default="", repr=False)


@dataclass(slots=True)
class Outcome:
    """What a creation came to. With `error` the call `operation` was refused; `left` are the students who are not whole yet."""

    students: list[Student]
    left: list[str]
    done: list[str]
    error: ClientError | None = None
    operation: str = ""

    @property
    def whole(self) -> bool:
        return self.error is None and not self.left


def path_of(slug: str) -> str:
    return f"{PATH}{slug}/"


POLICIES = (
    practice.STUDENT_OF_OWN_KEYS,
    practice.STUDENT,
)  # that a class may have; the first is what a form begins with


def student_policy(account_id: str, name: str = practice.STUDENT_OF_OWN_KEYS) -> str:
    """ARN of the policy that students have and cannot get beyond."""
    (found,) = (policy for policy in practice.POLICIES if policy.name == name)
    return found.arn(account_id)


def offered(iam: Any, account_id: str) -> list[str]:
    """Those of POLICIES that the account has: one that was made by an earlier version may lack the newer. Raises ClientError."""
    there = {each["Arn"] for each in pages(iam, "list_policies", "Policies", Scope="Local", PathPrefix=practice.PATH)}
    return [name for name in POLICIES if student_policy(account_id, name) in there]


def policy_of(iam: Any, found: Class) -> str:
    """The name of the policy that a class has. Raises ClientError."""
    attached = pages(iam, "list_attached_group_policies", "AttachedPolicies", GroupName=found.name)
    names = [each["PolicyName"] for each in attached]
    return next((name for name in POLICIES if name in names), practice.STUDENT)


def common_property(account_id: str, region: str, iam: Any) -> visibility.AllowedKeys | None:
    """The keys that students with KeyStudent could delete, as that policy is in this account; None where there is none. Raises
    ClientError."""
    arn = student_policy(account_id, practice.STUDENT)
    try:
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchEntity":
            return None
        raise
    return visibility.allowed_keys(
        account_id, region, [json.dumps(document)], "kms:ScheduleKeyDeletion", shown=_SHOWN, most=_LOOKED_AT
    )


def every(iam: Any) -> list[Class]:
    """Raises ClientError."""
    found = pages(iam, "list_groups", "Groups", PathPrefix=PATH)
    return [_class(group) for group in found if _slug(group["Path"])]


def find(iam: Any, slug: str) -> Class | None:
    """Raises ClientError."""
    found = pages(iam, "list_groups", "Groups", PathPrefix=path_of(slug))
    return next((_class(group) for group in found if _slug(group["Path"]) == slug), None)


def _class(group: dict[str, Any]) -> Class:
    return Class(_slug(group["Path"]), group["GroupName"], group["CreateDate"])


def _slug(path: str) -> str:
    """Empty for a path that is not a class's."""
    slug = path.removeprefix(PATH).removesuffix("/")
    return slug if path_of(slug) == path and "/" not in slug else ""


def students(iam: Any, slug: str) -> list[dict[str, Any]]:
    """The class's users as ListUsers tells of them. Raises ClientError."""
    found: list[dict[str, Any]] = pages(iam, "list_users", "Users", PathPrefix=path_of(slug))
    return sorted(found, key=lambda user: str(user["UserName"]).casefold())


def members(iam: Any, name: str) -> set[str]:
    """Who is in a group. Raises ClientError."""
    return {user["UserName"] for user in pages(iam, "get_group", "Users", GroupName=name)}


def missing(iam: Any, wanted: ClassRequest) -> tuple[list[Call], dict[str, list[Call]]]:
    """(the group's calls, each student's) that are still to be made. A password is left empty here. Names are taken as IAM has them:
    it does not tell capitals from small letters. Raises ClientError."""
    there = find(iam, wanted.slug)
    if there is not None:
        wanted = replace(wanted, name=there.name)
    group = {"GroupName": wanted.name}
    calls: list[Call] = []
    if there is None:
        calls.append(("CreateGroup", {"Path": path_of(wanted.slug), **group}))
    attached = pages(iam, "list_attached_group_policies", "AttachedPolicies", **group) if there else []
    if wanted.policy_arn not in [each["PolicyArn"] for each in attached]:
        calls.append(("AttachGroupPolicy", {**group, "PolicyArn": wanted.policy_arn}))
    known = {user["UserName"].casefold(): user["UserName"] for user in students(iam, wanted.slug)}
    inside = members(iam, wanted.name) if there else set()
    names = {known.get(name.casefold(), name): name.casefold() in known for name in wanted.students}
    return calls, {name: _missing_of(iam, wanted, name, there, name in inside) for name, there in names.items()}


def _missing_of(iam: Any, wanted: ClassRequest, name: str, known: bool, inside: bool) -> list[Call]:
    which = {"UserName": name}
    calls: list[Call] = []
    if not known:
        calls.append(("CreateUser", {"Path": path_of(wanted.slug), **which, "PermissionsBoundary": wanted.policy_arn}))
    if not inside:
        calls.append(("AddUserToGroup", {"GroupName": wanted.name, **which}))
    if not known or not has_password(iam, name):
        calls.append(("CreateLoginProfile", {**which, "Password": ""}))
    if wanted.access_keys and not (known and pages(iam, "list_access_keys", "AccessKeyMetadata", **which)):
        calls.append(("CreateAccessKey", which))
    return calls


def has_password(iam: Any, name: str) -> bool:
    """Raises ClientError, also where it may not be known."""
    try:
        iam.get_login_profile(UserName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchEntity":
            return False
        raise
    return True


def create(iam: Any, wanted: ClassRequest, *, patience: float = _PATIENCE) -> Outcome:
    """Create what is missing, until a call is refused or the time is up: what was made stays. Raises ClientError if IAM cannot be read."""
    group, each = missing(iam, wanted)
    outcome = Outcome([], [name for name, calls in each.items() if calls], [])
    if not _send_all(iam, group, outcome):
        return outcome
    until, begun = time.monotonic() + patience, False
    for name, calls in each.items():
        if calls and begun and time.monotonic() > until:
            break
        begun = begun or bool(calls)  # each request gets on by one student at least
        student = Student(name)
        outcome.students.append(student)
        for call in calls:
            answer = _send(iam, call if call[0] != "CreateLoginProfile" else _with_password(call), outcome)
            if answer is None:
                return outcome
            student = outcome.students[-1] = _with(student, *answer)
        if calls:
            outcome.left.remove(name)
    return outcome


def _with_password(call: Call) -> Call:
    operation, parameters = call
    return operation, {**parameters, "Password": new_password()}


def _with(student: Student, sent: dict[str, Any], answer: dict[str, Any]) -> Student:
    """The student with what one call gave it."""
    made = answer.get("AccessKey", {})
    return replace(
        student,
        password=sent.get("Password", student.password),
        access_key_id=made.get("AccessKeyId", student.access_key_id),
        secret_access_key=made.get("SecretAccessKey", student.secret_access_key),
    )


def _send_all(iam: Any, calls: list[Call], outcome: Outcome) -> bool:
    return all(_send(iam, call, outcome) is not None for call in calls)


def _send(iam: Any, call: Call, outcome: Outcome) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """(what was sent, what was answered), or None with the refusal in `outcome`."""
    operation, parameters = call
    try:
        answer: dict[str, Any] = getattr(iam, xform_name(operation))(**parameters)
    except ClientError as error:
        outcome.error, outcome.operation = error, operation
        return None
    outcome.done.append(operation)
    return parameters, answer


def new_password() -> str:
    """Four groups to be typed from paper, with a capital, small letters, digits and hyphens: 2**75 of them."""
    choose = secrets.choice
    parts = ["".join(choose(_CLEAR + _DIGITS) for _place in range(length)) for length in (3, 3, 4, 4)]
    return f"{choose(_CLEAR).upper()}{parts[0]}-{choose(_DIGITS)}{parts[1]}-{parts[2]}-{parts[3]}"


def closing(iam: Any, found: Class) -> list[Call]:
    """What deletes the students with all that hangs on them, and then the group. Raises ClientError."""
    names = [user["UserName"] for user in students(iam, found.slug)]
    calls = [call for name in names for call in users.deletion(iam, name)]
    return calls + [call for call in groups.deletion(iam, found.name) if not _is_out_already(call, names)]


def _is_out_already(call: Call, names: Iterable[str]) -> bool:
    operation, parameters = call
    return operation == "RemoveUserFromGroup" and parameters["UserName"] in names
