"""How a class of 60 goes: its students sign in, look at pages and call KMS, and how long pages take and the board to be up to date.

python -m bench.class_board [STUDENTS] [SECONDS BETWEEN TWO PAGES OF A STUDENT]

The load is a class's: students arrive within a minute, and each opens a page, makes a call and reads, on average for so many seconds (from
half to one and a half of it, by chance), before the next page. Without such pauses 60 students are 60 programs, and what is measured is how
much two cores can do. The server is the program as people run it, with its real password hash; it shares the machine with the students.
What the machine did besides is told: pages are slower by it. The processor's time of the server is not.
"""

from __future__ import annotations

import os
import random
import re
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from html import unescape
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.support import clients
from tests.support.server import ACCOUNT, PASSWORD, Server

ROUNDS = 4
PAGES = ("/learn/", "/learn/first-key/", "/keys/", "/play/encrypt/")
ARRIVE = 60.0  # seconds in which all sign in
LOOK = 2.0  # seconds between two looks at the board, as its page does
THINK = 7.5


def main(students: int = 60, think: float = THINK) -> None:
    with (
        tempfile.TemporaryDirectory() as name,
        Server(Path(name) / "data", program=(sys.executable, "manage.py")) as server,
    ):
        teacher = Browser(server.url)
        teacher.sign_in(ACCOUNT, "admin", PASSWORD)
        began = time.monotonic()
        names = "\n".join(f"Student {number}" for number in range(students))
        made = teacher.make_class(names)
        print(f"{len(made)} accounts made in {time.monotonic() - began:.1f} s")
        print(
            f"each signs in within {ARRIVE:.0f} s, then {ROUNDS * len(PAGES)} pages and calls, {think:g} s apart on average"
        )
        signing: list[float] = []
        took: list[float] = []
        board: list[float] = []
        failed: list[str] = []
        over = threading.Event()
        looking = threading.Thread(target=look, args=(teacher, board, over, failed))
        looking.start()
        used, idle, began = seconds_of(server), idle_seconds(), time.monotonic()
        working = [
            threading.Thread(target=work, args=(server.url, each, think, signing, took, failed)) for each in made
        ]
        for thread in working:
            thread.start()
        while len(signing) + failed_sign_ins(failed) < len(made):
            time.sleep(0.1)
        used_then, pages_then, board_then = seconds_of(server), len(took), len(board)
        for thread in working:
            thread.join()
        finished = time.monotonic()
        used_now, idle, lasted = seconds_of(server), idle_seconds() - idle, finished - began
        pages, looks = len(took) - pages_then, len(board) - board_then
        while teacher.done_steps() < 2 * len(made) and time.monotonic() - finished < 10:
            time.sleep(0.05)
        print(f"the board was up to date {time.monotonic() - finished:.2f} s after the last call")
        over.set()
        looking.join()
        tell("sign-ins", signing)
        tell("pages of students", took)
        tell("looks at the board", board)
        each = (used_now - used_then) / pages * 1000
        print(
            f"processor time of the server: {used_now - used:.0f} s in {lasted:.0f} s, sign-ins among it; after the last of them"
        )
        print(
            f"  {each:.0f} ms for each of {pages} pages, with a call of KMS each and {looks} looks at the board in all"
        )
        print(f"  (a million turns of an empty loop took {loop() * 1000:.0f} ms of it: how fast the cores were)")
        cores = os.cpu_count() or 1
        print(
            f"the machine's {cores} cores were idle for {idle / (cores * lasted):.0%} of the time; load {os.getloadavg()[0]:.1f}"
        )
        print(f"{len(failed)} requests failed")
        for what, times in Counter(failed).most_common():
            print(f"  {times} × {what}")
        told = [line for line in server.output().splitlines() if '"ERROR"' in line or "Traceback" in line]
        print("\n".join(told[:20]))


def seconds_of(server: Server) -> float:
    """Of the processor, by the server and its workers."""
    assert server.process is not None
    parent = server.process.pid
    pids = [parent, *map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())]
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")


def loop() -> float:
    began = time.process_time()
    for _ in range(1_000_000):
        pass
    return time.process_time() - began


def failed_sign_ins(failed: list[str]) -> int:
    return sum(each.startswith("sign-in") for each in failed)


def idle_seconds() -> float:
    """Of all cores."""
    return int(Path("/proc/stat").read_text().split()[4]) / os.sysconf("SC_CLK_TCK")


def tell(what: str, took: list[float]) -> None:
    parts = statistics.quantiles(took, n=20)
    print(f"{what}: {len(took)}, median {statistics.median(took) * 1000:.0f} ms, p95 {parts[18] * 1000:.0f} ms")


