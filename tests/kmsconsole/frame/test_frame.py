"""The frame: languages, time zones, search, friendly errors, and how little a first visit has to load."""

from __future__ import annotations

import gzip
import re
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlencode, urljoin

import pytest
from django.conf import settings
from django.db import OperationalError
from django.templatetags.static import static
from django.test import Client, RequestFactory

from kmsconsole.frame import context, views
from tests.conftest import TestAccount, sign_in_browser
from tests.support.answers import text
from tests.support.server import PASSWORD, Server

FIRST_LOAD = 60 * 1024  # bytes, compressed


def test_the_language_is_chosen_in_the_footer_and_kept(signed_in: Client) -> None:
    assert '<html lang="en"' in text(signed_in.get("/keys/"))
    answer = signed_in.post("/language/", {"language": "de", "next": "/keys/"})
    assert (answer.status_code, answer["Location"]) == (302, "/keys/")
    assert '<html lang="de"' in text(signed_in.get("/keys/"))


def test_a_language_that_is_not_there_changes_nothing(signed_in: Client) -> None:
    signed_in.post("/language/", {"language": "../x", "next": "/keys/"})
    assert '<html lang="en"' in text(signed_in.get("/keys/"))


def test_times_are_in_the_readers_zone_with_utc_on_hover(account: TestAccount, signed_in: Client) -> None:
    account.create_key()
    signed_in.cookies["tz"] = "Asia/Tokyo"
    page = text(signed_in.get("/audit/"))
    shown = re.search(r'<time datetime="([^"]+)" title="[^"]+ JST .([^"]+) UTC.">([^<]+)</time>', page)
    assert shown is not None
    hours = (int(shown[3][11:13]) - int(shown[2][11:13])) % 24
    assert hours == 9
    assert "Asia/Tokyo" in page


@pytest.mark.parametrize("zone", ["", "Nowhere/City", "../../etc/passwd", "America", "x" * 4000])
def test_a_zone_that_does_not_exist_is_utc(signed_in: Client, zone: str) -> None:
    signed_in.cookies["tz"] = zone
    page = signed_in.get("/audit/")
    assert page.status_code == 200
    assert re.search(r"foot-zone[^<]*<?[^<]*UTC", text(page))


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("get", "/no/such/page/", 404, "Page not found"),
        ("get", "/theme/", 405, "Method not allowed"),
        ("get", "/keys/bulk/", 405, "Method not allowed"),
        ("get", "/keys/?q=a%00b", 400, "Bad request"),
        ("get", "/search/?q=a%00b", 400, "Bad request"),
        ("get", "/principals/users/a%00b/", 400, "Bad request"),
    ],
)
def test_errors_are_pages_in_the_frame(signed_in: Client, method: str, path: str, status: int, words: str) -> None:
    answer = getattr(signed_in, method)(path)
    assert answer.status_code == status
    assert words in text(answer)
    assert "Skip to content" in text(answer)


def test_an_old_form_is_refused_with_a_page(account: TestAccount, signed_in: Client) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.cookies = signed_in.cookies
    answer = browser.post("/theme/", {"theme": "dark"})
    assert answer.status_code == 403
    assert "The form has expired" in text(answer)


def test_the_page_for_a_failure_asks_nothing_of_what_may_have_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(request: object) -> None:
        raise RuntimeError("the database is away")

    monkeypatch.setattr(context, "frame", broken)
    request = RequestFactory().get("/", HTTP_COOKIE="theme=dark")  # no session, no user
    answer = views.server_error(request)
    assert answer.status_code == 500
    assert 'data-theme="dark"' in text(answer)
    assert "Server error" in text(answer)


