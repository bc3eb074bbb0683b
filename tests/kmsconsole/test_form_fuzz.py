"""Whatever is sent to whichever form or address: no page answers 500, and a form that comes back keeps what was typed.

Forms are found in the URLconf; which parameters a page's address has is watched while it is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from django.core.handlers import wsgi
from django.http import QueryDict
from django.test import Client
from django.urls import resolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import TestAccount, new_account, sign_in_browser
from tests.support import htmlforms, samples
from tests.support.htmlforms import TYPED, Form
from tests.support.long_form import examples, one_in

# Forms that end what the others need and ask for nothing to be typed, and the one that may call another endpoint on the net.
LEFT_OUT = {
    "sign-out",
    "use-session",
    "user-delete",
    "group-delete",
    "role-delete",
    "policy-delete",
    "sign-in",
    "sign-in-rule",
    "endpoint-new",
}
ODD = [
    "", " ", "0", "-1", "1e9", "²", "٣", "9" * 25, "9" * 5000, "NaN", "None", "true", "\x00", "\x0b", "\n", "a\r\nb", "\u202e", "\ufeff", "'", '"', "<b>",
    "{{ 7 }}", "%(x)s", "%s", "{0}", "../..", "/", "//x", "arn:", "arn:aws:iam::1:user/x", "arn:aws:kms:us-east-1:1:key/x", "alias/", "alias/aws/x",
    "{", "[]", "{}", "null", '{"Statement": 1}', '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": [[]], "Resource": {}}]}',
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "\\ud800", "Resource": "*"}]}', '{"\\ud800": "\\ud800"}',
    "[" * 3000, '{"a":' * 2000, "ü" * 300, "x" * 9000, "2026-02-30T25:61", "0001-01-01T00:00", "9999-12-31T23:59", "=", "a=b", "🔑",
]  # fmt: skip


# What a parameter of an address is sent as, and how many times.
PARAMETERS: dict[str, list[str]] = {
    "absent": [],
    "empty": [""],
    "twice": ["x", "1"],
    "empty, then something": ["", "a"],
    "not a number": ["²"],
    "negative": ["-1"],
    "huge": ["9" * 30],
    "longer than int() reads": ["9" * 5000],
    "long": ["a" * 20_000],
    "NUL": ["\0"],
    "part of an ARN": ["arn:"],
}
# Each parameter of each page is sent as one of them, as all of them by `make walks`.
STEP = len(PARAMETERS)


class Watched(QueryDict):
    """A query string that knows what it was asked for."""

    asked: set[str] = set()

    def __contains__(self, key: object) -> bool:
        self.asked.add(str(key))
        return super().__contains__(key)

    def __getitem__(self, key: str) -> Any:
        self.asked.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)

    def getlist(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().getlist(key, default)


@dataclass(frozen=True)
class World:
    account: TestAccount
    browser: Client
    forms: list[Form]
    addresses: list[str]
    parameters: dict[tuple[str, str], str]  # (route, parameter) → an address of such a page
    elsewhere: set[str]  # where forms go that are not sent to the page they stand on

    def sign_in(self) -> None:
        self.browser.cookies = sign_in_browser(self.account.administrator).cookies

    def get(self, address: str, *data: Any, **more: Any) -> Any:
        return self._signed_in(lambda: self.browser.get(address, *data, **more))

    def post(self, address: str, sent: dict[str, Any]) -> Any:
        return self._signed_in(lambda: self.browser.post(address, sent))

    def _signed_in(self, send: Callable[[], Any]) -> Any:
        """The answer to who is signed in: what was sent before may have ended the session, and every page would lead to the sign-in."""
        answer = send()
        if answer.status_code != 302 or not answer["Location"].startswith("/principals/sign-in/"):
            return answer
        self.sign_in()
        return send()


@pytest.fixture(scope="module")
def world(prepared: object) -> World:
    account = new_account()
    made, browser = samples.make(account.client), sign_in_browser(account.administrator)
    browser.raise_request_exception = False
    found: dict[object, Form] = {}
    elsewhere = set()
    parameters: dict[tuple[str, str], str] = {}
    addresses = [address for each in samples.addresses(made).values() for address in each]
    for address in addresses:
        Watched.asked.clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(wsgi, "QueryDict", Watched)
            answer = browser.get(address)
        path, _question, query = address.partition("?")
        match = resolve(path)
        route = f"{match.route} {match.kwargs.get('action', '')} {match.kwargs.get('tab', '')}"
        for name in sorted(Watched.asked | {name for name, _value in parse_qsl(query)}):
            parameters.setdefault((route, name), address)
        if answer.streaming:
            continue
        for form in htmlforms.forms(address, answer.content.decode(errors="replace")):
            match = resolve(form.action.partition("?")[0])
            if match.url_name not in LEFT_OUT:
                if form.method == "post" and form.action.partition("?")[0] != path:
                    elsewhere.add((match.url_name or match.route, form.action))
                names = tuple(each.name for each in form.fields), tuple(name for name, _value in form.buttons)
                found[(match.url_name or match.route, match.kwargs.get("action"), form.method, names)] = form
    assert len(found) > 60
    return World(account, browser, list(found.values()), addresses, parameters, set(dict(elsewhere).values()))


@pytest.fixture(autouse=True)
def signed_in_anew(world: World) -> None:
    """As the administrator, whatever role another test's forms have taken."""
    world.sign_in()


