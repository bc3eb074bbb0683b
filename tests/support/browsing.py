"""A browser's part of HTTP against a real server: cookies, forms with their token, nothing more."""

from __future__ import annotations

import re
import urllib.error
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar

from tests.support.server import ACCOUNT, PASSWORD, Server


class Browsing:
    """One browser session at `server`."""

    def __init__(self, server: Server) -> None:
        self._url, self.cookies, self.address = server.url, CookieJar(), ""
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))

    def get(self, path: str) -> str:
        with self._opener.open(self._url + path) as answer:
            return str(answer.read().decode())

    def post(self, path: str, form: dict[str, str] | list[tuple[str, str]]) -> str:
        """Send a form as the page at `path` has it."""
        found = re.search('name="csrfmiddlewaretoken" value="([^"]+)"', self.get(path))
        assert found is not None, f"{path} has no form"
        content = urllib.parse.urlencode(
            [*(form.items() if isinstance(form, dict) else form), ("csrfmiddlewaretoken", found.group(1))]
        ).encode()
        with self._opener.open(self._url + path, content) as answer:
            self.address = answer.geturl().removeprefix(self._url)
            return str(answer.read().decode())

    def sign_in(self, user_name: str, password: str = PASSWORD) -> None:
        """The page that the sign-in leads to is at `address`; it may be one that the user may not see."""
        form = {"account": ACCOUNT, "user_name": user_name, "password": password}
        try:
            page = self.post("/principals/sign-in/", form)
        except urllib.error.HTTPError as refused:
            if refused.code != 403:
                raise
            self.address, page = refused.geturl().removeprefix(self._url), refused.read().decode()
        assert "Sign out" in page
