"""Making and storing key material. A multi-Region key's material is the same in every Region, sealed under each Region's domain key."""

from __future__ import annotations

import secrets
from datetime import datetime

from engine.kms import algorithms, models, specs
from engine.store.transaction import changed, key_entity
from engine.vault import domain_keys

CURRENT, NON_CURRENT = "CURRENT", "NON_CURRENT"
PENDING_ROTATION = "PENDING_ROTATION"
PENDING_MULTI_REGION = "PENDING_MULTI_REGION_IMPORT_AND_ROTATION"
PENDING = (PENDING_ROTATION, PENDING_MULTI_REGION)


def new(
    key: models.Key, now: datetime, *, rotation_type: str = "", rotation_date: datetime | None = None
) -> models.Material:
    """New material made by the service, current from now on in every Region of the key; what was current no longer is."""
    secret, public = algorithms.generate(specs.spec(key.spec))
    material_id = secrets.token_hex(32)
    first: models.Material | None = None
    for each in related(key):
        row = add(
            each,
            material_id,
            secret,
            public,
            now,
            state=CURRENT,
            rotation_type=rotation_type,
            rotation_date=rotation_date,
        )
        first = first or row
    assert first is not None
    return first


def add(
    key: models.Key,
    material_id: str,
    secret: bytes,
    public: bytes,
    now: datetime,
    *,
    state: str,
    rotation_type: str = "",
    rotation_date: datetime | None = None,
    description: str = "",
    expiration_model: str = "",
    valid_to: datetime | None = None,
) -> models.Material:
    """Store one material of one key row; with `state` CURRENT it takes the place of the one that was.

    Without a `secret` it is the place of a material that has not been imported yet.
    """
    if state == CURRENT:
        key.materials.filter(state=CURRENT).update(state=NON_CURRENT)
    last = key.materials.order_by("-number").values_list("number", flat=True).first() or 0
    changed(key_entity(key.account_id, key.region, key.key_id))
    return models.Material.objects.create(
        key=key,
        material_id=material_id,
        number=last + 1,
        wrapped=seal(key, material_id, secret) if secret else b"",
        public_key=public,
        state=state,
        rotation_type=rotation_type,
        rotation_date=rotation_date,
        created=now,
        description=description,
        expiration_model=expiration_model,
        valid_to=valid_to,
    )


def seal(key: models.Key, material_id: str, secret: bytes) -> bytes:
    return domain_keys.seal("material", key.account_id, key.region, key.key_id, material_id, secret)


def copy(source: models.Key, target: models.Key) -> None:
    """Give a new replica every material of its primary; of imported material only the place, for it is imported in each Region."""
    for row in source.materials.all():
        wrapped = bytes(row.wrapped)
        if source.origin == "EXTERNAL":
            wrapped, row.public_key, row.expiration_model, row.valid_to = b"", b"", "", None
        elif wrapped:
            secret = domain_keys.open_(
                "material", source.account_id, source.region, source.key_id, row.material_id, wrapped
            )
            wrapped = seal(target, row.material_id, secret)
        row.pk, row.key, row.wrapped = None, target, wrapped
        row.save(force_insert=True)
    settle_pending(source)


def settle_pending(key: models.Key) -> None:
    """New imported material can be turned to when every Region of the key has it; until then its state says what is missing."""
    rows = models.Material.objects.filter(key__in=related(key), state__in=PENDING)
    waiting = rows.filter(wrapped=b"").exists()
    rows.update(state=PENDING_MULTI_REGION if waiting else PENDING_ROTATION)


def related(key: models.Key) -> list[models.Key]:
    """The key and, for a multi-Region key, its other Regions' rows; the given one first."""
    if not key.multi_region:
        return [key]
    others = models.Key.objects.filter(account_id=key.account_id, key_id=key.key_id).exclude(pk=key.pk)
    return [key, *others.order_by("region")]
