"""MFA devices: virtual ones made, assigned, synchronised and taken away; passkeys, which the console's pages register, listed beside them.

Source: IAM API Reference, and answers recorded of AWS.
"""

from __future__ import annotations

from typing import Any

from engine.context import CallContext
from engine.iam import entities, entity_tags, mfa, quotas
from engine.iam.credentials_api import named_user
from engine.iam.entities import USER
from engine.iam.models import Account, MFADevice, User
from engine.operation import Operation
from engine.wire.errors import AWSError

Answer = dict[str, Any]
_LONGEST = 256  # characters of a serial number


def _missing(serial_number: str) -> AWSError:
    return AWSError("NoSuchEntity", f"MFA Device with serial number {serial_number} does not exist.")


def _mine(context: CallContext) -> Any:
    return MFADevice.objects.filter(account_id=context.account_id)


def _virtual(context: CallContext, parameters: dict[str, Any]) -> MFADevice:
    """The virtual device that the request names, on which the caller may do this. Raises NoSuchEntity."""
    serial_number = parameters["SerialNumber"]
    found: MFADevice | None = _mine(context).filter(serial_number=serial_number, credential_id="").first()
    entities.permit(context, _resource(context, serial_number), found, asked=parameters)
    if found is None:
        raise _missing(serial_number)
    return found


def _resource(context: CallContext, serial_number: str) -> str:
    return serial_number if serial_number.startswith("arn:") else f"arn:aws:iam::{context.account_id}:mfa/*"


def create(context: CallContext, parameters: dict[str, Any]) -> Answer:
    """The only answer that has the secret, as text and as a picture."""
    name = parameters["VirtualMFADeviceName"]
    serial_number = f"arn:aws:iam::{context.account_id}:mfa{parameters.get('Path', '/')}{name}"
    entities.permit(context, serial_number, asked=parameters)
    if len(serial_number) > _LONGEST:
        raise AWSError(
            "ValidationError",
            "1 validation error detected: Value at 'serialNumber' failed to satisfy constraint: "
            f"Member must have length less than or equal to {_LONGEST}",
        )
    if MFADevice.objects.filter(serial_number__iexact=serial_number).exists():
        raise AWSError("EntityAlreadyExists", "MFADevice entity at the same path and name already exists.")
    quotas.hold(quotas.MFA_DEVICES, _mine(context).count() + 1)
    device = MFADevice(
        account_id=context.account_id,
        serial_number=serial_number,
        created=context.now,
        tags=entities.tag_mapping(parameters.get("Tags", [])),
    )
    seed = mfa.new_seed()
    device.wrapped_seed = mfa.seal(device, seed)
    device.save()
    account = Account.objects.get(account_id=context.account_id)
    made = {
        "SerialNumber": serial_number,
        "Base32StringSeed": mfa.base32(seed).encode(),
        "QRCodePNG": mfa.picture(seed, f"{name}@{account.alias or account.account_id}"),
    }
    return {"VirtualMFADevice": entities.with_tags(made, device)}


def delete(context: CallContext, parameters: dict[str, Any]) -> Answer:
    device = _virtual(context, parameters)
    if device.user_id is not None:
        raise AWSError("DeleteConflict", "MFA VirtualDevice in use. Must deactivate first.")
    device.delete()
    return {}


def enable(context: CallContext, parameters: dict[str, Any]) -> Answer:
    user = entities.permitted(context, USER, parameters)
    device = _mine(context).filter(serial_number=parameters["SerialNumber"]).first()
    if device is None:
        raise _missing(parameters["SerialNumber"])
    if device.user_id is not None:
        raise AWSError("EntityAlreadyExists", "MFA Device is already in use.")
    quotas.hold("MFADevicesPerUser", user.mfa_devices.count() + 1)
    _synchronise(device, parameters)
    device.user, device.enabled = user, context.now
    device.save()
    return {}


def _synchronise(device: MFADevice, parameters: dict[str, Any]) -> None:
    codes = parameters["AuthenticationCode1"], parameters["AuthenticationCode2"]
    if not device.wrapped_seed or not mfa.synchronise(device, *codes):
        raise AWSError("InvalidAuthenticationCode", "Authentication code for device is not valid.")


def resync(context: CallContext, parameters: dict[str, Any]) -> Answer:
    device = _assigned(context, parameters)
    _synchronise(device, parameters)
    device.save(update_fields=["drift", "last_step"])
    return {}


def _assigned(context: CallContext, parameters: dict[str, Any]) -> MFADevice:
    return _device(entities.permitted(context, USER, parameters), parameters)


def _device(user: User, parameters: dict[str, Any]) -> MFADevice:
    device = mfa.device_of(user, parameters["SerialNumber"])
    if device is None:
        raise _missing(parameters["SerialNumber"])
    return device


def deactivate(context: CallContext, parameters: dict[str, Any]) -> Answer:
    """A virtual device stays, unassigned; a passkey is gone. With the last one the recovery codes go."""
    user = named_user(context, parameters)
    device = _device(user, parameters)
    if device.credential_id:
        device.delete()
    else:
        device.user = device.enabled = None
        device.drift = device.last_step = 0
        device.save()
    if not user.mfa_devices.exists():
        user.recovery_codes.all().delete()
    return {}


def list_of_user(context: CallContext, parameters: dict[str, Any]) -> Answer:
    user = named_user(context, parameters)
    entries = [_entry(each, user.name) for each in user.mfa_devices.order_by("enabled", "pk")]
    return entities.page(parameters, entries, "MFADevices")


def _entry(device: MFADevice, user_name: str) -> Answer:
    return {"UserName": user_name, "SerialNumber": device.serial_number, "EnableDate": device.enabled}


def get(context: CallContext, parameters: dict[str, Any]) -> Answer:
    user = named_user(context, parameters)
    return _entry(_device(user, parameters), user.name)


def list_virtual(context: CallContext, parameters: dict[str, Any]) -> Answer:
    entities.permit(context)
    rows = _mine(context).filter(credential_id="").select_related("user").order_by("serial_number")
    wanted = parameters.get("AssignmentStatus", "Any")
    if wanted != "Any":
        rows = rows.filter(user__isnull=wanted == "Unassigned")
    page = entities.page(parameters, list(rows), "VirtualMFADevices", wrong_marker="Invalid Marker.")
    return {**page, "VirtualMFADevices": [_virtual_entry(each) for each in page["VirtualMFADevices"]]}


def _virtual_entry(device: MFADevice) -> Answer:
    entry: Answer = {"SerialNumber": device.serial_number}
    if device.user is not None:
        entry |= {"User": entities.user_entry(device.user), "EnableDate": device.enabled}
    return entry


OPERATIONS: dict[str, Operation] = {
    **entity_tags.operations("MFADevice", _virtual),
    "CreateVirtualMFADevice": Operation(create, writes=True),
    "DeactivateMFADevice": Operation(deactivate, writes=True),
    "DeleteVirtualMFADevice": Operation(delete, writes=True),
    "EnableMFADevice": Operation(enable, writes=True),
    "GetMFADevice": Operation(get),
    "ListMFADevices": Operation(list_of_user),
    "ListVirtualMFADevices": Operation(list_virtual),
    "ResyncMFADevice": Operation(resync, writes=True),
}
