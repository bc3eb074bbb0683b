"""A server whose root key is in people's shares: until enough are entered it serves the page that takes them, and nothing else."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode

import pytest
from botocore.exceptions import ClientError

from engine.vault.shamir import Share, Wrong
from engine.vault.shamir import read as read_share
from engine.wire.recognise import FORM
from kmsconsole.server.unseal_page import _WORDS
from tests.support.server import Server

pytestmark = pytest.mark.slow


class Sealed(Server):
    """Ready when it says that it is sealed."""

    def start(self) -> None:
        super().start(ready=lambda status, body: (status, body) == (503, b"sealed\n"))


class Browser:
    """Without scripts, with cookies."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

    def get(self, path: str) -> tuple[int, str, str]:
        return self._answer(urllib.request.Request(self.url + path))

    def enter(self, share: str, **headers: str) -> tuple[int, str, str]:
        token = re.search('name="csrfmiddlewaretoken" value="([^"]+)"', self.get("/unseal/")[2])
        assert token
        form = urlencode({"csrfmiddlewaretoken": token[1], "share": share}).encode()
        return self._answer(urllib.request.Request(f"{self.url}/unseal/", form, headers))

    def _answer(self, request: urllib.request.Request) -> tuple[int, str, str]:
        try:
            with self._opener.open(request, timeout=10) as answer:
                return answer.status, answer.url, answer.read().decode()
        except urllib.error.HTTPError as answer:
            return answer.code, answer.url or "", answer.read().decode()


