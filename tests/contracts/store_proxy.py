"""A proxy on loopback in front of a store's server, which makes chosen requests fail."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

_HOP_HEADERS = {"connection", "keep-alive", "transfer-encoding", "expect"}
_CONFLICT = b"<Error><Code>ConditionalRequestConflict</Code><Message>Another put is under way.</Message></Error>"


class Fault(Enum):
    """The fate of a request: refused (403), refused for now (409), done but not answered, or held until the end."""

    FORBID = auto()
    CONFLICT = auto()
    LOSE_ANSWER = auto()
    HOLD = auto()


@dataclass(frozen=True)
class Request:
    """A request as it arrived."""

    method: str
    path: str
    body: bytes = field(repr=False)


Rule = Callable[[Request], Fault | None]


class StoreProxy:
    """Forwards to a port of this machine; a rule picks the requests that fail."""

    def __init__(self, port: int) -> None:
        self.upstream_port = port
        self.rule: Rule | None = None
        self.held = threading.Event()
        self._released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def upstream_url(self) -> str:
        return f"http://127.0.0.1:{self.upstream_port}"

    @contextmanager
    def faults(self, rule: Rule) -> Iterator[None]:
        """Make the requests that a rule picks fail within this block."""
        self.rule = rule
        self.held.clear()
        self._released.clear()
        try:
            yield
        finally:
            self.rule = None
            self._released.set()

    def hold(self) -> None:
        self.held.set()
        self._released.wait()

    def release(self) -> None:
        """Let held requests continue."""
        self._released.set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()


def after(number: int, fault: Fault, *, picks: Callable[[Request], bool], times: int | None = None) -> Rule:
    """Return a rule for the requests that ``picks`` names, except the first ``number``, and at most ``times``."""
    lock, seen = threading.Lock(), 0

    def rule(request: Request) -> Fault | None:
        nonlocal seen
        if not picks(request):
            return None
        with lock:
            seen += 1
            struck = seen - number
        return fault if struck > 0 and (times is None or struck <= times) else None

    return rule


def _handler(proxy: StoreProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            fault = proxy.rule(Request(self.command, self.path, body)) if proxy.rule else None
            if fault is Fault.HOLD:
                proxy.hold()
            if fault in (Fault.FORBID, Fault.CONFLICT):
                self._answer(403 if fault is Fault.FORBID else 409, _CONFLICT if fault is Fault.CONFLICT else b"")
                return
            with suppress(ConnectionError):  # the client of a held request may be gone
                self._forward(body, answers=fault is not Fault.LOSE_ANSWER)
            self.close_connection = self.close_connection or fault is not None

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815 - as the base class wants them

        def log_message(self, format: str, *args: object) -> None:
            """Be silent."""

        def _forward(self, body: bytes, *, answers: bool) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", proxy.upstream_port, timeout=60)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_HEADERS}
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            if answers:
                self._answer(answer.status, content, answer.getheaders())

        def _answer(self, status: int, content: bytes, headers: list[tuple[str, str]] | None = None) -> None:
            self.send_response_only(status)
            for name, value in headers or []:
                if name.lower() not in _HOP_HEADERS | {"content-length"} or self.command == "HEAD":
                    self.send_header(name, value.replace(proxy.upstream_url, proxy.url))
            if self.command != "HEAD":
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler
