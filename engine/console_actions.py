"""The actions that this console has beyond AWS's: one row each, decided by the engine's one decision function and recorded.

They have no wire form. Policies allow and deny them as they do any action (`kmsconsole:MoveClock`); a call that changes something is
stored in one transaction with its record, a refusal is recorded too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import DatabaseError

from engine import clock
from engine.context import CallContext, key_resource
from engine.iam import authorize as iam
from engine.iam import member_accounts
from engine.iam.access_denied import denied_by_service_control_policy
from engine.iam.authorize import ContextValues
from engine.store import transaction
from engine.trail import record, recorder
from engine.trail.groupcommit import TrailUnavailable
from engine.trail.indexed_fields import IndexedFields
from engine.trail.segment_archive import SegmentError
from engine.wire.errors import AWSError

SERVICE = "kmsconsole"
REGION = "us-east-1"  # what belongs to the whole account is recorded where IAM's events are

T = TypeVar("T")
Conditions = Callable[[], ContextValues] | None


@dataclass(frozen=True, slots=True)
class ConsoleAction:
    """`resource`: the type of resource that a policy's Resource element may name, "" where it is about the account as a whole ("*").
    `requires`: an action of AWS's that has to be allowed as well, because this one answers what that one does, only more at once.
    `refused_to_members`: whatever its own policies say, nobody does it in an account that another one manages (a student's): it
    reaches beyond the account."""

    name: str
    description: str
    resource: str = ""
    reads: bool = False
    requires: str = ""
    refused_to_members: bool = False

    @property
    def action(self) -> str:
        """As policies say it."""
        return f"{SERVICE}:{self.name}"


# Sorted by name. A new action is a row here; docs/roles-in-practice.md shows the table.
ACTIONS: tuple[ConsoleAction, ...] = (
    ConsoleAction("AddCosignature", "Keep a witness's signature under a checkpoint of the audit record."),
    ConsoleAction("AnswerQuestion", "Answer a question of a lesson, for the record."),
    ConsoleAction("ApproveKeyDeletion", "Approve, as the second person, what another asked to delete.", "key"),
    ConsoleAction(
        "ApproveTrailRemoval",
        "Approve that the operator removes the oldest records of the audit trail.",
        refused_to_members=True,
    ),
    ConsoleAction("ChangeDeletionRule", "Switch on, and with a second person off, that deletions need two persons."),
    ConsoleAction(
        "ChangeSignInRule", "Switch on and off that everyone who signs in with a password needs a second factor."
    ),
    ConsoleAction("CreateRecoveryCodes", "Make one's own recovery codes, in place of those before.", resource="user"),
    ConsoleAction("EndConsoleSessions", "End a user's sign-ins to the console.", resource="user"),
    ConsoleAction("ListAlerts", "See the rules that look at the record, and what they found.", reads=True),
    ConsoleAction("ListComplianceResults", "See the compliance checks, their results and exceptions.", reads=True),
    ConsoleAction("ListConnections", "See the connections to other endpoints and what is known of them.", reads=True),
    ConsoleAction(
        "ListKeyDeletionRequests", "See which deletions wait for a second person, and were decided.", reads=True
    ),
    ConsoleAction(
        "ListSinks",
        "See where the record is streamed to, and how far behind that is.",
        reads=True,
        refused_to_members=True,
    ),
    ConsoleAction(
        "ListSignInProviders", "See how people sign in by identity providers, and who a token would become.", reads=True
    ),
    ConsoleAction("ManageAlerts", "Make, change and delete rules that look at the record, and acknowledge alerts."),
    ConsoleAction(
        "ManageClasses",
        "Make classes with an account for each student; limit, reset and end these accounts, and write to the class.",
        refused_to_members=True,
    ),
    ConsoleAction("ManageComplianceExceptions", "Make and end exceptions from compliance checks."),
    ConsoleAction(
        "ManageConnections", "Connect another endpoint, test and forget connections.", refused_to_members=True
    ),
    ConsoleAction("ManageDrills", "Have calls that use keys fail on purpose, for a lesson, and end that."),
    ConsoleAction(
        "ManageSignInProviders", "Change how people sign in by identity providers, their rules and their keys."
    ),
    ConsoleAction("MoveClock", "Move the account's clock forward."),
    ConsoleAction(
        "OpenClassAccount", "Look into a student's account, without changing anything.", refused_to_members=True
    ),
    ConsoleAction(
        "ReadClassRecord",
        "See how far the students of classes are, what they called last, and save that.",
        reads=True,
        refused_to_members=True,
    ),
    ConsoleAction(
        "ReadKeyStoreHealth",
        "See what the proxies of external key stores tell of their health; `kms:DescribeCustomKeyStores` has to be allowed too.",
        reads=True,
        requires="kms:DescribeCustomKeyStores",
    ),
    ConsoleAction(
        "ReadRecord",
        "Read many events of the record at once, for reports and lessons, and verify it; `cloudtrail:LookupEvents` has to be allowed too.",
        reads=True,
        requires="cloudtrail:LookupEvents",
    ),
    ConsoleAction("RegisterPasskey", "Register a passkey as one's own second factor.", resource="user"),
    ConsoleAction("RejectKeyDeletion", "Reject what another person asked to delete.", "key"),
    ConsoleAction(
        "RejectTrailRemoval",
        "Reject that the operator removes the oldest records of the audit trail.",
        refused_to_members=True,
    ),
    ConsoleAction("RequestKeyDeletion", "Ask a second person to approve a deletion, and withdraw that.", "key"),
    ConsoleAction("RunComplianceChecks", "Run the compliance checks and keep their results."),
    ConsoleAction(
        "SignComplianceReport", "Have a compliance report signed by the key that signs the record.", reads=True
    ),
    ConsoleAction(
        "UseConnection", "Use a connection that borrows the server's own credentials.", refused_to_members=True
    ),
)
BY_ACTION = {each.action: each for each in ACTIONS}


def arn(account_id: str, resource_type: str, name: str) -> str:
    """What a policy's Resource element names for a resource of the console's own."""
    return f"arn:aws:{SERVICE}:{REGION}:{account_id}:{resource_type}/{name}"


def authorize(context: CallContext, action: str, *, resource: str = "*", conditions: Conditions = None) -> None:
    """Raise AccessDeniedException, in AWS's words, unless the principal may do `action` (a row of the table).

    Identity policies, permissions boundaries and session policies decide; key policies are about kms: actions. `conditions` gives the
    condition keys of the resource (a key's tags, say); it is called only if a policy asks.
    """
    row = BY_ACTION[action]
    if refusal := refusal_to_member(context, action, resource):
        raise AWSError("AccessDeniedException", refusal)
    iam.authorize(context, row.action, resource=resource, conditions=conditions)
    if row.requires:
        iam.authorize(context, row.requires)


def refusal_to_member(context: CallContext, action: str, resource: str = "*") -> str:
    """The sentence that refuses what nobody does in an account that another one manages; "" for other accounts and other actions, those of
    AWS's services among them."""
    row = BY_ACTION.get(action)
    if row is None or not row.refused_to_members or not member_accounts.is_member(context.account_id):
        return ""
    return denied_by_service_control_policy(context.principal.arn, action, resource)


def perform(
    context: CallContext,
    action: str,
    what: Callable[[], T],
    *,
    resource: str = "*",
    parameters: dict[str, Any] | None = None,
    user_agent: str = "",
    conditions: Conditions = None,
    key_arn: str = "",
    asks_first: bool = False,
) -> T:
    """Decide `action`, do `what`, and record it: a change in one transaction with its record, a reading before it is shown.

    Raises AWSError: AccessDeniedException, what `what` raises, KMSInternalException if it cannot be recorded. These refusals are
    recorded, but for a reading that a page asks first for whether it may (`asks_first`). `key_arn`: the key that it is about, of this account;
    the record names it, and is among those of its Region. `what` calls no other system: it runs while other changes wait.
    """
    made = _Call(context, BY_ACTION[action], parameters, user_agent, key_arn)

    def permitted() -> None:
        authorize(context, action, resource=resource, conditions=conditions)

    if asks_first and made.action.reads:
        permitted()
    try:
        try:
            if made.action.reads:
                permitted()
                found = what()
                recorder.record([made.event()])
                return found
            return _change(made, what, permitted)
        except AWSError as error:
            recorder.record([made.event(error)])
            raise
    except SegmentError as reason:  # what was asked for was to be read there
        raise AWSError("KMSInternalException", str(reason)) from reason
    except TrailUnavailable as reason:
        raise AWSError("KMSInternalException", "Nothing was done: it could not be recorded.") from reason


@dataclass(frozen=True, slots=True)
class _Call:
    context: CallContext
    action: ConsoleAction
    parameters: dict[str, Any] | None
    user_agent: str
    key_arn: str

    @property
    def region(self) -> str:
        return self.key_arn.split(":")[3] if self.key_arn else REGION

    def event(self, error: AWSError | None = None) -> bytes:
        context = self.context
        return record.service_event(
            record.ServiceEvent(
                account_id=context.account_id,
                region=self.region,
                source=SERVICE,
                name=self.action.name,
                now=clock.now(context.account_id),
                principal=context.principal,
                error_code=error.code.removesuffix("Exception") if error is not None else "",
                error_message=error.message if error is not None else "",
                parameters=self.parameters,
                source_ip=context.source_ip,
                user_agent=self.user_agent,
                event_type="AwsConsoleAction",
                read_only=self.action.reads,
                resources=[key_resource(context.account_id, self.key_arn)] if self.key_arn else (),
            )
        )


def _change(made: _Call, what: Callable[[], T], permitted: Callable[[], None]) -> T:
    # Dated before the change: a move of the clock is recorded at the time that it was made.
    event, recorded = made.event(), False
    try:
        with transaction.write():
            permitted()
            found = what()
            recorded = recorder.record_change([event])
    except DatabaseError:
        if recorded:
            recorder.void(
                IndexedFields.of(event).event_id,
                made.context.account_id,
                made.region,
                "the change could not be committed",
            )
        raise
    return found
