"""Keys as operations see them: snapshots of stored facts with policy compiled, grants and opened material, cached per worker.

`find` resolves every form of key identifier that AWS accepts and raises AWS's errors. What time has brought about since the facts
were stored (a rotation date, a deletion date, expired material) is settled first, so no background job is ever needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from engine import clock
from engine.context import CallContext
from engine.iam.grant_matching import GrantView
from engine.iam.policy import COMPILED, CompiledPolicy, Pins
from engine.kms import due_changes, models, stored_access
from engine.kms.stores import snapshots as stores
from engine.region_names import partition
from engine.store.cache import Cache
from engine.store.transaction import aliases_entity, key_entity
from engine.vault import domain_keys
from engine.wire.errors import AWSError

UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z|mrk-[0-9a-fA-F]{32}\Z")

# The policy of a key that is not there. A policy has a statement: this one is about an action that there is not.
NOBODY = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:Nothing", "Resource": "*", '
    '"Principal": {"AWS": "000000000000"}}]}'
)


@dataclass(frozen=True, slots=True)
class KeyMaterial:
    """One material of a key: `secret` is raw bytes (symmetric, HMAC) or PKCS#8 DER, empty when it is deleted, expired or not here yet."""

    material_id: str
    number: int
    state: str
    secret: bytes = field(repr=False)
    public_key: bytes
    created: datetime
    rotation_type: str
    rotation_date: datetime | None
    description: str
    expiration_model: str
    valid_to: datetime | None


@dataclass(frozen=True)
class KmsKey:
    """A key at one moment. IndexedFields are the stored ones (models.Key); `state(now)` computes AWS's KeyState from them."""

    pk: int
    account_id: str
    region: str
    key_id: str
    arn: str
    spec: str
    usage: str
    origin: str
    manager: str
    description: str
    enabled: bool
    created: datetime
    tags: Mapping[str, str]
    deletion_date: datetime | None
    pending_window_days: int | None
    rotation_enabled: bool
    rotation_period_days: int
    next_rotation: datetime | None
    on_demand_rotations: int
    multi_region: bool
    primary_region: str
    replica_regions: tuple[str, ...]
    creating_until: datetime | None
    updating_until: datetime | None
    custom_key_store_id: str
    store_connected: bool  # whether that store is connected; False of a key in none
    cloudhsm_cluster_id: str
    xks_key_id: str
    policy_text: str
    policy_pins: Pins
    aliases: tuple[str, ...]
    grants: tuple[GrantView, ...]
    materials: Mapping[str, KeyMaterial]
    current_material_id: str
    changes_at: datetime | None

    @cached_property
    def policy(self) -> CompiledPolicy:
        return stored_access.key_policy(self.policy_text, dict(self.policy_pins), source=self.arn)

    @property
    def material(self) -> KeyMaterial | None:
        """The current material: what encrypts, signs and computes now."""
        return self.materials.get(self.current_material_id)

    @cached_property
    def has_material(self) -> bool:
        """Whether all material is here that the key is used with: an EXTERNAL key lacks some before import and after expiry."""
        return self.material is not None and all(
            each.secret for each in self.materials.values() if not each.state.startswith("PENDING")
        )

    @property
    def is_primary(self) -> bool:
        return self.multi_region and self.primary_region == self.region

    @cached_property
    def memo(self) -> dict[Any, Any]:
        """Room for what is dear to compute from this snapshot (loaded private keys, answers); dies with it."""
        return {}


def _weight(_key: tuple[str, str, str], key: KmsKey) -> int:
    return 4_000 + COMPILED * len(key.policy_text)


_keys: Cache[tuple[str, str, str], KmsKey] = Cache("keys", limit=20_000, weigh=_weight, most=256 << 20)
_aliases: Cache[tuple[str, str, str], str] = Cache("aliases", limit=20_000)


