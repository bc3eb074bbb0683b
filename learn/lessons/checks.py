"""What ticks a step of a lesson: functions over the audit records of one person, in the order they happened. Pure.

A check answers the record that proves the step, the newest where there are several, or None. It believes nothing but the record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

Record = Mapping[str, Any]
Check = Callable[[Sequence[Record]], Record | None]
MAKES = frozenset({"Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext"})
USES = MAKES | {"Decrypt"}
_TEMPORARY = "ASIA"  # how the access key IDs begin with which the console's pages sign


def keys_of(record: Record) -> frozenset[str]:
    """ARNs of the keys that a call named."""
    return frozenset(resource["ARN"] for resource in record.get("resources", ()))


def given(record: Record) -> Mapping[str, Any]:
    return record.get("requestParameters") or {}


def through_service(record: Record) -> str:
    """The AWS service that made the call on the person's behalf; empty for a call of its own."""
    return str(record["userIdentity"].get("invokedBy", ""))


def by_program(record: Record) -> bool:
    """Signed with an access key of the person's own, as the CLI does; the console's pages sign with temporary ones."""
    return not through_service(record) and not record["userIdentity"].get("accessKeyId", "").startswith(_TEMPORARY)


def done(*names: str, where: Callable[[Record], bool] = lambda record: True) -> Check:
    """The call was answered."""

    def check(records: Sequence[Record]) -> Record | None:
        found = (each for each in reversed(records) if each["eventName"] in names and not each.get("errorCode"))
        return next((each for each in found if where(each)), None)

    return check


def refused(*names: str, code: str, where: Callable[[Record], bool] = lambda record: True) -> Check:
    """The call was answered with this error."""

    def check(records: Sequence[Record]) -> Record | None:
        found = (each for each in reversed(records) if each["eventName"] in names and each.get("errorCode") == code)
        return next((each for each in found if where(each)), None)

    return check


def symmetric(record: Record) -> bool:
    """For CreateKey: it encrypts and decrypts with one key."""
    made = (record.get("responseElements") or {}).get("keyMetadata", {})
    return bool(made.get("keySpec") == "SYMMETRIC_DEFAULT")


def tags_its_owner(record: Record) -> bool:
    """The caller's own name in the tag `owner`, by CreateKey or TagResource."""
    name = record["userIdentity"].get("userName", "")
    return any(tag.get("tagKey") == "owner" and tag.get("tagValue") == name for tag in given(record).get("tags", ()))


def too_long(record: Record) -> bool:
    return "4096" in record.get("errorMessage", "")


def looks_by(attribute: str) -> Callable[[Record], bool]:
    """For LookupEvents: it asked by this attribute; or for ReadRecord, by which the audit page searches, by what that calls it."""
    searched = {"ResourceName": "key"}.get(attribute, "")
    return lambda record: (
        searched in given(record).get("filter", {})
        or any(each.get("attributeKey") == attribute for each in given(record).get("lookupAttributes", ()))
    )


def opened(*, by_program_only: bool = False, of: frozenset[str] = MAKES) -> Check:
    """A Decrypt under a key with which the person had made a ciphertext before."""

    def check(records: Sequence[Record]) -> Record | None:
        made: set[str] = set()
        proof = None
        for record in _own(records):
            if by_program_only and not by_program(record):
                continue
            if record["eventName"] in of:
                made |= keys_of(record)
            elif record["eventName"] == "Decrypt" and keys_of(record) & made:
                proof = record
        return proof

    return check


def _own(records: Sequence[Record]) -> Iterator[Record]:
    """Answered calls of the person's own."""
    return (each for each in records if not each.get("errorCode") and not through_service(each))


