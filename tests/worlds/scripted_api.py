"""A server on loopback that gives the answers that a test sets, and remembers exactly what arrived.

For cases that the simulator does not cover: answers of other servers, broken answers, and the raw request.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BATCH = {
    "id": "msgbatch_1",
    "type": "message_batch",
    "processing_status": "in_progress",
    "request_counts": {"processing": 2, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0},
    "created_at": "2026-11-21T05:00:00.123456Z",
    "expires_at": "2026-11-22T05:00:00.123456Z",
    "ended_at": None,
    "cancel_initiated_at": None,
    "archived_at": None,
    "results_url": None,
}
ENDED = {
    **BATCH,
    "processing_status": "ended",
    "request_counts": {"processing": 0, "succeeded": 2, "errored": 0, "canceled": 0, "expired": 0},
    "ended_at": "2026-11-21T06:00:00Z",
}


@dataclass(kw_only=True)
class Answer:
    """One answer: ``body`` is JSON, raw bytes, or chunks of bytes."""

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None  # the connection is reset after so many bytes of the body
    drop: bool = False  # the connection is closed instead of an answer
    delay: float = 0.0

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """One request as it arrived; header names are lower-case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    body_bytes: int
    body_sha256: str


class ScriptedApi:
    """Gives the answers in order, and repeats the last one."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.answers: list[Answer] = [Answer(body=BATCH)]
        self.arrived: list[Arrived] = []
        self.route: Callable[[Arrived], Answer] | None = None

    def answer(self, *answers: Answer) -> None:
        self.answers = list(answers)

    def next_answer(self, arrived: Arrived) -> Answer:
        if self.route is not None:
            return self.route(arrived)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def _handler(api: ScriptedApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            arrived = self._arrived()
            api.arrived.append(arrived)
            answer = api.next_answer(arrived)
            time.sleep(answer.delay)
            if answer.drop:
                self._hang_up()
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            chunks = [answer.content] if isinstance(answer.body, bytes | dict | list | str) else answer.body
            if isinstance(chunks, list):
                self.send_header("content-length", str(sum(map(len, chunks))))
                self.end_headers()
                self.wfile.write(chunks[0] if answer.cut_after is None else chunks[0][: answer.cut_after])
                if answer.cut_after is not None:
                    self._hang_up()
                return
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for chunk in chunks:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            self.wfile.write(b"0\r\n\r\n")

        do_POST = do_DELETE = do_GET  # noqa: N815 - names that http.server looks for

        def _arrived(self) -> Arrived:
            headers = {name.lower(): value for name, value in self.headers.items()}
            digest, kept, total = hashlib.sha256(), b"", 0
            for chunk in self._body(headers):
                digest.update(chunk)
                total += len(chunk)
                kept += chunk if len(kept) < 1 << 16 else b""
            return Arrived(
                method=self.command,
                path=self.path,
                headers=headers,
                body=kept,
                body_bytes=total,
                body_sha256=digest.hexdigest(),
            )

        def _body(self, headers: dict[str, str]) -> Iterator[bytes]:
            left = int(headers.get("content-length", 0))
            while left and (chunk := self.rfile.read(min(left, 1 << 16))):
                left -= len(chunk)
                yield chunk

        def _hang_up(self) -> None:
            self.close_connection = True
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, *args: Any) -> None:
            pass

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent: in some tests the client hangs up early."""


@contextmanager
def scripted_api() -> Iterator[ScriptedApi]:
    api = ScriptedApi("")
    server = _Server(("127.0.0.1", 0), _handler(api))
    api.base_url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def error_body(error_type: str, message: str, **details: Any) -> dict[str, Any]:
    error: dict[str, Any] = {"type": error_type, "message": message}
    if details:
        error["details"] = details
    return {"type": "error", "error": error, "request_id": "req_1"}


def gzipped(lines: Iterable[bytes]) -> bytes:
    return gzip.compress(b"".join(lines))
