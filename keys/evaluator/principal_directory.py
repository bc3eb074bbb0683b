"""The account's principals with all that decides for them, from GetAccountAuthorizationDetails.

Kept in memory until the account's IAM changes (embedded engine), or for half a minute (real AWS). Whoever asks is asked for their
permission by the API each time, so a kept directory tells nobody more than IAM would.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from console.request import ConsoleRequest
from engine.public.decision import CompiledPolicy, Kind, MalformedPolicy, Principal, SessionFacts, compile_policy
from engine.public.memory import Cache, iam_entity
from keys import account_principals, service

_FRESH_FOR = timedelta(seconds=30)
SESSION_NAME = "session"
# Stands for what another account's own policies may say: a decision that needs them is marked as depending on them.
UNSEEN = gettext_noop("policies of its own account, which are not visible here")
_THEIR_OWN = compile_policy(
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}',
    name=UNSEEN,
    kind="identity",
)


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """Somebody a decision can be asked for. `kind`: user, role, root, service, anyone. `visible` is False for a principal of
    another account, whose own policies cannot be read: what is decided for it holds if its account allows it too."""

    kind: str
    arn: str
    name: str
    principal: Principal
    identity: tuple[CompiledPolicy, ...] = ()
    boundary: CompiledPolicy | None = None
    trust: CompiledPolicy | None = None
    visible: bool = True
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class PrincipalDirectory:
    """`problems` names policies that could not be understood and so take no part."""

    account_id: str
    subjects: tuple[Subject, ...]
    policies: Mapping[str, str]  # ARN of a managed policy → its name
    problems: tuple[str, ...] = field(default=())

    @cached_property
    def by_arn(self) -> dict[str, Subject]:
        return {subject.arn: subject for subject in self.subjects}

    def find(self, arn: str) -> Subject | None:
        """The subject of an ARN: a user's, a role's or its session's, an account's root, a service's name, or "*"."""
        if arn in self.by_arn:
            return self.by_arn[arn]
        parts = arn.split(":", 5)
        if len(parts) == 6 and parts[2] == "sts" and parts[5].startswith("assumed-role/"):
            return self._session(parts[4], parts[5])
        stranger = outsider(arn)
        if stranger is not None and stranger.principal.account_id == self.account_id:
            return None  # it would be among the subjects if it existed
        return stranger

    def _session(self, account_id: str, path: str) -> Subject | None:
        _word, name, session = (*path.split("/", 2), "")[:3]
        for subject in self.subjects:
            if subject.kind == "role" and subject.name == name and account_id == self.account_id:
                assert subject.principal.session is not None
                principal = replace(
                    subject.principal,
                    arn=f"arn:aws:sts::{account_id}:{path}",
                    unique_id=f"{subject.principal.unique_id.partition(':')[0]}:{session}",
                    name=session,
                    session=replace(subject.principal.session, name=session),
                )
                return replace(subject, principal=principal)
        return None


def outsider(arn: str) -> Subject | None:
    """A principal that is not of this account: another account or a principal of one, a service, anyone. None for what is none."""
    if arn == "*":
        return Subject("anyone", "*", "*", Principal("anonymous", "anonymous", "", ""))
    if arn.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        return Subject("service", arn, arn, Principal("service", "", "", "", invoked_by=arn))
    if len(arn) == 12 and arn.isdigit():
        arn = f"arn:aws:iam::{arn}:root"
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[2] not in ("iam", "sts") or not parts[4].isdigit():
        return None
    account_id, resource = parts[4], parts[5]
    kind = resource.partition("/")[0]
    if kind == "root":
        principal = Principal("root", account_id, arn, account_id)
        return Subject("root", arn, account_id, principal, visible=False)
    name = resource.rpartition("/")[2]
    if kind == "user":
        return Subject(
            "user", arn, name, Principal("user", account_id, arn, "", name=name), (_THEIR_OWN,), visible=False
        )
    if kind == "role":
        return Subject("role", arn, name, _role_session(account_id, arn, name, ""), (_THEIR_OWN,), visible=False)
    if kind == "assumed-role" and resource.count("/") == 2:
        role = resource.split("/")[1]
        made = _role_session(account_id, f"arn:aws:iam::{account_id}:role/{role}", role, "")
        return Subject("role", arn, role, replace(made, arn=arn, name=name), (_THEIR_OWN,), visible=False)
    return None


def _role_session(
    account_id: str, arn: str, name: str, unique_id: str, tags: Mapping[str, str] | None = None
) -> Principal:
    """A role acts through a session; which one does not matter unless a policy names it."""
    now = datetime(1970, 1, 1, tzinfo=UTC)
    return Principal(
        kind="assumed-role",
        account_id=account_id,
        arn=f"arn:aws:sts::{account_id}:assumed-role/{name}/{SESSION_NAME}",
        unique_id=f"{unique_id}:{SESSION_NAME}",
        name=SESSION_NAME,
        tags=tags or {},
        session=SessionFacts(SESSION_NAME, arn, unique_id, now, now),
    )


_ACCOUNTS = 32
_kept: Cache[str, PrincipalDirectory] = Cache(
    "principal_directories",
    limit=_ACCOUNTS,
    weigh=lambda account_id, kept: 5_000 * (1 + len(kept.subjects)),
    most=256 << 20,
)
_remote: dict[str, tuple[datetime, PrincipalDirectory]] = {}
_lock = threading.Lock()