def find(context: CallContext, identifier: str, *, aliases: bool = True) -> KmsKey:
    """The key that `identifier` names: key ID or key ARN, and with `aliases` an alias name or alias ARN.

    Raises NotFoundException or InvalidArnException with AWS's messages. Whether the caller may use the key is not asked here.
    What is not there of another account is a key that lets nobody in (`absent`): who may not use it learns no more of it than of one
    that is there.
    """
    account_id, region = context.account_id, context.region
    if identifier.startswith("arn:"):
        parts = identifier.split(":", 5)
        if (
            len(parts) != 6
            or parts[2] != "kms"
            or parts[1] != partition(parts[3])
            or not re.fullmatch(r"\d{12}", parts[4])
        ):
            raise AWSError("InvalidArnException", f"Invalid arn {identifier}")
        account_id, resource = parts[4], parts[5]
        if resource.startswith("alias/") and not aliases:
            raise _no_aliases()
        if parts[3] != region:
            raise AWSError("NotFoundException", f"Invalid arn {parts[3]}")
        if not resource.startswith(("alias/", "key/")):
            raise AWSError("InvalidArnException", f"Invalid arn {identifier}")
        if resource.startswith("key/") and not UUID.match(resource[4:]):
            raise AWSError("NotFoundException", f"Invalid keyId {resource[4:]}")
        try:
            if resource.startswith("alias/"):
                return get(account_id, region, alias_target(account_id, region, resource))
            return get(account_id, region, resource[4:])
        except AWSError as error:
            if account_id == context.account_id or error.code != "NotFoundException":
                raise
            return absent(account_id, region, resource)
    if identifier.startswith("alias/"):
        if not aliases:
            raise _no_aliases()
        return get(account_id, region, alias_target(account_id, region, identifier))
    if not UUID.match(identifier):
        raise AWSError("NotFoundException", f"Invalid keyId '{identifier}'")
    return get(account_id, region, identifier)


def alias_name(identifier: str) -> str:
    """The alias that a key identifier names, by its name or its ARN; empty if it names none."""
    if identifier.startswith("arn:"):
        parts = identifier.split(":", 5)
        identifier = parts[5] if len(parts) == 6 else ""
    return identifier if identifier.startswith("alias/") else ""


def _no_aliases() -> AWSError:
    return AWSError("InvalidArnException", "Key Aliases are not supported for this operation.")


def alias_target(account_id: str, region: str, name: str) -> str:
    """The key ID an alias points to. Raises NotFoundException in AWS's words."""

    def load() -> tuple[str, list[str]]:
        row = models.Alias.objects.filter(account_id=account_id, region=region, name=name).first()
        if row is None or not row.target_key_id:
            raise AWSError(
                "NotFoundException", f"Alias arn:{partition(region)}:kms:{region}:{account_id}:{name} is not found."
            )
        return row.target_key_id, [aliases_entity(account_id, region)]

    return _aliases.get((account_id, region, name), load)


def get(account_id: str, region: str, key_id: str) -> KmsKey:
    """The key with this ID as of now. Raises NotFoundException."""
    identity = (account_id, region, key_id)
    key = _keys.get(identity, lambda: _load(*identity))
    if key.changes_at is not None and key.changes_at <= clock.now(account_id):
        key = _load(*identity)[0]
    return key


def absent(account_id: str, region: str, resource: str) -> KmsKey:
    """Stands for a key or alias of another account that is not there: a key whose policy allows nobody anything."""
    return KmsKey(
        pk=0,
        account_id=account_id,
        region=region,
        key_id=resource.partition("/")[2],
        arn=f"arn:{partition(region)}:kms:{region}:{account_id}:{resource}",
        spec="",
        usage="",
        origin="",
        manager="",
        description="",
        enabled=False,
        created=datetime.fromtimestamp(0, UTC),
        tags={},
        deletion_date=None,
        pending_window_days=None,
        rotation_enabled=False,
        rotation_period_days=0,
        next_rotation=None,
        on_demand_rotations=0,
        multi_region=False,
        primary_region="",
        replica_regions=(),
        creating_until=None,
        updating_until=None,
        custom_key_store_id="",
        store_connected=False,
        cloudhsm_cluster_id="",
        xks_key_id="",
        policy_text=NOBODY,
        policy_pins=(),
        aliases=(),
        grants=(),
        materials={},
        current_material_id="",
        changes_at=None,
    )


