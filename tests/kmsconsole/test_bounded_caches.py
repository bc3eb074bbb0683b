"""Everything that is remembered from one request to the next is bounded, in bytes, whoever sends what."""

from __future__ import annotations

import ast
import importlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.test import Client as Browser

from engine.iam import credentials
from engine.remembered import Remembered, texts
from engine.store.cache import Cache
from engine.vault.models import DomainKey
from engine.wire import sigv4
from engine.wire.errors import AWSError
from keys.record import past_keys
from tests.conftest import TestAccount
from tests.support.server import ROOT

FINITE = "what the service models and this program name"
ONE = "one value"

# Every memory of the program, module:name → what bounds it. A new one fails here until it is written down.
BOUNDS = {
    "audit.compliance.pdf:_glyphs": "what one font has letters for, 300 numbers",
    "audit.compliance.pdf:_styles": ONE,
    "engine.iam.account_limits:_limits": "accounts that are here; 10 MiB",
    "engine.iam.clocks:_offsets": "accounts that are here; 20,000 × 500 bytes",
    "engine.https_client:_trusted": ONE,
    "engine.https_client:_unverified": ONE,
    "engine.iam.provider_keys:_fetched": "100 documents of at most 128 KiB",
    "engine.iam.provider_keys:_fetching": "10,000 accounts",
    "engine.iam.policy_lookup:_attached": "weighed, 64 MiB",
    "engine.iam.conditions:_addresses": "4,096 × 64 characters",
    "engine.iam.console_sessions:_noted": "10,000 sessions",
    "engine.iam.credentials:_found": "weighed, 32 MiB; only what a signature may be checked with: a guess is not kept",
    "engine.iam.decide:UNCONDITIONAL": "never written to",
    "engine.iam.policy:_compiled": "32 MiB, as policies are measured to take up once compiled",
    "engine.iam.password_hasher:turns": ONE,
    "engine.iam.patterns:_places": "8 texts of at most 16 Ki characters, 32 bytes each",
    "engine.iam.signin:_nobody": ONE,
    "engine.iam.vocabulary:_actions": "64 × 64 characters",
    "engine.iam.vocabulary:_beginnings": FINITE,
    "engine.iam.aws_managed:_named": "256 × 256 characters, and what is told of one policy",
    "engine.iam.aws_managed:every": FINITE,
    "engine.iam.service_linked_roles:known": FINITE,
    "engine.iam.vocabulary:_by_lower": "64 × 64 characters",
    "engine.iam.vocabulary:_published": "64 × 64 characters",
    "engine.iam.vocabulary:_published_services": FINITE,
    "engine.iam.vocabulary:_matching": "2,048 × 128 characters",
    "engine.iam.vocabulary:known_services": ONE,
    "engine.iam.vocabulary:operators": ONE,
    "engine.hsm.token:_initialisations": "PKCS#11 modules that an administrator has named",
    "engine.hsm.token:_loaded": "PKCS#11 modules that an administrator has named",
    "engine.hsm.token:_logins": "tokens that an administrator has registered",
    "engine.hsm.token:_turns": "PKCS#11 modules that an administrator has named",
    "engine.kms.algorithms:_public": "2,048 × 1,024 bytes",
    "engine.kms.ciphertext:_unpack": "20,000 × 57 bytes: a header has one length",
    "engine.kms.key_snapshots:_aliases": "aliases that are here; 20,000 × 500 bytes",
    "engine.kms.key_snapshots:_keys": "weighed, 256 MiB; what hangs on keys and principals is counted by engine.store.cache.note_beside",
    "engine.kms.drills:_running": "accounts that are here; 20,000 × 500 bytes",
    "engine.hsm.token_process:_running": "32 processes",
    "engine.kms.stores.health:_known": "500 stores",
    "engine.kms.stores.health:_under_way": "questions under way, one a store",
    "engine.kms.stores.snapshots:_stores": "500 × 8,000 bytes",
    "engine.kms.stores.tokens:_unused": "1,000 tokens that are to be closed",
    "engine.kms.stores.tokens:_devices": "1,000 stores, of some 4,000 bytes; their processes are 32",
    "engine.kms.stores.tokens:_shared": "tokens that a store uses",
    "engine.metrics:_sheets": "threads; in each, operations × error codes",
    "engine.store.sqlite.turn:turn_of": "the SQLite files of an installation: the database and the trail's two indexes",
    "engine.throttling:_buckets": "20,000 of some 400 bytes: Region names have at most 32 characters",
    "engine.throttling:_rates": FINITE,
    "engine.region_names:_known": "256 × 32 characters",
    "engine.service:_quick": "operations that are there; another name is not kept",
    "engine.service:_tables": FINITE,
    "engine.trail.checkpoints:_opened": ONE,
    "engine.trail.changes:_shared": "one for each process",
    "engine.trail.database:_seen": "accounts that are here; a number each",
    "engine.trail.groupcommit:in_flight": "requests under way",
    "engine.trail.record:_views": FINITE,
    "engine.trail.segment_archive:_client": ONE,
    "engine.trail.segments:blocks": "32 segments, three numbers for each 256 KiB of records",
    "engine.trail.segments:content": "16 × 256 KiB and a record more",
    "engine.vault.domain_keys:_domains": "20,000 × 32 bytes; only domain keys that are stored",
    "engine.vault.domain_keys:_roots": "root keys of a rotation",
    "engine.vault.domain_keys:root": ONE,
    "engine.wire.json11:_readers": FINITE,
    "engine.wire.json11:_writers": FINITE,
    "engine.wire.query:_readers": FINITE,
    "engine.wire.query:_writers": FINITE,
    "engine.wire.recognise:_targets": "operations that are there; another name is not kept",
    "engine.wire.services:_description": FINITE,
    "engine.service_models:regions": FINITE,
    "engine.service_models:service_model": FINITE,
    "engine.wire.services:_operation_names": FINITE,
    "engine.wire.services:error_shapes": FINITE,
    "engine.wire.services:model": FINITE,
    "engine.wire.services:pattern": FINITE,
    "engine.wire.sigv4:_canonical_head": "2 Mi characters, none longer than 4,096",
    "engine.wire.sigv4:_epoch": "256 × 16 characters",
    "engine.wire.sigv4:_signed_headers": "256 × 512 characters",
    "engine.wire.sigv4:_signing_key": "4,096 × 256 characters",
    "engine.wire.sigv4:_unsigned": "256 × 2,048 characters",
    "engine.wire.sigv4:_usual": "4,096 × 512 characters",
    "engine.wire.validate:_compiled": FINITE,
    "engine.xks.connection:_contexts": "8 sets of two files that settings name",
    "engine.xks.connection:_hosts": "256 proxies, 16 connections each",
    "keys.evaluator.key_policy_cache:_refused": "20,000 of some 300 bytes",
    "keys.evaluator.key_policy_cache:_key_views": "32 accounts and Regions, 150,000 keys in all",
    "keys.evaluator.decisions:_variants": "12 Mi characters of policies",
    "keys.evaluator.principal_directory:_kept": "weighed, 256 MiB",
    "keys.evaluator.principal_directory:_remote": "32 accounts",
    "keys.evaluator.operations:key_actions": ONE,
    "learn.class_accounts.standings:_followed": "400 accounts × 500 records that lessons look at",
    "learn.lessons.library:_read": "lessons that an administrator keeps in the data folder, 1 MB each",
    "learn.lessons.operations:_known": FINITE,
    "keys.endpoints.backends:_clients": "128 clients of connections that are stored",
    "keys.endpoints.backends:_unsupported": "1,000 sets of operation names",
    "keys.endpoints.backends:_roles": "128 temporary credentials",
    "keys.endpoints.backends:session": ONE,
    "keys.endpoints.refusals:_refused": "128 clients × 256 × 2,000 characters",
    "console.calls:_address": "256 × 64 characters",
    "keys.evaluator.past_access:_directories": "16 moments of principals; a directory shares its compiled policies with the others",
    "keys.record.past_keys:_being_replayed": "one for each account and Region that is here, while its thread runs",
    "keys.record.past_keys:_replayed": "250,000 keys in all, each list counted as 500 more; always two lists",
    "keys.inventory.key_rows:_not_offered": "1,000 pairs of an endpoint and an operation",
    "principals.policies.views.attachments:_of_aws": FINITE,
    "keys.service:_clients": "256 clients of principals that are signed in",
    "kmsconsole.installation.root_secret:_given": "two secrets, until the workers start",
    "kmsconsole.server.unseal_page:_unsealing": ONE,
    "kmsconsole.server.asgi:_names": "2,000 × 64 bytes",
    "kmsconsole.frame.context:_address": "the entries of the navigation",
    "kmsconsole.frame.context:actions": ONE,
    "kmsconsole.frame.context:navigation": ONE,
    "kmsconsole.frame.style_sheet:joined": ONE,
    "kmsconsole.resources:static_version": ONE,
    "kmsconsole.frame.icons:icon": FINITE,
    "kmsconsole.frame.icons:_archive": ONE,
    "kmsconsole.server.http_protocol:_pending": "calls since the loop last looked: 64 of a connection",
    "keys.endpoints.outbound:_pools": "two sets of classes",
    "console.session:_fernet": ONE,
}