def test_what_waited_in_vain_for_a_busy_database_is_to_be_sent_again(
    account: TestAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = sign_in_browser(account.administrator)
    browser.raise_request_exception = False
    for words in ("other changes hold the database", "database is locked"):

        def held(*_given: object, said: str = words) -> None:
            raise OperationalError(said)

        monkeypatch.setattr("learn.lessons.views.progress.lesson_progress", held)
        answer = browser.get("/learn/?days=1")
        assert (answer.status_code, answer["Retry-After"]) == (503, "3")
        assert 'href="/learn/?days=1"' in answer.content.decode()
        assert "The server is busy" in text(answer)


def test_a_part_of_a_page_is_not_answered_with_the_sign_in_page() -> None:
    answer = Client().get("/search/?q=x", headers={"HX-Request": "true"})
    assert answer.status_code == 204
    assert answer["HX-Redirect"] == "/principals/sign-in/?next=%2Fsearch%2F%3Fq%3Dx"


def test_who_signs_in_after_a_part_was_refused_comes_back_to_the_page_that_was_open() -> None:
    for current, after in (
        ("http://testserver/keys/?state=Enabled", "%2Fkeys%2F%3Fstate%3DEnabled"),
        ("http://elsewhere/keys/", "%2Fclasses%2Faccounts%2Fnotice%2F"),
    ):
        asked = {"HX-Request": "true", "HX-Current-URL": current}
        answer = Client().get("/classes/accounts/notice/", headers=asked)
        assert answer["HX-Redirect"] == f"/principals/sign-in/?next={after}"


def test_pages_carry_a_policy_without_inline_scripts_or_styles(signed_in: Client) -> None:
    answer = signed_in.get("/keys/")
    policy = answer["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer["X-Frame-Options"] == "DENY"
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style| style=| on[a-z]+=", text(answer))
    assert settings.SESSION_COOKIE_HTTPONLY
    assert settings.CSRF_COOKIE_HTTPONLY


def test_behind_a_tls_proxy_cookies_are_secure_and_forms_are_taken(tmp_path: Path) -> None:
    address = "https://keys.example.org"
    with Server(
        tmp_path / "data", KMSCONSOLE_PUBLIC_URL=address, KMSCONSOLE_ALLOWED_HOSTS="127.0.0.1,keys.example.org"
    ) as server:
        asked = urllib.request.Request(f"{server.url}/principals/sign-in/", headers={"Host": "keys.example.org"})
        with urllib.request.urlopen(asked) as answer:
            cookie = answer.headers["Set-Cookie"]
            page = answer.read().decode()
        assert "; Secure" in cookie
        assert "HttpOnly" in cookie
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        assert token is not None
        form = urlencode(
            {
                "csrfmiddlewaretoken": token[1],
                "account": "",
                "user_name": "admin",
                "password": PASSWORD,
                "next": "/theme/",
            }
        )
        sent = urllib.request.Request(
            f"{server.url}/principals/sign-in/",
            form.encode(),
            headers={"Host": "keys.example.org", "Origin": address, "Cookie": cookie.partition(";")[0]},
        )
        with pytest.raises(urllib.error.HTTPError) as answered:
            urllib.request.build_opener(_NoRedirects()).open(sent)
        assert answered.value.code == 302
        assert "sessionid" in str(answered.value.headers)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """A redirect is an answer here."""


def test_a_first_visit_loads_less_than_sixty_kilobytes(server: Server) -> None:
    def load(path: str) -> bytes:
        request = urllib.request.Request(server.url + path, headers={"Accept-Encoding": "gzip"})
        with urllib.request.urlopen(request) as answer:
            assert answer.headers["Content-Encoding"] == "gzip" or path.endswith(".svg"), path
            return answer.read()

    page = load("/principals/sign-in/")
    parts = re.findall(r'(?:src|href)="(/(?:static/|console\.)[^"]+)"', gzip.decompress(page).decode())
    assert len(parts) >= 4
    loaded = {part: load(part) for part in parts}
    for part in parts:  # what the script imports counts as well
        if part.endswith("console.js"):
            named = re.findall(r'^import "([^"]+)"', gzip.decompress(loaded[part]).decode(), re.MULTILINE)
            assert len(named) >= 8
            loaded.update({address: load(address) for address in (urljoin(part, each) for each in named)})
    total = len(page) + sum(len(each) for each in loaded.values())
    assert total < FIRST_LOAD, f"{total:,} bytes"


def test_a_browser_that_asks_for_a_favicon_of_its_own_accord_gets_the_consoles() -> None:
    answer = Client().get("/favicon.ico")
    assert (answer.status_code, answer["Location"]) == (302, static("img/favicon.svg"))


def test_the_style_guide_shows_every_state_of_a_key(signed_in: Client) -> None:
    page = text(signed_in.get("/styleguide/"))
    for state in ("Enabled", "Disabled", "Pending deletion", "Pending import", "Unavailable"):
        assert state in page
