"""What the HTTP protocol uses of uvicorn beyond its documentation: all of it, so that a new version is checked against one list.

uvicorn promises its Config and Server only. pyproject.toml therefore bounds it to the minor versions that were tested, and httptools with
it; tests/kmsconsole/server/test_uvicorn_internals.py holds these tables to the code and to the version that is installed. For a newer
one: run that test, read what changed in the members named here, raise the bound, `make requirements`, run tests/kmsconsole/server.
"""

from __future__ import annotations

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

__all__ = [
    "CALLED_BY_HTTPTOOLS",
    "HIGH_WATER_LIMIT",
    "MEMBERS",
    "STATUS_LINE",
    "HttpToolsProtocol",
    "RequestResponseCycle",
]

# Attributes that are read or set, methods that are called, and methods that are replaced.
MEMBERS: dict[type, tuple[str, ...]] = {
    HttpToolsProtocol: (
        *("app", "asgi_version", "root_path", "scheme", "server", "client"),  # what an ASGI scope says
        *("loop", "transport", "flow", "parser", "server_state", "logger", "access_logger", "access_log"),
        *("url", "headers", "expect_100_continue"),  # of the request that is read
        *(
            "cycle",
            "pipeline",
            "_start_asgi_task",
        ),  # the request that is answered, and those after it, the next one last
        *(
            "on_message_begin",
            "on_headers_complete",
            "on_body",
            "on_message_complete",
        ),  # replaced; httptools calls them
        "shutdown",  # replaced; uvicorn's server calls it
    ),
    RequestResponseCycle: (
        *("scope", "transport", "flow", "default_headers", "message_event", "keep_alive", "waiting_for_100_continue"),
        *("body", "more_body", "disconnected", "response_started", "response_complete"),
        *("send", "send_500_response"),  # replaced
    ),
    FlowControl: ("read_paused", "write_paused", "pause_reading", "resume_reading", "drain"),
    ServerState: ("default_headers", "total_requests"),
}
CALLED_BY_HTTPTOOLS = (
    "on_url",
    "on_header",
)  # left as uvicorn has them: they fill `url`, `headers` and `expect_100_continue`
