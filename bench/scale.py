"""What size costs: time from start to first answer, resident memory, and list pages with 100 and with 100,000 keys."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from botocore.credentials import Credentials

from bench.presign import write_script
from tests.support.server import ACCESS_KEY_ID, ACCOUNT, ROOT, SECRET, Server

FEW, MANY = 100, 100_000


def resident(server: Server) -> float:
    """Megabytes of the server and its workers, memory that they share counted once (proportional set size)."""
    assert server.process is not None
    pids = [server.process.pid]
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                parent = int(Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            if parent == server.process.pid:
                pids.append(int(entry))
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def fill(folder: Path, number: int) -> None:
    """Keys as the engine stores them, made in another process while no server runs."""
    source = (
        "import django; django.setup(); from kmsconsole.installation import bootstrap; bootstrap.prepare()\n"
        "from bench import lists\n"
        "class Account:\n"
        f"    account_id = {ACCOUNT!r}\n"
        'lists.policy_of = lambda account: \'{"Version":"2012-10-17","Statement":[{"Effect":"Allow",'
        f'\\"Principal\\":{{\\"AWS\\":\\"arn:aws:iam::{ACCOUNT}:root\\"}},\\"Action\\":\\"kms:*\\",\\"Resource\\":\\"*\\"}}]}}\'\n'
        f"lists.fill(Account(), {number})\n"
    )
    environment = {**os.environ, "KMSCONSOLE_DATA": str(folder), "DJANGO_SETTINGS_MODULE": "kmsconsole.settings"}
    subprocess.run([sys.executable, "-c", source], cwd=ROOT, env=environment, check=True)


def first_answer(server: Server) -> float:
    """Seconds from the start of the process to the first AWS answer."""
    began = time.perf_counter()
    server.start()
    server.client().list_keys(Limit=1)
    return time.perf_counter() - began


def run(folder: Path, seconds: int, measure: Any, many: int = MANY) -> list[str]:
    figures: dict[int, dict[str, float]] = {}
    for number in (FEW, many):
        place = folder / f"scale-{number}"
        place.mkdir()
        server = Server(place / "data")
        server.start()  # a first start makes the account
        server.stop()
        fill(place / "data", number)
        taken = first_answer(server)
        try:
            found = figures[number] = {"start to first answer, s": taken, "resident memory idle, MB": resident(server)}
            for name, operation, parameters in _pages(server):
                script = write_script(
                    folder,
                    f"{name}-{number}",
                    server.url,
                    Credentials(ACCESS_KEY_ID, SECRET),
                    [(operation, parameters)],
                )
                measure(script, server.url, 1, 1)
                found[f"{name}, ms"] = measure(script, server.url, 1, seconds).p50
            client = server.client()
            for page in client.get_paginator("list_keys").paginate(
                PaginationConfig={"MaxItems": 2000, "PageSize": 500}
            ):
                for key in page["Keys"]:
                    client.describe_key(KeyId=key["KeyId"])
            found["resident memory after describing 2,000 keys, MB"] = resident(server)
            urllib.request.urlopen(f"{server.url}/healthz", timeout=10).close()
        finally:
            server.stop()
    lines = [f"| | {FEW} keys | {many:,} keys | ratio |", "|---|---:|---:|---:|"]
    for name, few in figures[FEW].items():
        lines.append(f"| {name} | {few:.2f} | {figures[many][name]:.2f} | {figures[many][name] / few:.2f} |")
    print("\n".join(lines), flush=True)
    return lines


def _pages(server: Server) -> list[tuple[str, str, dict[str, Any]]]:
    """List calls: the first page and one from the middle."""
    client = server.client()
    marker = ""
    for number, page in enumerate(client.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 1000})):
        marker = page.get("NextMarker", "")
        if number == 49:
            break
    pages: list[tuple[str, str, dict[str, Any]]] = [
        ("ListKeys of 100, first page", "ListKeys", {"Limit": 100}),
        ("ListAliases of 100, first page", "ListAliases", {"Limit": 100}),
    ]
    if marker:
        pages.append(("ListKeys of 100, page in the middle", "ListKeys", {"Limit": 100, "Marker": marker}))
    else:
        pages.append(("ListKeys of 100, page in the middle", "ListKeys", {"Limit": 100}))
    return pages
