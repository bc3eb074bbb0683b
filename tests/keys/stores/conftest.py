"""Clusters over SoftHSM tokens, for the pages of their stores."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from engine.kms.stores import tokens
from tests.support import key_stores
from tests.support.key_stores import Cluster
from tests.support.softhsm import SoftHsm

_labels = itertools.count(1)


@pytest.fixture(scope="module")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftHsm]:
    made = SoftHsm(tmp_path_factory.mktemp("softhsm"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(made.configuration))
        yield made


@pytest.fixture
def cluster(softhsm: SoftHsm) -> Iterator[Cluster]:
    yield key_stores.make_cluster(softhsm, f"pages {next(_labels)} of {id(softhsm):x}"[:32])
    tokens.forget_all()