def of(request: ConsoleRequest) -> PrincipalDirectory:
    """Raises ClientError if the caller may not read the account's IAM (iam:GetAccountAuthorizationDetails), and at an endpoint whose
    principals are not this console's: what its users may do cannot be told from ours."""
    require_known(request)
    iam = service.client(request, "iam")
    account_id = service.account_id(request)
    if service.backend(request).kind != service.AWS:
        iam.get_account_authorization_details(MaxItems=1, Filter=["AWSManagedPolicy"])
        return _kept.get(account_id, lambda: (_read(iam, account_id), [iam_entity(account_id)]))
    with _lock:
        read, found = _remote.get(account_id, (None, None))
    if found is None or read is None or timezone.now() - read > _FRESH_FOR:
        found = _read(iam, account_id)
        with _lock:
            while len(_remote) >= _ACCOUNTS:
                _remote.pop(next(iter(_remote)))
            _remote[account_id] = (timezone.now(), found)
    return found


def require_known(request: ConsoleRequest) -> None:
    """Raises ClientError at an endpoint, and says what is left to read there."""
    account_principals.require_known(
        request,
        _("Who may use its keys cannot be told. What a key policy says is on the key's Key policy tab."),
    )


def _read(iam: Any, account_id: str) -> PrincipalDirectory:
    details: dict[str, list[Any]] = {"UserDetailList": [], "GroupDetailList": [], "RoleDetailList": [], "Policies": []}
    paginator = iam.get_paginator("get_account_authorization_details")
    for page in paginator.paginate(PaginationConfig={"PageSize": 1000}):
        for member, found in details.items():
            found += page.get(member, [])
    return from_details(account_id, details)


def from_details(account_id: str, details: Mapping[str, list[Any]]) -> PrincipalDirectory:
    """The directory that an answer of GetAccountAuthorizationDetails tells of. Pure."""
    reader = _Reader(details["Policies"])
    groups = {
        group["GroupName"]: reader.owned(group, "Group", f"group {group['GroupName']}")
        for group in details["GroupDetailList"]
    }
    root = f"arn:aws:iam::{account_id}:root"
    subjects = [Subject("root", root, "root", Principal("root", account_id, root, account_id))]
    for user in details["UserDetailList"]:
        inside = tuple(user.get("GroupList", ()))
        subjects.append(
            Subject(
                kind="user",
                arn=user["Arn"],
                name=user["UserName"],
                principal=Principal(
                    "user", account_id, user["Arn"], user["UserId"], name=user["UserName"], tags=_tags(user)
                ),
                identity=_once(
                    [
                        *reader.owned(user, "User", f"user {user['UserName']}"),
                        *(p for g in inside for p in groups.get(g, ())),
                    ]
                ),
                boundary=reader.boundary(user),
                groups=inside,
            )
        )
    for role in details["RoleDetailList"]:
        name = role["RoleName"]
        subjects.append(
            Subject(
                kind="role",
                arn=role["Arn"],
                name=name,
                principal=_role_session(account_id, role["Arn"], name, role["RoleId"], _tags(role)),
                identity=reader.owned(role, "Role", f"role {name}"),
                boundary=reader.boundary(role),
                trust=reader.compiled(role.get("AssumeRolePolicyDocument", {}), f"trust policy of {name}", "trust"),
            )
        )
    names = {policy["Arn"]: policy["PolicyName"] for policy in details["Policies"]}
    return PrincipalDirectory(account_id, tuple(subjects), names, tuple(reader.problems))


def _once(policies: Iterable[CompiledPolicy]) -> tuple[CompiledPolicy, ...]:
    return tuple(dict.fromkeys(policies))


def _tags(entry: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in entry.get("Tags", ())}


class _Reader:
    """Compiles the documents of an answer, and remembers those that cannot be."""

    def __init__(self, policies: list[Any]) -> None:
        self.problems: list[str] = []
        self._documents = {
            policy["Arn"]: next(
                (each["Document"] for each in policy.get("PolicyVersionList", ()) if each["IsDefaultVersion"]), None
            )
            for policy in policies
        }

    def owned(self, entry: Mapping[str, Any], word: str, owner: str) -> tuple[CompiledPolicy, ...]:
        """Inline and attached policies of a user, group or role."""
        found = [
            self.compiled(inline["PolicyDocument"], f"{inline['PolicyName']} ({owner})", "identity")
            for inline in entry.get(f"{word}PolicyList", ())
        ]
        found += [self._managed(each["PolicyArn"], "identity") for each in entry.get("AttachedManagedPolicies", ())]
        return tuple(policy for policy in found if policy is not None)

    def boundary(self, entry: Mapping[str, Any]) -> CompiledPolicy | None:
        """A boundary that cannot be understood allows nothing, so that no answer is wider than the truth."""
        arn = entry.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
        if not arn:
            return None
        return self._managed(arn, "boundary") or CompiledPolicy(arn.rpartition("/")[2], "boundary", "", (), False, arn)

    def _managed(self, arn: str, kind: Kind) -> CompiledPolicy | None:
        document = self._documents.get(arn)
        if document is None:
            self.problems.append(arn)
            return None
        return self.compiled(document, arn.rpartition("/")[2], kind, arn)

    def compiled(self, document: Any, name: str, kind: Kind, source: str = "") -> CompiledPolicy | None:
        text = document if isinstance(document, str) else json.dumps(document)
        try:
            return compile_policy(text, name=name, kind=kind, source=source)
        except MalformedPolicy as reason:
            self.problems.append(f"{name}: {reason.reason}")
            return None
