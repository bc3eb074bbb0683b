"""One way to write a moment, on every page: `when`, or `when_ago` where a reader wants to know how long ago; whole on hover and on paper."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from django.template import engines
from django.test import Client, RequestFactory
from django.utils import timezone, translation

from console import moments
from tests.conftest import TestAccount
from tests.support.layout import TEMPLATES
from tests.support.server import ROOT

OTHER_WAYS = re.compile(r"\|(?:date|time|timesince|timeuntil|naturaltime|naturalday)\b|{% now |\.(?:isoformat|ctime)\b")
IN_CODE = re.compile(r"\b(?:date_format|time_format|naturaltime|timesince|strftime|localize)\(")
# Code that writes a moment for a program, or a part of one.
FOR_PROGRAMS = {
    "console/moments.py": "the one place",
    "audit/forms.py": "the value of a form's field",
    "audit/histogram.py": "the names of a chart's columns",
    "keys/detail/use_tabs.py": "the names of a chart's columns: an hour, or a day of the month",
    "keys/overview/views.py": "the value of a form's field",
}
ROOMS = (
    "access",
    "audit",
    "console",
    "keys",
    "learn",
    "playground",
    "principals",
    "kmsconsole/frame",
    "kmsconsole/templatetags",
)


def test_no_template_writes_a_moment_another_way() -> None:
    texts = {str(path.relative_to(TEMPLATES)): path.read_text() for path in sorted(TEMPLATES.rglob("*.html"))}
    assert {name: found for name, text in texts.items() if (found := OTHER_WAYS.findall(text))} == {}


def test_no_code_of_pages_writes_a_moment_another_way() -> None:
    paths = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    found = {str(path.relative_to(ROOT)) for path in paths if IN_CODE.search(path.read_text())}
    assert found == set(FOR_PROGRAMS)


def written(tag: str, moment: datetime | None, account: TestAccount | None = None) -> str:
    request = RequestFactory().get("/")
    return engines["django"].from_string(tag).render({"moment": moment, "request": request}, request)  # type: ignore[no-any-return]


def test_a_moment_has_one_order_of_its_parts_in_every_precision_and_is_whole_on_hover() -> None:
    moment = datetime(2026, 3, 1, 23, 5, 7, tzinfo=UTC)
    texts = [
        written(tag, moment)
        for tag in ("{% when moment day=True %}", "{% when moment %}", "{% when moment precise=True %}")
    ]
    assert [re.sub("<[^>]*>", "", text) for text in texts] == ["2026-03-01", "2026-03-01 23:05", "2026-03-01 23:05:07"]
    assert all('title="2026-03-01 23:05:07 UTC"' in text for text in texts)
    with timezone.override("Europe/Berlin"):
        text = written("{% when moment %}", moment)
    assert 'title="2026-03-02 00:05:07 CET (2026-03-01 23:05:07 UTC)">2026-03-02 00:05<' in text
    assert written("{% when moment %}{% when_ago moment %}", None) == "––"


def test_how_long_ago_goes_by_the_clock_that_is_given_and_by_the_language() -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    for past, words, german in ((180, "3 minutes ago", "vor 3 Minuten"), (-7200, "2 hours from now", "in 2 Stunden")):
        moment = now - timedelta(seconds=past)
        assert moments.ago(moment, now + timedelta(seconds=past // abs(past) * 0.5)).replace("\xa0", " ") == words
        with translation.override("de"):
            assert moments.ago(moment, now + timedelta(seconds=past // abs(past) * 0.5)).replace("\xa0", " ") == german


def test_a_last_use_is_told_by_the_accounts_clock_and_whole_on_hover(account: TestAccount, signed_in: Client) -> None:
    key = account.create_key()
    account.client().encrypt(KeyId=key, Plaintext=b"x")
    account.move_clock(days=3)
    page = signed_in.get(f"/keys/{key}/").content.decode().replace("\xa0", " ")
    assert re.search(r'<time class="abbreviated" datetime="[^"]+" title="[^"]+ UTC">3 days ago</time>', page)
