"""The simulator as a server: it runs in a thread of this process and listens on loopback only."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
import time
from types import TracebackType

import uvicorn

from anthropic_batches_provider.simulator.control.control_client import SimulatorControl
from anthropic_batches_provider.simulator.control.simulator import Simulator
from anthropic_batches_provider.simulator.http.app import create_app

# Seconds of real time.
LONGEST_START = 10.0
LONGEST_STOP = 10.0
KEEP_ALIVE = 75
STEP = 0.01


class _Server(uvicorn.Server):
    """Uvicorn without its tick of a tenth of a second, so that a test does not wait at its end."""

    async def main_loop(self) -> None:
        while not self.should_exit:  # noqa: ASYNC110  should_exit is set from another thread
            await asyncio.sleep(STEP)


class SimulatorServer:
    """Serves a simulator while the context lasts.

    :param simulator: the simulator to serve; default: a new one.
    :param host: a loopback address, or ``localhost``; any other raises a ValueError.
    :param port: the port; 0 picks a free one.
    """

    def __init__(self, simulator: Simulator | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.simulator = simulator or Simulator()
        self._address = _loopback(host)
        self._port = port
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def base_url(self) -> str:
        """The URL at which it listens, without a slash at the end."""
        if self._socket is None:
            raise RuntimeError("the simulator has not been started; call start(), or use it as a context manager")
        host = f"[{self._address}]" if ":" in self._address else self._address
        return f"http://{host}:{self._port}"

    @property
    def api_key(self) -> str:
        """The first of the accepted keys."""
        return next(iter(self.simulator.api_keys))

    @property
    def control(self) -> SimulatorControl:
        """A client of its control API.

        :raises RuntimeError: the server has not been started.
        """
        return SimulatorControl(self.base_url)

    def start(self) -> SimulatorServer:
        """Start the server, and return once it answers."""
        family = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        # The protocol is named because asyncio switches off Nagle's delay only if it sees TCP.
        self._socket = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((self._address, self._port))
        except OSError:
            self._socket.close()
            self._socket = None
            raise
        self._port = self._socket.getsockname()[1]
        self.simulator.stopping = False
        self._server = _Server(self._config())
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="message-batches-simulator", daemon=True
        )
        self._thread.start()
        self._wait_until_started()
        return self

    def stop(self) -> None:
        """Stop the server; calls in progress are cut off after a second."""
        if self._server is None or self._thread is None or self._socket is None:
            return
        self.simulator.stopping = True
        self._server.should_exit = True
        self._thread.join(LONGEST_STOP)
        self._socket.close()
        self._server = self._thread = self._socket = None

    def __enter__(self) -> SimulatorServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _config(self) -> uvicorn.Config:
        return uvicorn.Config(
            create_app(self.simulator),
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            date_header=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=1,
        )

    def _wait_until_started(self) -> None:
        until = time.monotonic() + LONGEST_START
        while self._server is not None and not self._server.started:
            if self._thread is None or not self._thread.is_alive() or time.monotonic() > until:
                self.stop()
                raise RuntimeError("the simulator's server did not start")
            time.sleep(STEP)


def _loopback(host: str) -> str:
    """Return the address of a loopback host.

    :raises ValueError: the host is any other: anyone who reaches the simulator can read everything sent to it.
    """
    address = "127.0.0.1" if host == "localhost" else host
    try:
        if ipaddress.ip_address(address).is_loopback:
            return address
    except ValueError:
        pass
    raise ValueError(f"the simulator listens on loopback only, for example 127.0.0.1; not on {host}")