typed = st.one_of(st.sampled_from(ODD), st.text(max_size=40).map(lambda text: text.encode("utf-8", "replace").decode()))


@st.composite
def filled(draw: st.DrawFn, form: Form) -> dict[str, Any]:
    """What a form might be sent with: mostly what it holds, with some fields changed, left out or sent twice, and one of its buttons."""
    sent: dict[str, Any] = {}
    for each in form.fields:
        fate = draw(st.sampled_from(("kept", "odd", "odd", "chosen", "missing", "twice")))
        if fate in ("missing", "twice") and each.name.endswith(("_name", "_value", "tag_key")):
            fate = "odd"  # a browser sends both halves of a row
        if fate == "kept" or each.name == "csrfmiddlewaretoken":
            sent[each.name] = each.value or (each.values or [""])[0]
        elif fate == "odd":
            sent[each.name] = draw(typed)
        elif fate == "chosen":
            sent[each.name] = draw(st.sampled_from(each.values or [each.value]))
        elif fate == "twice":
            sent[each.name] = [draw(typed), draw(typed)]
    if form.buttons and draw(st.integers(0, 3)):
        name, value = draw(st.sampled_from(form.buttons))
        sent[name] = value
    return sent


@settings(max_examples=examples(50, 120), deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_form_answers_500_and_each_keeps_what_was_typed(world: World, data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(world.forms))
    sent = data.draw(filled(form))
    if form.method == "get":
        answer = world.get(f"{form.action.partition('?')[0]}?{urlencode(sent, doseq=True)}")
    else:
        answer = world.post(form.action, sent)
    assert answer.status_code < 500, (form.action, sent)
    if form.method == "post" and answer.status_code == 422:
        lost = _lost(form, sent, answer.content.decode())
        assert not lost, (form.action, sent, lost)


def _lost(form: Form, sent: dict[str, Any], page: str) -> dict[str, list[str]]:
    """Field → what was typed and what the page has instead, for fields that are typed in and are there again."""
    again: dict[str, list[str]] = {}
    for each in htmlforms.forms(form.action, page):
        for one in each.fields:
            again.setdefault(one.name, []).append(one.value)
    lost = {}
    for each in form.fields:
        value = sent.get(each.name)
        if each.kind not in TYPED or not isinstance(value, str) or each.name not in again:
            continue
        seen = [text.replace("\r\n", "\n").replace("\r", "\n").strip() for text in again[each.name]]
        if value.replace("\r\n", "\n").replace("\r", "\n").strip() not in seen:
            lost[each.name] = [value, *again[each.name]]
    return lost


def test_a_line_break_in_a_field_of_one_line_is_given_back_as_it_was_sent(world: World) -> None:
    answer = world.post("/audit/alerts/new/", {"name": "n", "kind": "deletion", "webhook": "a\r\nb"})
    assert (answer.status_code, 'name="webhook" value="a\r\nb"' in answer.content.decode()) == (422, True)


@settings(max_examples=examples(30, 60), deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_address_answers_500(world: World, data: st.DataObject) -> None:
    """A part of the path, or a value of the query, is another one."""
    address = data.draw(st.sampled_from(world.addresses))
    path, _question, query = address.partition("?")
    parts = path.strip("/").split("/")
    if data.draw(st.booleans()):
        parts[data.draw(st.integers(0, len(parts) - 1))] = data.draw(typed).replace("/", "%2F")
    pairs = [pair.partition("=")[::2] for pair in query.split("&") if pair]
    odd = {name: data.draw(typed) for name, _value in pairs}
    answer = world.get("/" + "/".join(parts) + "/", odd)
    assert answer.status_code < 500, (parts, odd)


def test_the_parameters_of_addresses_are_found(world: World) -> None:
    names = {name for _route, name in world.parameters}
    assert {"q", "page", "sort", "from", "to", "arn", "days", "w", "after", "format"} <= names, names


@pytest.mark.parametrize("kind", PARAMETERS)
def test_no_parameter_of_an_address_answers_500(world: World, kind: str) -> None:
    failed = []
    for (_route, name), address in one_in(STEP, world.parameters.items(), first=list(PARAMETERS).index(kind)):
        path, _question, query = address.partition("?")
        others = [pair for pair in parse_qsl(query) if pair[0] != name]
        sent = f"{path}?{urlencode([*others, *((name, value) for value in PARAMETERS[kind])])}"
        if world.get(sent).status_code >= 500:
            failed.append(sent[:200])
    assert not failed, failed


def test_no_query_that_cannot_be_decoded_answers_500(world: World) -> None:
    queries = ("%ff=%ff&=&&%00=%00", "q=%ed%a0%80&page=%ff", ";=&?" * 50)
    addresses = sorted({address.partition("?")[0] for address in world.parameters.values()})
    failed = []
    for number, address in one_in(2, enumerate(addresses)):
        query = queries[number % len(queries)]
        if world.get(address, QUERY_STRING=query).status_code >= 500:
            failed.append(f"{address}?{query}")
    assert not failed, failed


def test_no_page_repeats_a_long_parameter_of_its_address(world: World) -> None:
    """Once or twice it may be shown, as what was typed; not in each of its links. `unknown`: whatever the page does not ask for."""
    routes = {route: address for (route, _name), address in world.parameters.items()}
    asked = [
        *((name, address) for (_route, name), address in world.parameters.items()),
        *(("unknown", a) for a in routes.values()),
    ]
    long, failed = "abcdefgh" * 2_250, []
    for name, address in one_in(STEP, asked):
        path, _question, query = address.partition("?")
        others = [pair for pair in parse_qsl(query) if pair[0] != name]
        answer = world.get(f"{path}?{urlencode([*others, (name, long)])}")
        repeated = 0 if answer.streaming else answer.content.count(long.encode())
        if repeated > 2:
            failed.append((path, name, repeated))
    assert not failed, failed


def test_a_form_that_names_no_address_is_sent_to_the_page_that_has_it(world: World) -> None:
    """A page that answers another page's form stands at that form's address, and its own forms would go there."""
    astray = []
    for action in sorted(world.elsewhere):
        answer = world.post(action, {})
        if answer.streaming or answer.status_code >= 500 or "text/html" not in answer.get("Content-Type", ""):
            continue
        nameless = [each for each in htmlforms.forms(action, answer.content.decode()) if each.action == action]
        posted = [_names(each) for each in nameless if each.method == "post"]
        if posted:
            page = world.get(action)
            there = [] if page.streaming else htmlforms.forms(action, page.content.decode(errors="replace"))
            known = {_names(each) for each in there} | {_names(each) for each in world.forms if each.action == action}
            astray += [(action, names) for names in posted if names not in known]
    assert not astray, astray


def _names(form: Form) -> tuple[str, ...]:
    return tuple(sorted({each.name for each in form.fields} | {name for name, _value in form.buttons}))
