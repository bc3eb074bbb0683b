"""Where the time of one call goes: each stage of engine.service.handle timed by itself, in this process, the audit record durable.

Stages are run in their order for each of a pool of distinct requests, so that each finds the caches of the processor as the stage
before left them; what a stage costs alone, over and over, is less than half.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bench import inprocess

STAGES = (
    "front door",
    "parse",
    "signature",
    "context",
    "authorize and encrypt",
    "answer",
    "audit: record",
    "audit: durable",
)


def measure(rounds: int = 2000) -> dict[str, float]:
    """Stage → mean microseconds of one Encrypt."""
    inprocess.prepare()
    from engine import clock, service
    from engine.context import CallContext, new_id
    from engine.iam import credentials
    from engine.store import cache
    from engine.trail import record, recorder
    from engine.wire import protocol, recognise, sigv4
    from tests.conftest import new_account

    account = new_account()
    requests = _requests(account, 200)
    door = _Door()
    sums = dict.fromkeys(STAGES, 0.0)
    for number in range(rounds + 200):
        raw = requests[number % len(requests)]
        times = [time.perf_counter()]

        def mark(times: list[float] = times) -> None:
            times.append(time.perf_counter())

        request = door.read(raw)
        mark()
        call = recognise.recognise(request)
        parameters = protocol.parse(call, request)
        mark()
        claim = sigv4.parse_authorization(request)
        cache.synchronise()
        found = credentials.find(claim.access_key_id, claim.session_token)
        sigv4.verify(claim, request, found.secret, call.service)
        mark()
        context = CallContext(
            account_id=account.account_id,
            region=claim.region,
            service=call.service,
            operation=call.operation.name,
            principal=found.principal,
            now=clock.now(account.account_id),
            request_id=new_id(),
            event_id=new_id(),
            source_ip=request.source_ip,
            user_agent="",
        )
        operation = service._operation(call)
        mark()
        result = operation.run(context, parameters)
        mark()
        protocol.answer(call, result, context.request_id)
        mark()
        records = record.build(context, call.operation, parameters, result=result)
        mark()
        recorder.record(records)
        mark()
        if number >= 200:  # the first round fills the caches
            for stage, start, end in zip(STAGES, times, times[1:], strict=False):
                sums[stage] += end - start
    return {stage: total / rounds * 1e6 for stage, total in sums.items()}


class _Door:
    """The front door without a socket or a loop: from bytes to the request that it would begin."""

    def __init__(self) -> None:
        import uvicorn
        from uvicorn.server import ServerState

        from engine import service
        from kmsconsole.server import asgi, http_protocol

        config = uvicorn.Config(
            asgi.Application(Mock(), 1), interface="asgi3", loop="asyncio", ws="none", lifespan="off", log_config=None
        )
        loop: Any = Mock(time=time.monotonic)
        self._connection = http_protocol.HttpProtocol(
            config=config, server_state=ServerState(), app_state={}, _loop=loop
        )
        self._connection.connection_made(Mock(get_extra_info=lambda name, default=None: default))
        self._pending = http_protocol._pending
        self._service, self._held = service, service.PendingResponse

    def read(self, raw: bytes) -> Any:
        begin, self._service.begin = self._service.begin, self._held
        try:
            self._connection.data_received(raw)
        finally:
            self._service.begin = begin
        self._connection._owing = 0  # it is never answered
        return self._pending.pop()[1].request


def _requests(account: Any, number: int) -> list[bytes]:
    """Signed Encrypt calls as they are sent, by a user of a group, on ten keys."""
    import base64
    import json

    from bench.run import GROUP_POLICY, key_policy

    iam = account.client("iam")
    user = account.create_user("bench")
    iam.create_group(GroupName="bench")
    group_policy = GROUP_POLICY.replace("111122223333", account.account_id)
    iam.put_group_policy(GroupName="bench", PolicyName="use", PolicyDocument=group_policy)
    iam.add_user_to_group(GroupName="bench", UserName="bench")
    keys = [account.create_key(Policy=key_policy(user.arn, account.account_id)) for _ in range(10)]
    signer = SigV4Auth(Credentials(user.access_key_id, user.secret_access_key), "kms", "us-east-1")
    made = []
    for at in range(number):
        body = {
            "KeyId": keys[at % 10],
            "Plaintext": base64.b64encode(os.urandom(64)).decode(),
            "EncryptionContext": {"tenant": f"t{at}", "purpose": "bench"},
        }
        request = AWSRequest(
            "POST",
            "http://127.0.0.1/",
            data=json.dumps(body),
            headers={"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "TrentService.Encrypt"},
        )
        signer.add_auth(request)
        lines = [f"{name}: {value}" for name, value in request.headers.items()]
        head = ["POST / HTTP/1.1", "Host: 127.0.0.1", *lines, f"Content-Length: {len(request.data)}", "", ""]
        made.append("\r\n".join(head).encode() + request.data.encode())
    return made


def table(figures: dict[str, float]) -> list[str]:
    total = sum(figures.values())
    rows = [f"| {stage} | {micros:.0f} | {micros / total * 100:.0f} % |" for stage, micros in figures.items()]
    return ["| stage of one Encrypt | µs | share |", "|---|---:|---:|", *rows, f"| all | {total:.0f} | 100 % |"]


Report = Callable[[], list[str]]


def report() -> list[str]:
    return table(measure())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as _folder:
        print("\n".join(report()), Path(_folder).name and "")