_MAKERS = {"dict", "list", "set", "deque", "defaultdict", "OrderedDict", "Counter", "WeakValueDictionary", "Remembered"}
_MAKERS |= {"WeakKeyDictionary", "LRUCache", "TTLCache", "Cache", "local"}


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Call | ast.Subscript):
        return _name(node.func if isinstance(node, ast.Call) else node.value)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _memories(path: Path) -> Iterator[str]:
    """Names of what a module may remember: functions with a cache, and containers that are empty when it is imported."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and {_name(each) for each in node.decorator_list} & {"cache", "lru_cache"}:
            yield node.name
    for statement in tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            value = statement.value
            target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
            empty = isinstance(value, ast.Dict | ast.List) and not (
                value.keys if isinstance(value, ast.Dict) else value.elts
            )
            made = isinstance(value, ast.Call) and _name(value) in _MAKERS
            filled = made and bool(value.args) and _name(value) in {"dict", "list", "set"}
            if isinstance(target, ast.Name) and (empty or (made and not filled)):
                yield target.id


def _modules() -> Iterator[tuple[str, Path]]:
    for room in ("engine", "console", "keys", "principals", "playground", "access", "audit", "learn", "kmsconsole"):
        for path in sorted((ROOT / room).rglob("*.py")):
            if "migrations" not in path.parts:
                yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), path


THREADS_OWN = {"engine.trail.index:_local", "engine.trail.search_index:_local"}  # connections, one a thread


def test_every_memory_of_the_program_has_its_bound_written_down() -> None:
    found = {f"{module}:{name}" for module, path in _modules() for name in _memories(path)}
    assert found - THREADS_OWN == set(BOUNDS)


# Where something is told by its place in memory, at which another may be once it is gone → why it is not gone.
BY_PLACE = {
    "engine.iam.conditions": "parts of patterns that the caller holds",
    "engine.kms.key_use": "the principal is held beside it, and compared",
    "engine.metrics": "the sheet is held under its own place",
    "keys.policy.policy_changes": "statements of two lists that the caller holds",
    "keys.record.key_changes": "grants of a snapshot that the caller holds",
}


def test_nothing_is_remembered_by_its_place_in_memory_that_may_be_gone() -> None:
    found = {
        module
        for module, path in _modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and _name(node) == "id"
    }
    assert found == set(BY_PLACE)


def test_what_only_counts_entries_holds_nothing_of_a_callers_length() -> None:
    counting = [
        f"{module}:{node.name}"
        for module, path in _modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and "lru_cache" in {_name(each) for each in node.decorator_list}
    ]
    segments = ["engine.trail.segments:blocks", "engine.trail.segments:content"]  # of a size that this program chose
    assert counting == ["engine.kms.ciphertext:_unpack", *segments]


def test_what_is_remembered_of_callers_texts_stays_small_in_all() -> None:
    memories = [getattr(importlib.import_module(name.partition(":")[0]), name.partition(":")[2]) for name in BOUNDS]
    unauthenticated = [
        each for each, name in zip(memories, BOUNDS, strict=True) if name.startswith(("engine.wire", "kmsconsole"))
    ]
    assert sum(each.total for each in unauthenticated if isinstance(each, Remembered)) < 8 << 20
    assert sum(each.total for each in memories if isinstance(each, Remembered)) < 64 << 20
    assert sum(each.most for each in memories if isinstance(each, Cache)) < 768 << 20


def test_a_long_argument_is_computed_and_not_remembered() -> None:
    asked: list[str] = []

    def compute(text: str) -> int:
        asked.append(text)
        return len(text)

    lengths = Remembered(compute, entries=10, longest=5)
    assert [lengths["short"], lengths["short"], lengths["longer"], lengths["longer"]] == [5, 5, 6, 6]
    assert asked == ["short", "longer", "longer"]


def test_what_is_full_begins_anew() -> None:
    lengths = Remembered(lambda text: len(text), entries=10, longest=5)
    for number in range(1000):
        assert lengths[str(number)] == len(str(number))
        assert len(lengths) <= 10
    total = Remembered(lambda text: len(text), entries=1000, longest=100, total=250)
    for number in range(1000):
        assert total["x" * (number % 100)] == number % 100
        assert sum(map(len, total)) == total.held <= 250


def test_texts_are_counted_however_deep_they_lie() -> None:
    assert texts(("abc", 7, None, ("de", (b"f",)), frozenset({"gh"}))) == 8


def test_a_cache_of_the_store_is_bounded_by_weight_and_by_number() -> None:
    kept: Cache[int, str] = Cache("test-weight", limit=50, weigh=lambda key, value: len(value), most=1000)
    for number in range(500):
        kept.get(number, lambda number=number: ("x" * (number % 200), ["same", f"own-{number}"]))
        assert 1 <= len(kept) <= 50
        assert kept.weight <= 1000
    kept.get(1000, lambda: ("y" * 5000, ["same"]))
    assert kept.weight <= 1000


def test_what_a_cache_of_the_store_pushed_out_leaves_nothing_behind() -> None:
    kept: Cache[int, str] = Cache("test-entities", limit=10)
    for number in range(500):
        kept.get(number, lambda number=number: ("value", ["same", f"own-{number}"]))
    assert len(kept._made_of) == 10
    assert {len(keys) for keys in kept._entities.values()} == {10, 1}
    assert len(kept._entities) == 11
    kept.drop("same")
    assert (len(kept), kept._made_of, kept._entities, kept.weight) == (0, {}, {}, 0)


def test_a_guessed_access_key_is_not_remembered(account: TestAccount) -> None:
    before = len(credentials._found)
    for number in range(50):
        with pytest.raises(AWSError, match="UnrecognizedClient"):
            credentials.find(f"AKIA{number:016d}", "")
    assert len(credentials._found) == before


def test_a_forged_session_token_makes_no_domain_key(account: TestAccount) -> None:
    import base64

    before = DomainKey.objects.count()
    for number in range(20):
        token = base64.b64encode(b"\x01" + f"{990_000_000_000 + number}".encode() + b"\x01" + bytes(60)).decode()
        with pytest.raises(AWSError, match="UnrecognizedClient"):
            credentials.find("ASIAAAAAAAAAAAAAAAAA", token)
    assert DomainKey.objects.count() == before


def test_a_signature_of_any_length_leaves_nothing_of_it(account: TestAccount) -> None:
    held = [each for each in vars(sigv4).values() if isinstance(each, Remembered)]
    assert len(held) == 6
    for each in held:
        assert each.total <= 2 << 20
        assert all(texts(argument) <= each.longest for argument in each)


def test_a_record_shows_the_beginning_of_a_user_agent(account: TestAccount) -> None:
    form = {"account": account.account_id, "user_name": "admin", "password": "wrong"}
    answer = Browser().post("/principals/sign-in/", form, headers={"User-Agent": "u" * 50_000})
    assert answer.status_code == 422
    events = account.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "ConsoleLogin"}]
    )["Events"]
    assert [json.loads(each["CloudTrailEvent"])["userAgent"] for each in events] == ["u" * 1024]


def test_lists_of_the_past_that_hold_nothing_are_not_kept_without_end() -> None:
    begin = datetime(1970, 1, 1, tzinfo=UTC)
    before = dict(past_keys._replayed)
    try:
        for second in range(1_000):
            past_keys._keep(("", "", begin + timedelta(seconds=second)), past_keys.PastKeys((), None))
        assert len(past_keys._replayed) <= 500
    finally:
        past_keys._replayed.clear()
        past_keys._replayed.update(before)
