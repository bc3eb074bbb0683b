"""A browser without JavaScript, for tests that speak to a server over a socket and need no more than forms."""

from __future__ import annotations

import re
import urllib.request
from http.cookiejar import CookieJar
from urllib.parse import urlencode

from tests.support.flat import flat


class Browser:
    """Forms without JavaScript: what a page has in it is sent back as a browser would."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self.page = ""
        self.at = ""

    def get(self, path: str) -> str:
        with self.opener.open(self.url + path if path.startswith("/") else path) as answer:
            self.page, self.at = flat(answer.read().decode()), answer.url
        return self.page

    def post(self, path: str = "", **fields: str) -> str:
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.page)
        assert token is not None
        data = urlencode({"csrfmiddlewaretoken": token[1], **fields}).encode()
        with self.opener.open(self.url + path if path else self.at, data) as answer:
            self.page, self.at = flat(answer.read().decode()), answer.url
        return self.page
