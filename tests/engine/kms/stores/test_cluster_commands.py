"""`manage.py register_cluster` and `create_training_token`: a token becomes a cluster, its PIN is tried and not kept."""

from __future__ import annotations

import os
import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from engine.kms import models
from engine.kms.stores import tokens
from kmsconsole.management.commands.create_training_token import make_trust_anchor
from tests.conftest import TestAccount
from tests.support import key_stores
from tests.support.key_stores import Cluster
from tests.support.softhsm import MODULE, PIN, SoftHsm

CLUSTER_ID = re.compile(r"cluster-[2-7a-zA-Z]{11}")  # by the service model's pattern


def run(command: str, *arguments: str, pin: str = PIN) -> str:
    reading, writing = os.pipe()
    os.write(writing, f"{pin}\n".encode())
    os.close(writing)
    said = StringIO()
    call_command(command, *arguments, "--pin-fd", str(reading), stdout=said)
    return said.getvalue()


@pytest.fixture
def arguments(softhsm: SoftHsm, tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    label = request.node.name[-32:]
    softhsm.make(label)
    certificate = tmp_path / "customerCA.crt"
    certificate.write_text(make_trust_anchor(label))
    return {"--module": MODULE, "--token": label, "--trust-anchor": str(certificate)}


def flat(arguments: dict[str, str]) -> list[str]:
    return [word for pair in arguments.items() for word in pair]


def test_a_registered_token_makes_a_store(account: TestAccount, arguments: dict[str, str]) -> None:
    cluster_id = run("register_cluster", *flat(arguments)).strip()
    assert CLUSTER_ID.fullmatch(cluster_id)
    certificate = Path(arguments["--trust-anchor"]).read_text()
    cluster = Cluster(cluster_id, certificate, Path(), arguments["--token"])
    assert key_stores.key_in(account.client(), key_stores.connected_store(account.client(), cluster))
    tokens.forget_all()


@pytest.mark.parametrize(
    ("changed", "pin", "said"),
    [
        ({}, "wrong-pin-1", "the PIN is not the token user's"),
        ({}, "short", "7 to 32 characters"),
        ({"--token": "none such"}, PIN, "the token is not there"),
        ({"--module": "/none/such.so"}, PIN, "the PKCS#11 module cannot be loaded"),
        ({"--trust-anchor": "/none/such.crt"}, PIN, "the trust anchor cannot be read"),
        ({"--trust-anchor": __file__}, PIN, "the trust anchor is not a certificate in PEM"),
    ],
    ids=["pin", "short-pin", "token", "module", "file", "certificate"],
)
def test_what_cannot_be_a_cluster_is_told_and_not_registered(
    account: TestAccount, arguments: dict[str, str], changed: dict[str, str], pin: str, said: str
) -> None:
    before = models.CloudHsmCluster.objects.count()
    with pytest.raises(CommandError, match=re.escape(said)):
        run("register_cluster", *flat({**arguments, **changed}), pin=pin)
    assert models.CloudHsmCluster.objects.count() == before


def test_a_token_is_registered_once(account: TestAccount, arguments: dict[str, str]) -> None:
    cluster_id = run("register_cluster", *flat(arguments)).strip()
    with pytest.raises(CommandError, match=f"is registered already, as {cluster_id}"):
        run("register_cluster", *flat(arguments))


def test_a_training_token_is_made_and_registered_in_one_step(account: TestAccount, softhsm: SoftHsm) -> None:
    said = run("create_training_token", "--label", "one step")
    cluster_id, path = (line.partition(": ")[2] for line in said.splitlines())
    assert CLUSTER_ID.fullmatch(cluster_id)
    assert Path(path).parent == Path(settings.DATA)
    cluster = Cluster(cluster_id, Path(path).read_text(), Path(), "one step")
    assert key_stores.connected_store(account.client(), cluster)
    with pytest.raises(CommandError, match="there is a token one step"):
        run("create_training_token", "--label", "one step")
    tokens.forget_all()


def test_no_table_has_a_registered_tokens_pin(account: TestAccount, arguments: dict[str, str]) -> None:
    run("register_cluster", *flat(arguments))
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM kms_cloudhsmcluster")
        kept: list[Any] = cursor.fetchall()
    assert PIN not in str(kept)