def shares_of(output: str) -> list[str]:
    return re.findall(r"^  ([A-Z2-7]{5}(?:-[A-Z2-7]{1,5})+)$", output, re.MULTILINE)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sealed, list[str], bytes]:
    """A server with its 3 shares of which 2 are needed, stopped, and a ciphertext of it."""
    server = Sealed(tmp_path_factory.mktemp("sealed") / "data", KMSCONSOLE_WORKERS="2")
    Server.start(server)
    key_id = server.client().create_key()["KeyMetadata"]["KeyId"]
    blob = server.client().encrypt(KeyId=key_id, Plaintext=b"kept")["CiphertextBlob"]
    done = server.manage("change_root_provider", "shamir", "--shares", "3", "--threshold", "2", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert server.client().decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"  # the one that runs goes on
    server.stop()
    shares = shares_of(done.stdout)
    assert len(shares) == 3
    return server, shares, blob


@pytest.fixture
def sealed(made: tuple[Sealed, list[str], bytes]) -> Iterator[Sealed]:
    with made[0] as server:
        yield server


def until_it_serves(server: Server) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{server.url}/healthz", timeout=5) as answer:
                assert answer.status == 200
                return
        except (urllib.error.URLError, ConnectionError):  # the process that took shares may have accepted this one
            time.sleep(0.05)
    raise TimeoutError(server.output())


def test_enough_shares_of_different_people_unseal_all_workers(
    sealed: Sealed, made: tuple[Sealed, list[str], bytes]
) -> None:
    _, shares, blob = made
    first, second = Browser(sealed.url), Browser(sealed.url)
    assert "0 of 2 shares entered" in first.get("/unseal/")[2]
    status, url, page = first.enter(shares[2])
    assert (status, url) == (200, f"{sealed.url}/unseal/")
    assert "1 of 2 shares entered" in page
    status, _, page = second.enter(shares[0].lower().replace("-", " "))
    assert status == 200
    assert "This server is unsealed" in page
    until_it_serves(sealed)
    for _ in range(8):  # each client's connection is another worker's
        assert sealed.client().decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"
    assert 'name="password"' in first.get("/")[2]  # the sign-in page
    named = [{"AttributeKey": "EventName", "AttributeValue": "Unsealed"}]
    (event, *_earlier) = sealed.client("cloudtrail").lookup_events(LookupAttributes=named)["Events"]
    recorded = json.loads(event["CloudTrailEvent"])
    assert recorded["eventType"] == "AwsServiceEvent"
    assert recorded["serviceEventDetails"]["sharesNeeded"] == 2
    everything = b"".join(path.read_bytes() for path in sealed.folder.rglob("*") if path.is_file())
    for share in shares:
        assert share.encode() not in everything
        assert read_share(share).values not in everything
        assert share not in sealed.output()


@pytest.mark.parametrize(
    ("share", "wrong"),
    [
        (lambda shares: "hello!", Wrong.NO_SHARE),
        (lambda shares: shares[0][:20], Wrong.NOT_WHOLE),
        (lambda shares: shares[0][:20] + ("A" if shares[0][20] != "A" else "B") + shares[0][21:], Wrong.MISTYPED),
        (lambda shares: Share(b"abcd", 2, 1, bytes(32)).text(), Wrong.OTHER_SET),
        (lambda shares: Share(read_share(shares[0]).set_id, 2, 1, bytes(32)).text(), Wrong.UNKNOWN),
    ],
    ids=lambda value: value.name if isinstance(value, Wrong) else "",
)
def test_a_wrong_share_is_told_and_counts_for_nothing(
    sealed: Sealed, made: tuple[Sealed, list[str], bytes], share: Callable[[list[str]], str], wrong: Wrong
) -> None:
    browser, entered = Browser(sealed.url), share(made[1])
    status, _, page = browser.enter(entered)
    assert status == 400
    assert str(_WORDS[wrong]) in page
    assert "0 of 2 shares entered" in page
    assert entered not in page


def test_a_share_counts_once(sealed: Sealed, made: tuple[Sealed, list[str], bytes]) -> None:
    browser = Browser(sealed.url)
    browser.enter(made[1][0])
    status, _, page = browser.enter(made[1][0])
    assert status == 400
    assert "This share was entered already" in page
    assert "1 of 2 shares entered" in page


def test_who_enters_many_wrong_shares_has_to_wait_and_nobody_else(
    sealed: Sealed, made: tuple[Sealed, list[str], bytes]
) -> None:
    browser = Browser(sealed.url)
    assert [browser.enter("wrong")[0] for _ in range(20)] == [400] * 20
    status, _, page = browser.enter("wrong")
    assert status == 429
    assert "Wait a minute" in page
    assert browser.enter(made[1][1])[0] == 200  # a right one never waits: behind a proxy everybody has one address
    another = HTTPConnection("127.0.0.1", sealed.port, source_address=("127.0.0.2", 0))
    another.request("GET", "/unseal/")
    answer = another.getresponse()
    cookie = str(answer.getheader("Set-Cookie")).partition(";")[0]
    form = {"csrfmiddlewaretoken": cookie.partition("=")[2], "share": made[1][0]}
    assert "1 of 2 shares entered" in answer.read().decode()
    another.request("POST", "/unseal/", urlencode(form), {"Cookie": cookie, "Content-Type": FORM})
    assert another.getresponse().status == 200
    another.close()


def test_a_share_from_another_sites_form_is_refused(sealed: Sealed, made: tuple[Sealed, list[str], bytes]) -> None:
    status, _, page = Browser(sealed.url).enter(made[1][0], Origin="https://elsewhere.example")
    assert status == 403
    assert "came from another site" in page
    assert "0 of 2 shares entered" in page


def test_calls_of_both_protocols_get_service_unavailable(sealed: Sealed) -> None:
    for call, code in (
        (lambda: sealed.client().list_keys(), "ServiceUnavailableException"),
        (lambda: sealed.client("sts").get_caller_identity(), "ServiceUnavailable"),
        (lambda: sealed.client("iam").list_users(), "ServiceUnavailable"),
    ):
        with pytest.raises(ClientError) as refused:
            call()
        assert refused.value.response["Error"]["Code"] == code
        assert "sealed" in refused.value.response["Error"]["Message"]
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503


def test_every_other_address_leads_to_the_page(sealed: Sealed) -> None:
    browser = Browser(sealed.url)
    for path in ("/", "/keys/", "/principals/sign-in/", "/nowhere"):
        status, url, page = browser.get(path)
        assert (status, url) == (200, f"{sealed.url}/unseal/")
        assert "This server is sealed" in page
    assert browser.get("/metrics")[0] == 503
    style = re.search(r'href="(/console\.[^"]+\.css)"', page)
    assert style
    assert browser.get(style[1])[0] == 200


def test_a_sealed_server_ends_when_it_is_told_to(made: tuple[Sealed, list[str], bytes]) -> None:
    server, _, _ = made
    server.start()
    assert server.stop() == 0
    server.start()
    server.kill()
    with server:  # the process that took shares ended with it, else the address is taken
        pass


def test_a_server_that_is_just_being_unsealed_ends_when_it_is_told_to(made: tuple[Sealed, list[str], bytes]) -> None:
    server, shares, _ = made
    for share in shares[1:]:
        server.start()
        browser = Browser(server.url)
        assert [browser.enter(shares[0])[0], browser.enter(share)[0]] == [200, 200]
        server.stop()  # TimeoutExpired if the signal were lost


def test_shares_can_be_given_to_an_unattended_start_and_to_commands(made: tuple[Sealed, list[str], bytes]) -> None:
    server, shares, blob = made
    server.environment["KMSCONSOLE_ROOT_SECRET"] = "\n".join(shares[1:])
    try:
        Server.start(server)
        assert server.client().decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"
        server.stop()
        done = server.manage("check")
        assert done.returncode == 0
        assert "3 shares of people, of which 2 open it" in done.stdout
        assert "opens every domain key" in done.stdout
    finally:
        del server.environment["KMSCONSOLE_ROOT_SECRET"]


def test_a_rotation_hands_out_new_shares_and_the_old_ones_are_told_as_old(tmp_path: Path) -> None:
    server = Sealed(tmp_path / "data", KMSCONSOLE_WORKERS="1")
    Server.start(server)
    server.client().create_key()
    old = shares_of(
        server.manage("change_root_provider", "shamir", "--shares", "2", "--threshold", "2", "--yes").stdout
    )
    server.environment["KMSCONSOLE_ROOT_SECRET"] = "\n".join(old)
    done = server.manage("rotate_root", "--yes")
    assert done.returncode == 0, done.stderr
    del server.environment["KMSCONSOLE_ROOT_SECRET"]
    server.client().create_key()
    server.stop()
    with server:
        browser = Browser(server.url)
        assert str(_WORDS[Wrong.OTHER_SET]) in browser.enter(old[0])[2]
        assert [browser.enter(share)[0] for share in shares_of(done.stdout)] == [200, 200]
        until_it_serves(server)
        assert len(server.client().list_keys()["Keys"]) == 2


def test_shares_that_nobody_confirmed_change_nothing(tmp_path: Path) -> None:
    with Server(tmp_path / "data", KMSCONSOLE_WORKERS="1") as server:
        server.client().create_key()
        done = server.manage("change_root_provider", "shamir", "--shares", "3", "--threshold", "2")
    assert done.returncode == 1
    assert "the shares were not confirmed" in done.stderr
    assert (tmp_path / "data" / "root.key").exists()
