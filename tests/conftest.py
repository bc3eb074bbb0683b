"""One data folder and database per test process, made as the server makes them; a fresh account for every test.

Tests reach the engine as programs do: through boto3 clients over the in-process transport, signed with real credentials.
On pytest-django: its `client` and `settings` are there; the environment is made before it (tests.support.environment).
"""

from __future__ import annotations

import gc
import itertools
import json
import math
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from botocore.config import Config
from django.conf import settings
from django.db import connection
from django.test.signals import template_rendered
from django.utils import translation

from engine import clock, data_stack, inprocess
from engine.iam import accounts, clocks
from engine.store import cache, transaction
from kmsconsole.installation import bootstrap
from tests.support import clients, flat, handlers, long_form, migrated

# How long an example takes says how busy the machine is; tests of speed measure processor time (tests.support.timing).
hypothesis.settings.register_profile("tests", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("tests")
settings.PASSWORD_HASHERS = ["tests.support.hasher.QuickScrypt"]  # each test's account has a password of its own

REGION = "us-east-1"
_account_ids = itertools.count(200_000_000_000 + os.getpid() % 100_000 * 1000)


@dataclass
class TestUser:
    """An IAM user of a test account, with its access key."""

    __test__ = False

    account: TestAccount
    name: str
    arn: str
    access_key_id: str
    secret_access_key: str
    password: str = ""

    def client(self, service: str = "kms", region: str = REGION) -> Any:
        return make_client(service, region, self.access_key_id, self.secret_access_key, endpoint=self.account.endpoint)


@dataclass
class TestAccount:
    """A fresh account; `client` is its administrator's unless a user is given. With an `endpoint` it is reached over a socket."""

    __test__ = False

    account_id: str
    endpoint: str = ""
    administrator: TestUser = field(init=False)

    @property
    def root_arn(self) -> str:
        return f"arn:aws:iam::{self.account_id}:root"

    def client(self, service: str = "kms", user: TestUser | None = None, region: str = REGION) -> Any:
        return (user or self.administrator).client(service, region)

    def create_user(self, name: str, policy: str | None = None) -> TestUser:
        """An IAM user with an access key and, with `policy` (JSON text), one inline policy. May do nothing without one."""
        iam = self.client("iam")
        arn = iam.create_user(UserName=name)["User"]["Arn"]
        key = iam.create_access_key(UserName=name)["AccessKey"]
        if policy is not None:
            iam.put_user_policy(UserName=name, PolicyName="test", PolicyDocument=policy)
        return TestUser(self, name, arn, key["AccessKeyId"], key["SecretAccessKey"])

    def create_key(self, **parameters: Any) -> str:
        """The key ID of a new key."""
        return self.client().create_key(**parameters)["KeyMetadata"]["KeyId"]

    def move_clock(self, **delta: float) -> None:
        """Move this account's clock forward: `move_clock(days=31)`."""
        cache.synchronise()
        begin = clock.offset(self.account_id)
        with transaction.write():
            clocks.move(self.account_id, begin, begin + timedelta(**delta).total_seconds())
        cache.synchronise()


def make_client(
    service: str, region: str, access_key_id: str, secret: str, token: str | None = None, *, endpoint: str = ""
) -> Any:
    """A boto3 client whose requests go to `endpoint`, or to the engine in this process, signed and checked as over a socket."""
    if not endpoint:
        return _in_process(service, region, access_key_id, secret, token)
    return _client(service, region, access_key_id, secret, token, endpoint)


@lru_cache(maxsize=64)  # a test asks for the same one again and again, and making one takes longer than most calls
def _in_process(service: str, region: str, access_key_id: str, secret: str, token: str | None) -> Any:
    client = _client(service, region, access_key_id, secret, token, "http://engine.local")
    inprocess.attach(client, source_ip="127.0.0.1")
    return client


def _client(service: str, region: str, access_key_id: str, secret: str, token: str | None, endpoint: str) -> Any:
    return clients.make(
        service,
        region_name=region,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret,
        aws_session_token=token,
        endpoint_url=endpoint,
        config=Config(retries={"total_max_attempts": 1}),
    )


_DURATIONS = Path(__file__).parent / "durations.json"  # seconds by test file, as `make durations` recorded them


flat.flatten_pages_of_test_clients()
handlers.share_middleware_of_test_clients()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest files come first, so that no worker is left with one when the others have nothing more to do.

    One that was never recorded comes before them: it may be long. What is marked `long_form` is left to `make walks`. With FIRST_CASES
    set, only the first case of each test is run.
    """
    left_out = [item for item in items if item.get_closest_marker("long_form")]
    if left_out and not long_form.LONG:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("long_form")]
    if os.environ.get("FIRST_CASES"):
        first = {item.nodeid.partition("[")[0]: item for item in reversed(items)}
        config.hook.pytest_deselected(items=[item for item in items if item not in first.values()])
        items[:] = [item for item in items if item in first.values()]
    recorded: dict[str, float] = json.loads(_DURATIONS.read_text())
    items.sort(key=lambda item: (-recorded.get(_file(item.nodeid), math.inf), _file(item.nodeid)))


def pytest_collection_finish() -> None:
    """What is loaded by now stays: looking through it again and again for what can go was a tenth of the tests' processor time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(400_000, 50, 100)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Any:
    """The tests, as everything else does it, with room for what they call: see engine.data_stack."""
    itself = [session.config.pluginmanager.get_plugin(str(Path(__file__)))]
    return data_stack.run(
        session.config.pluginmanager.subset_hook_caller("pytest_runtestloop", itself), session=session
    )


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0].removeprefix("tests/")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How long each stage took, all its workers together; with RECORD_DURATIONS set, also which file took how long."""
    seconds: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[_file(report.nodeid)] += report.duration
    stages: Counter[str] = Counter()
    for file, taken in seconds.items():
        stages[file.partition("/")[0]] += taken
    terminalreporter.write_sep("-", "seconds by stage, all workers together")
    for stage, taken in stages.most_common():
        terminalreporter.write_line(f"{taken:7.0f}  {stage}")
    if os.environ.get("RECORD_DURATIONS"):
        rounded = {file: round(taken, 1) for file, taken in sorted(seconds.items())}
        _DURATIONS.write_text(json.dumps(rounded, indent=0) + "\n")


@pytest.fixture(scope="module", autouse=True)
def pages_shown(request: pytest.FixtureRequest) -> Iterator[None]:
    """A page's test module shows every template of its view (tests/kmsconsole/test_layout.py), if all of it is run."""
    from tests.support.layout import pages_of

    expected = pages_of(request.path)
    if not expected or request.config.option.keyword or "::" in " ".join(request.config.invocation_params.args):
        yield
        return
    shown: set[str] = set()

    def note(template: Any, **_: Any) -> None:
        shown.add(template.name)

    template_rendered.connect(note)
    failed = request.session.testsfailed
    yield
    template_rendered.disconnect(note)
    if request.session.testsfailed == failed:
        assert expected <= shown, f"{request.path.name} never shows {sorted(expected - shown)}"


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: Any) -> None:
    """pytest-django's database: ours, as the server makes it. Every test may use it, for each makes an account of its own."""
    django_db_blocker.unblock()