def _rotation(which: str, records: Sequence[Record]) -> Record | None:
    """What becomes of a ciphertext over a rotation: `which` is "rotated" (a key that had made one) or "opened" (one from before).

    The record does not keep ciphertexts. So a Decrypt counts as that of an old one if the person has made no new one since the rotation.
    """
    made: set[str] = set()
    rotated: set[str] = set()
    proofs: dict[str, Record] = {}
    for record in _own(records):
        name, keys = record["eventName"], keys_of(record)
        if name in MAKES:
            made |= keys
            rotated -= keys
        elif name == "RotateKeyOnDemand" and keys & made:
            rotated |= keys
            proofs["rotated"] = record
        elif name == "Decrypt" and keys & rotated:
            proofs["opened"] = record
    return proofs.get(which)


rotated_with_ciphertext: Check = partial(_rotation, "rotated")
old_ciphertext_opened: Check = partial(_rotation, "opened")


def _switching(which: str, records: Sequence[Record]) -> Record | None:
    """A key that was disabled, refused (`which` "refused"), enabled again ("enabled") and used again ("used"), each after the other."""
    stage: dict[str, str] = {}  # ARN → what was last seen of it
    proofs: dict[str, Record] = {}
    for record in records:
        name, error = record["eventName"], record.get("errorCode", "")
        if error == "DisabledException":
            # What is refused names no resource; AWS's sentence begins with the key's ARN.
            arn = record.get("errorMessage", "").partition(" ")[0]
            if stage.get(arn) in ("disabled", "refused"):
                stage[arn], proofs["refused"] = "refused", record
        elif not error:
            for arn in keys_of(record):
                if name == "DisableKey":
                    stage[arn] = "disabled"
                elif name == "EnableKey" and arn in stage:
                    stage[arn], proofs["enabled"] = "enabled", record
                elif name in USES and stage.get(arn) == "enabled":
                    proofs["used"] = record
    return proofs.get(which)


refused_while_disabled: Check = partial(_switching, "refused")
enabled_again: Check = partial(_switching, "enabled")
used_again: Check = partial(_switching, "used")


def cloudhsm_store(record: Record) -> bool:
    """For CreateCustomKeyStore: of the type that it makes where none is named."""
    return bool(given(record).get("customKeyStoreType", "AWS_CLOUDHSM") == "AWS_CLOUDHSM")


def _in_store(which: str, records: Sequence[Record]) -> Record | None:
    """A key that was made in a CloudHSM key store ("made"), used ("used"), its store disconnected ("disconnected"), a use refused ("refused"),
    the store connected again and the key used again ("again"), each after the other."""
    stores: dict[str, str] = {}  # ARN of a key → its store
    stage: dict[str, str] = {}  # ARN → what was last seen of it
    proofs: dict[str, Record] = {}

    def proceed(arns: Iterable[str], before: tuple[str, ...], after: str, record: Record) -> None:
        for arn in arns:
            if stage.get(arn) in before:
                stage[arn], proofs[after] = after, record

    for record in records:
        name, error = record["eventName"], record.get("errorCode", "")
        of_store = [arn for arn, store in stores.items() if store == given(record).get("customKeyStoreId")]
        if error == "KMSInvalidStateException":
            # What is refused names no resource; AWS's sentence begins with the key's ARN.
            proceed([record.get("errorMessage", "").partition(" ")[0]], ("disconnected",), "refused", record)
        elif error:
            continue
        elif name == "CreateKey" and given(record).get("origin") == "AWS_CLOUDHSM":
            for arn in keys_of(record):
                stores[arn], stage[arn], proofs["made"] = given(record).get("customKeyStoreId", ""), "made", record
        elif name == "DisconnectCustomKeyStore":
            proceed(of_store, ("used",), "disconnected", record)
        elif name == "ConnectCustomKeyStore":
            proceed(of_store, ("refused",), "reconnected", record)
        elif name in USES:
            proceed(keys_of(record), ("made",), "used", record)
            proceed(keys_of(record), ("reconnected",), "again", record)
    return proofs.get(which)


made_in_store: Check = partial(_in_store, "made")
used_in_store: Check = partial(_in_store, "used")
store_disconnected: Check = partial(_in_store, "disconnected")
refused_while_disconnected: Check = partial(_in_store, "refused")
used_after_reconnection: Check = partial(_in_store, "again")
