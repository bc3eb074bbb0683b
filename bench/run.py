"""`make bench`: our server and moto's, on this machine in one run, under the same load generator with the same kind of requests.

Ours checks signatures, evaluates a key policy and a group policy, and makes each call's audit record durable before it answers;
moto's does none of that. Prints the tables and writes their sections of bench/results.md; those of other benches stay. `--short` takes a tenth of the time.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import boto3
from botocore.credentials import Credentials

from bench import decide, latency, results
from bench.pauses import watched
from bench.presign import write_script
from engine.kms.default_key_policy import account_statement
from tests.support.server import ACCESS_KEY_ID, ACCOUNT, ROOT, SECRET, Server, free_port

POOL = 500
CONNECTIONS = (1, 16)
SECONDS, ROUNDS = 2, 5
SHORT = ("Encrypt", "DescribeKey")
OPERATIONS = ("Encrypt", "Decrypt", "GenerateDataKey", "DescribeKey", "ListKeys")


@dataclass(frozen=True)
class Figure:
    rate: float  # requests per second
    p50: float  # milliseconds
    p99: float
    steady: float  # p99 of a client that asks steadily
    failures: int


Figures = dict[tuple[str, int], Figure]


def measure(script: Path, url: str, connections: int, seconds: int) -> Figure:
    done = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(script), url],
        capture_output=True,
        text=True,
        check=True,
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    result = json.loads(line.removeprefix("RESULT "))
    requests, microseconds, reported = result["requests"], result["microseconds"], dict(result["times"])
    made = latency.as_made(reported, microseconds // (requests // connections))
    return Figure(
        rate=requests / microseconds * 1e6,
        p50=latency.percentile(made, 0.5) / 1000,
        p99=latency.percentile(made, 0.99) / 1000,
        steady=latency.percentile(reported, 0.99) / 1000,
        failures=result["not200"] + result["socket"],
    )


def key_policy(user_arn: str, account: str) -> str:
    statements = [
        account_statement(account),
        {
            "Sid": "administrators",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{account}:user/admin"},
            "Action": [
                "kms:Create*",
                "kms:Describe*",
                "kms:Enable*",
                "kms:List*",
                "kms:Put*",
                "kms:Disable*",
                "kms:Get*",
            ],
            "Resource": "*",
        },
        {
            "Sid": "users",
            "Effect": "Allow",
            "Principal": {"AWS": user_arn},
            "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
            "Resource": "*",
        },
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


GROUP_POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["kms:List*", "kms:Describe*"], "Resource": "*"},
            {
                "Effect": "Allow",
                "Action": ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey"],
                "Resource": f"arn:aws:kms:*:{ACCOUNT}:key/*",
            },
        ],
    }
)


def prepare(client: Any, user_arn: str | None) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """Ten keys, and for each operation a pool of calls with distinct bodies."""
    keys = []
    for _ in range(10):
        parameters = {"Policy": key_policy(user_arn, ACCOUNT)} if user_arn else {}
        keys.append(client.create_key(**parameters)["KeyMetadata"]["KeyId"])
    pools: dict[str, list[tuple[str, dict[str, Any]]]] = {name: [] for name in OPERATIONS}
    for number in range(POOL):
        key = keys[number % len(keys)]
        context = {"tenant": f"t{number}", "purpose": "bench"}
        plaintext = os.urandom(64)
        sealed = client.encrypt(KeyId=key, Plaintext=plaintext, EncryptionContext=context)["CiphertextBlob"]
        pools["Encrypt"].append(
            ("Encrypt", {"KeyId": key, "Plaintext": base64.b64encode(plaintext).decode(), "EncryptionContext": context})
        )
        pools["Decrypt"].append(
            ("Decrypt", {"CiphertextBlob": base64.b64encode(sealed).decode(), "EncryptionContext": context})
        )
        pools["GenerateDataKey"].append(
            ("GenerateDataKey", {"KeyId": key, "KeySpec": "AES_256", "EncryptionContext": context})
        )
        pools["DescribeKey"].append(("DescribeKey", {"KeyId": key}))
        pools["ListKeys"].append(("ListKeys", {"Limit": 100}))
    return pools


@dataclass(frozen=True)
class Contestant:
    name: str
    url: str
    credentials: Credentials
    pools: dict[str, list[tuple[str, dict[str, Any]]]]


def compare(
    contestants: list[Contestant],
    folder: Path,
    seconds: int,
    operations: tuple[str, ...],
    rounds: int,
) -> dict[str, Figures]:
    """Each operation of each contestant in turns, so that what slows the machine for a while slows all of them; of several rounds
    the medians."""
    figures: dict[str, Figures] = {each.name: {} for each in contestants}
    for operation in operations:
        for connections in CONNECTIONS:
            scripts = [
                (
                    each,
                    write_script(folder, f"{each.name}-{operation}", each.url, each.credentials, each.pools[operation]),
                )
                for each in contestants
            ]
            if seconds > 1:
                for each, script in scripts:
                    measure(script, each.url, connections, 1)
            found: dict[str, list[Figure]] = {each.name: [] for each in contestants}
            for _ in range(rounds):
                for each, script in scripts:
                    found[each.name].append(measure(script, each.url, connections, seconds))
            for name, several in found.items():
                figure = figures[name][operation, connections] = middle(several)
                print(
                    f"{name:<12} {operation:<16} {connections:>3} connections {figure.rate:>9.0f}/s  "
                    f"p50 {figure.p50:.2f} ms  p99 {figure.p99:.2f} ms",
                    flush=True,
                )
                if figure.failures:
                    raise SystemExit(f"{name}: {figure.failures} requests of {operation} were not answered with 200")
    return figures


def middle(several: list[Figure]) -> Figure:
    """The median of each figure, but every failure."""
    return Figure(
        rate=statistics.median(each.rate for each in several),
        p50=statistics.median(each.p50 for each in several),
        p99=statistics.median(each.p99 for each in several),
        steady=statistics.median(each.steady for each in several),
        failures=sum(each.failures for each in several),
    )


def with_bench_user(server: Server) -> tuple[Credentials, str]:
    """A user whose group's policy is evaluated beside the key's: credentials and ARN."""
    iam = server.client("iam")
    user_arn = iam.create_user(UserName="bench")["User"]["Arn"]
    iam.create_group(GroupName="bench")
    iam.put_group_policy(GroupName="bench", PolicyName="use", PolicyDocument=GROUP_POLICY)
    iam.add_user_to_group(GroupName="bench", UserName="bench")
    key = iam.create_access_key(UserName="bench")["AccessKey"]
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"]), user_arn


@contextmanager
def ours(folder: Path, name: str, program: tuple[str, ...] = ()) -> Iterator[Contestant]:
    place = folder / name
    place.mkdir()
    with Server(place / "data", program=program) as server:
        credentials, user_arn = with_bench_user(server)
        yield Contestant(name, server.url, credentials, prepare(server.client(), user_arn))


@contextmanager
def motos() -> Iterator[Contestant]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    moto = subprocess.Popen(
        [str(Path(sys.executable).parent / "moto_server"), "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{url}/moto-api/", timeout=2).close()
                break
            except OSError:
                time.sleep(0.1)
        client = boto3.client(
            "kms", region_name="us-east-1", endpoint_url=url, aws_access_key_id="moto", aws_secret_access_key="moto"
        )
        yield Contestant("moto", url, Credentials("moto", "moto"), prepare(client, None))
    finally:
        moto.terminate()
        moto.wait(timeout=10)


def sync_alone(folder: Path, rounds: int = 1000) -> float:
    """Microseconds (median) that this disk takes to make 700 bytes durable in a file that is as long already: nobody answers sooner."""
    file = os.open(folder / "sync", os.O_RDWR | os.O_CREAT, 0o600)
    os.pwrite(file, bytes(700 * rounds), 0)
    os.fsync(file)
    times = []
    for number in range(rounds):
        began = time.perf_counter()
        os.pwrite(file, b"x" * 700, 700 * number)
        os.fdatasync(file)
        times.append(time.perf_counter() - began)
    os.close(file)
    return statistics.median(times) * 1e6


def report(
    we: Figures, they: Figures, untracked: Figures, sync: float, slow: list[float], seconds: int, rounds: int
) -> list[str]:
    lines = [
        f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}; "
        + ", ".join(f"{name} {version(name)}" for name in ("uvicorn", "uvloop", "django", "cryptography", "moto"))
        + ".",
        "",
        "Ours: SigV4 checked, key policy of three statements and group policy of two evaluated, audit record durable before the answer.",
        "moto: none of these. One load generator (wrk, one thread, signed requests over a pool of distinct bodies) on the same machine,",
        f"each operation in turns, {rounds} × {seconds} s each, medians of the rounds: a figure of ours stands beside moto's of the same minute. Last",
        "columns: our rate as a share of our rate with the trail switched off (bench/untracked.py). p50 and p99: of the requests that were made;",
        "steady: of the requests that a client asking steadily would have made, as wrk counts them (bench/latency.py).",
        "",
        f"To write one record's bytes and sync them takes this disk {sync:.0f} µs, with nothing else going on: each answer of ours at one",
        f"connection waits at least that long, so more than {1e6 / sync:,.0f} req/s there are not to be had from it.",
        "",
        *(
            [
                "While this was measured, the cores themselves ran at less than a quarter of their speed for "
                + " and ".join(f"{share * 100:.1f} %" for share in slow)
                + " of the time (bench/pauses.py): the steady",
                "p99 cannot be shorter than such a pause where that is more than 1 %.",
                "",
            ]
            if slow
            else []
        ),
        "| operation | connections | ours req/s | p50 ms | p99 ms | p99/p50 | steady p99 ms | moto req/s | p50 ms | p99 ms | ours/moto | of untracked | its steady p99 ms |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for (operation, connections), a in we.items():
        b, c = they[operation, connections], untracked[operation, connections]
        lines.append(
            f"| {operation} | {connections} | {a.rate:,.0f} | {a.p50:.2f} | {a.p99:.2f} | {a.p99 / a.p50:.1f} | {a.steady:.2f} "
            f"| {b.rate:,.0f} | {b.p50:.2f} | {b.p99:.2f} | **{a.rate / b.rate:.1f}×** | {a.rate / c.rate * 100:.0f} % | {c.steady:.2f} |"
        )
    return lines


def sections(folder: Path, seconds: int, *, short: bool) -> list[tuple[str, list[str]]]:
    from bench import attack, scale, signing, stages

    sync = sync_alone(folder)
    with (
        ours(folder, "kmsconsole") as we,
        motos() as they,
        ours(folder, "untracked", (sys.executable, "-m", "bench.untracked")) as untracked,
    ):
        rounds = 1 if short else ROUNDS
        with watched() as slow:
            figures = compare([we, they, untracked], folder, seconds, SHORT if short else OPERATIONS, rounds)
    found = [
        (
            "Throughput and latency",
            report(figures["kmsconsole"], figures["moto"], figures["untracked"], sync, slow, seconds, rounds),
        ),
        ("Where the time of one call goes", stages.report()),
    ]
    if short:
        return found
    found.append(("Decisions", decide.table().splitlines()[2:]))
    place = folder / "signing"
    place.mkdir()
    with Server(place / "data") as server:
        credentials = Credentials(ACCESS_KEY_ID, SECRET)
        found.append(("Signing", signing.run(server.client(), folder, server.url, credentials, 4, measure)))
    found.append(("Memory and connections under attack", attack.run(folder)))
    found.append(("Custom key stores", _table("bench.key_stores")))
    found.append(("Size", scale.run(folder, 3, measure)))
    found.append(("Who may do what: 1,000 principals, 10,000 keys", _table("bench.access")))
    return found


def _table(module: str) -> list[str]:
    """The tables that a bench with a data folder and a process of its own prints."""
    done = subprocess.run([sys.executable, "-m", module], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    text = "\n".join(line for line in done.stdout.splitlines() if line.startswith("|") or not line).strip()
    print(text, flush=True)
    return text.splitlines()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--short", action="store_true", help="two operations for a second each, and stages; nothing written"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kmsconsole-bench-", dir=ROOT) as name:
        found = sections(Path(name), 1 if options.short else SECONDS, short=options.short)
    for title, lines in found:
        print("\n".join(["", f"## {title}", *lines]))
    if not options.short:
        results.keep(found)
        for command in (["bench.log_cost", "--write"], ["bench.lists"]):  # which write their own
            subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
