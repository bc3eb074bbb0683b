"""A server that answers every POST alike, for what another endpoint may be."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Answers(ThreadingHTTPServer):
    """A server that answers as `answer` says: (status, headers, body), and notes what it was asked."""

    def __init__(self, answer: tuple[int, dict[str, str], bytes]) -> None:
        requests = self.requests = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                requests.append((self.path, self.headers.get("Host")))
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, headers, body = answer
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        super().__init__(("127.0.0.1", 0), Handler)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    requests: list[Any]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that does not trust us hangs up."""