class Browser:
    """Requests of one browser, with its cookies."""

    def __init__(self, url: str) -> None:
        self.url, self.opener = url, build_opener(HTTPCookieProcessor(CookieJar()))

    def get(self, path: str) -> str:
        with self.opener.open(f"{self.url}{path}") as answer:
            return str(answer.read().decode())

    def post(self, path: str, **given: str) -> str:
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.get(path))
        assert found is not None, path
        sent = urlencode({**given, "csrfmiddlewaretoken": found.group(1)}).encode()
        with self.opener.open(Request(f"{self.url}{path}", sent, {"Referer": f"{self.url}{path}"})) as answer:
            return str(answer.read().decode())

    def sign_in(self, account: str, user: str, password: str) -> str:
        """The page after it."""
        page = self.post("/principals/sign-in/", account=account, user_name=user, password=password)
        assert f"@ {account}" in page, words_of(page)
        return page

    def make_class(self, names: str) -> list[dict[str, str]]:
        given = {"days": "1", "key_quota": "100", "call_quota": "200", "minutes": "1", "places": "1"}
        answer = self.post("/classes/accounts/new/", name="Sixty", students=names, **given)
        made = self._cards(answer)
        while (left := re.search(r'name="students" hidden>([^<]+)<', answer)) is not None:
            answer = self.post("/classes/accounts/sixty/add/", students=unescape(left.group(1)))
            made += self._cards(answer)
        return made

    def _cards(self, page: str) -> list[dict[str, str]]:
        (text,) = re.findall(r'<textarea name="text" hidden>(.*?)</textarea>', page, re.DOTALL)
        fields = {
            "account": r"^Account +(\d+)",
            "user": r"^User +(\S+)",
            "password": r"^Password +(\S+)",
            "key": r"AWS_ACCESS_KEY_ID=(\S+)",
            "secret": r"AWS_SECRET_ACCESS_KEY=(\S+)",
        }
        columns = [re.findall(pattern, unescape(text), re.MULTILINE) for pattern in fields.values()]
        return [dict(zip(fields, row, strict=True)) for row in zip(*columns, strict=True)]

    def done_steps(self) -> int:
        return self.get("/classes/accounts/sixty/?part=1&lesson=first-key").count("board-done")


def attempt(failed: list[str], what: str, do: Callable[[], Any]) -> Any:
    """What it answers; a failure is counted by what it was at, and the next thing is done."""
    try:
        return do()
    except HTTPError as error:
        failed.append(f"{what}: {error.code} {words_of(error.read().decode())}")
    except (OSError, ClientError, BotoCoreError) as error:
        failed.append(f"{what}: {error}")


def words_of(page: str) -> str:
    """What an error page says."""
    main = page.partition("<main")[2].partition("</main>")[0] or page
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", main)).strip()[:200]


def look(teacher: Browser, took: list[float], over: threading.Event, failed: list[str]) -> None:
    while not over.wait(LOOK):
        began = time.monotonic()
        attempt(failed, "board", teacher.done_steps)
        took.append(time.monotonic() - began)


def work(
    url: str, who: dict[str, str], think: float, signing: list[float], took: list[float], failed: list[str]
) -> None:
    """A student signs in, does the first steps of a lesson by the CLI's way and looks at pages in between."""
    browser, chance = Browser(url), random.Random(who["account"])
    time.sleep(chance.uniform(0, ARRIVE))
    began = time.monotonic()
    if attempt(failed, "sign-in", lambda: browser.sign_in(who["account"], who["user"], who["password"])) is None:
        return
    signing.append(time.monotonic() - began)
    kms: Any = clients.make(
        "kms",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id=who["key"],
        aws_secret_access_key=who["secret"],
        config=Config(retries={"total_max_attempts": 1}),
    )
    key = attempt(failed, "CreateKey", lambda: kms.create_key()["KeyMetadata"]["KeyId"])
    for number in range(ROUNDS):
        for path in PAGES:
            time.sleep(chance.uniform(0.5, 1.5) * think)
            began = time.monotonic()
            attempt(failed, path, partial(browser.get, path))
            took.append(time.monotonic() - began)
            attempt(failed, "Encrypt", lambda: kms.encrypt(KeyId=key, Plaintext=b"secret"))
        if number == ROUNDS - 1:
            attempt(failed, "CreateAlias", lambda: kms.create_alias(AliasName="alias/mine", TargetKeyId=key))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *map(float, sys.argv[2:3]))