@pytest.fixture(scope="session", autouse=True)
def prepared(django_db_setup: None) -> Path:
    """The data folder of this test process, ready as after `make run`."""
    folder = Path(settings.DATA)
    if connection.vendor == "sqlite" and not (folder / migrated.NAME).exists():
        migrated.copy_to(folder)
    bootstrap.prepare()
    return folder


def new_account() -> TestAccount:
    account = TestAccount(f"{next(_account_ids):012d}")
    made = accounts.create_account_with_administrator(account.account_id, "admin", password="correct horse battery")
    account.administrator = TestUser(
        account,
        "admin",
        f"arn:aws:iam::{account.account_id}:user/admin",
        made.access_key_id,
        made.secret_access_key,
        "correct horse battery",
    )
    return account


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """A page in German leaves its thread in German until the next page: another test's words are not to follow."""
    yield
    translation.deactivate()


@pytest.fixture
def account(prepared: Path) -> TestAccount:
    return new_account()


@pytest.fixture
def other_account(prepared: Path) -> TestAccount:
    return new_account()


@pytest.fixture
def kms(account: TestAccount) -> Any:
    """The administrator's KMS client."""
    return account.client("kms")


@pytest.fixture
def signed_in(account: TestAccount) -> Any:
    """Django's test client, signed in to the console as the account's administrator."""
    return sign_in_browser(account.administrator)


def sign_in_browser(user: TestUser) -> Any:
    from django.test import Client

    browser = Client()
    answer = browser.post(
        "/principals/sign-in/",
        {"account": user.account.account_id, "user_name": user.name, "password": user.password},
    )
    assert answer.status_code == 302, answer.content.decode()
    if answer["Location"] == "/principals/sign-in/enrolment/":  # a second factor is advised
        browser.post(answer["Location"], {"later": "1"})
    return browser


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One real server for all tests of this process that speak over a socket and do not stop it."""
    from tests.support import crowd
    from tests.support.server import Server

    with Server(tmp_path_factory.mktemp("server") / "data") as running:
        crowd.make(running.client)
        yield running


@pytest.fixture
def postgres_url() -> str:
    """The URL of this process's own database, where that is PostgreSQL."""
    return os.environ["KMSCONSOLE_DATABASE_URL"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """A PostgreSQL server of this test process, started when a test first asks for it. Not to be paused or stopped."""
    from tests.support.postgres import Postgres

    with Postgres() as running:
        yield running