def row(key: KmsKey) -> models.Key:
    """The stored row behind a snapshot, for an operation that changes it (inside its transaction)."""
    found = models.Key.objects.filter(pk=key.pk).first()
    if found is None:
        raise not_found(key.arn)
    return found


def was_ever(account_id: str, key_id: str) -> bool:
    """Whether this key is in any Region, or was until it was destroyed."""
    identity = {"account_id": account_id, "key_id": key_id}
    return models.Key.objects.filter(**identity).exists() or models.DestroyedKey.objects.filter(**identity).exists()


def not_found(arn: str) -> AWSError:
    return AWSError("NotFoundException", f"Key '{arn}' does not exist")


def _load(account_id: str, region: str, key_id: str) -> tuple[KmsKey, list[str]]:
    stored = due_changes.apply_due_changes(account_id, region, key_id)
    if stored is None:
        raise not_found(f"arn:{partition(region)}:kms:{region}:{account_id}:key/{key_id}")
    return snapshot(stored), [key_entity(account_id, region, key_id)]


def snapshot(stored: models.Key) -> KmsKey:
    """A fresh snapshot of a stored row, with what hangs on it."""
    rows = list(stored.materials.all())
    materials = {row.material_id: _material(stored, row) for row in rows}
    current = [material.material_id for material in materials.values() if material.state == "CURRENT"]
    regions = models.Key.objects.filter(account_id=stored.account_id, key_id=stored.key_id).exclude(
        region=stored.region
    )
    return KmsKey(
        pk=stored.pk,
        account_id=stored.account_id,
        region=stored.region,
        key_id=stored.key_id,
        arn=stored.arn,
        spec=stored.spec,
        usage=stored.usage,
        origin=stored.origin,
        manager=stored.manager,
        description=stored.description,
        enabled=stored.enabled,
        created=stored.created,
        tags=stored.tags,
        deletion_date=stored.deletion_date,
        pending_window_days=stored.pending_window_days,
        rotation_enabled=stored.rotation_enabled,
        rotation_period_days=stored.rotation_period_days,
        next_rotation=stored.next_rotation,
        on_demand_rotations=stored.on_demand_rotations,
        multi_region=stored.multi_region,
        primary_region=stored.primary_region,
        replica_regions=tuple(sorted(regions.values_list("region", flat=True))) if stored.multi_region else (),
        creating_until=stored.creating_until,
        updating_until=stored.updating_until,
        custom_key_store_id=stored.custom_key_store_id,
        store_connected=bool(stored.custom_key_store_id) and stores.connected(stored.custom_key_store_id),
        cloudhsm_cluster_id=stored.cloudhsm_cluster_id,
        xks_key_id=stored.xks_key_id,
        policy_text=stored.policy,
        policy_pins=tuple(sorted(stored.policy_pins.items())),
        aliases=tuple(
            models.Alias.objects.filter(
                account_id=stored.account_id, region=stored.region, target_key_id=stored.key_id
            ).values_list("name", flat=True)
        ),
        grants=tuple(stored_access.grant_view(row, stored.arn) for row in stored.grants.order_by("created", "pk")),
        materials=materials,
        current_material_id=current[0] if current else "",
        changes_at=due_changes.next_change(stored, [row.valid_to for row in rows]),
    )


def _material(stored: models.Key, row: models.Material) -> KeyMaterial:
    wrapped = bytes(row.wrapped)
    secret = (
        domain_keys.open_("material", stored.account_id, stored.region, stored.key_id, row.material_id, wrapped)
        if wrapped
        else b""
    )
    return KeyMaterial(
        material_id=row.material_id,
        number=row.number,
        state=row.state,
        secret=secret,
        public_key=bytes(row.public_key),
        created=row.created,
        rotation_type=row.rotation_type,
        rotation_date=row.rotation_date,
        description=row.description,
        expiration_model=row.expiration_model,
        valid_to=row.valid_to,
    )
