"""One node and two on this machine (`python -m bench.nodes`): what PostgreSQL and a second node cost and bring. Loopback only.

Each node is a server with one worker. Two nodes share a PostgreSQL whose disk writes are real (fsync on); each gets half of the
connections. On one machine two nodes share its cores with the database and the load generator: the figures tell what the sharing costs,
not what a second machine would bring.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import repeat
from pathlib import Path
from typing import Any

from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from bench.presign import write_script
from bench.run import GROUP_POLICY, Figure, measure, prepare
from tests.support.postgres import Postgres
from tests.support.server import ROOT, Server

CONNECTIONS = (1, 16)
OPERATIONS = ("Encrypt", "DescribeKey", "UpdateKeyDescription")


def user(server: Server) -> tuple[str, Credentials]:
    """An IAM user with a group policy, as bench.run's."""
    iam = server.client("iam")
    arn = iam.create_user(UserName="bench")["User"]["Arn"]
    iam.create_group(GroupName="bench")
    iam.put_group_policy(GroupName="bench", PolicyName="use", PolicyDocument=GROUP_POLICY)
    iam.add_user_to_group(GroupName="bench", UserName="bench")
    key = iam.create_access_key(UserName="bench")["AccessKey"]
    return arn, Credentials(key["AccessKeyId"], key["SecretAccessKey"])


def load(folder: Path, nodes: list[Server], seconds: int) -> dict[tuple[str, int], Figure]:
    arn, credentials = user(nodes[0])
    pools = prepare(nodes[0].client(), arn)
    administrator = Credentials(
        nodes[0].environment["KMSCONSOLE_BOOTSTRAP_ACCESS_KEY_ID"],
        nodes[0].environment["KMSCONSOLE_BOOTSTRAP_SECRET_ACCESS_KEY"],
    )
    pools["UpdateKeyDescription"] = [
        ("UpdateKeyDescription", {"KeyId": parameters["KeyId"], "Description": f"turn {number}"})
        for number, (_, parameters) in enumerate(pools["DescribeKey"])
    ]
    figures = {}
    for operation in OPERATIONS:
        signer = administrator if operation == "UpdateKeyDescription" else credentials
        scripts = [
            write_script(folder, f"{operation}-{node.port}", node.url, signer, pools[operation]) for node in nodes
        ]
        for connections in CONNECTIONS:
            each = max(1, connections // len(nodes))
            with ThreadPoolExecutor(len(nodes)) as pool:
                urls = [node.url for node in nodes]
                for each_seconds in (1, seconds):  # the first warms up
                    parts = list(pool.map(measure, scripts, urls, repeat(each), repeat(each_seconds)))
            figures[operation, connections] = Figure(
                rate=sum(part.rate for part in parts),
                p50=statistics.mean(part.p50 for part in parts),
                p99=max(part.p99 for part in parts),
                steady=max(part.steady for part in parts),
                failures=sum(part.failures for part in parts),
            )
    return figures


def let_through(first: Server, second: Server, rounds: int) -> tuple[int, int, float]:
    """A right is taken away on one node while four callers use it on the other: (uses begun afterwards that were let through, uses
    begun afterwards, seconds from the revocation's answer to the first refusal at most)."""
    kms = first.client()
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    through = after = 0
    slowest = 0.0
    for _ in range(rounds):
        kms.enable_key(KeyId=key_id)
        client, stop = second.client(), threading.Event()
        log: list[tuple[float, bool]] = []

        def call(client: Any = client, log: Any = log, stop: threading.Event = stop) -> None:
            while not stop.is_set():
                began = time.monotonic()
                try:
                    client.encrypt(KeyId=key_id, Plaintext=b"x")
                    log.append((began, True))
                except ClientError:
                    log.append((began, False))

        threads = [threading.Thread(target=call) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        kms.disable_key(KeyId=key_id)
        revoked = time.monotonic()
        time.sleep(0.3)
        stop.set()
        for thread in threads:
            thread.join()
        later = [(began, ok) for began, ok in log if began > revoked]
        after, through = after + len(later), through + sum(ok for _, ok in later)
        slowest = max(slowest, min(began for began, ok in later if not ok) - revoked)
    return through, after, slowest


def table(results: dict[str, dict[tuple[str, int], Figure]]) -> str:
    lines = ["| | connections | " + " | ".join(f"{name} req/s | p50 ms | p99 ms" for name in results) + " |"]
    lines.append("|---|---:|" + "---:|---:|---:|" * len(results))
    for operation in OPERATIONS:
        for connections in CONNECTIONS:
            row = [figures[operation, connections] for figures in results.values()]
            if any(figure.failures for figure in row):
                raise SystemExit(f"{operation}: requests were not answered with 200")
            cells = " | ".join(f"{each.rate:,.0f} | {each.p50:.2f} | {each.p99:.2f}" for each in row)
            lines.append(f"| {operation} | {connections} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5)
    options = parser.parse_args()
    results: dict[str, dict[tuple[str, int], Figure]] = {}
    with tempfile.TemporaryDirectory(prefix="kmsconsole-bench-", dir=ROOT) as name, ExitStack() as stack:
        folder = Path(name)
        # The database's folder is beside ours: the same disk, not a temporary one in memory.
        postgres = stack.enter_context(Postgres("fsync=on", "full_page_writes=on"))
        with Server(folder / "sqlite", KMSCONSOLE_WORKERS="1") as alone:
            results["one node, SQLite"] = load(folder, [alone], options.seconds)
        with Server(folder / "one", KMSCONSOLE_DATABASE_URL=postgres.database(), KMSCONSOLE_WORKERS="1") as alone:
            results["one node, PostgreSQL"] = load(folder, [alone], options.seconds)
        shared = postgres.database()
        first = stack.enter_context(Server(folder / "first", KMSCONSOLE_DATABASE_URL=shared, KMSCONSOLE_WORKERS="1"))
        (folder / "second").mkdir()
        shutil.copy(folder / "first" / "root.key", folder / "second" / "root.key")
        second = stack.enter_context(Server(folder / "second", KMSCONSOLE_DATABASE_URL=shared, KMSCONSOLE_WORKERS="1"))
        results["two nodes, PostgreSQL"] = load(folder, [first, second], options.seconds)
        through, after, slowest = let_through(first, second, 20)
    print(f"{os.cpu_count()} cores\n\n{table(results)}\n")
    print(f"20 revocations on one node: {through} of {after} uses begun afterwards on the other were let through;")
    print(f"the first refusal began at most {slowest * 1000:.1f} ms after the revocation was answered")


if __name__ == "__main__":
    main()
