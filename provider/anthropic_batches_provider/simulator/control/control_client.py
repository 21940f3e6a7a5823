"""A client of the control API, for tests that run in the simulator's process or in another one."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterable
from typing import Any, TypeVar, cast

import msgspec

from anthropic_batches_provider.simulator.control.received import Received
from anthropic_batches_provider.simulator.service.billing import Billing
from anthropic_batches_provider.simulator.service.service_settings import Settings

T = TypeVar("T")


class SimulatorControl:
    """Controls and reads a running simulator.

    :param base_url: of the simulator, as the command prints it.
    :param timeout: seconds to wait for an answer.
    """

    def __init__(self, base_url: str, *, timeout: float = 60.0) -> None:
        self.base_url = base_url.rstrip("/")
        self._timeout = timeout
        # No proxy: a test environment may define one, but the simulator is on loopback.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def add_fault(self, operation: str, action: str, **options: Any) -> None:
        """Make calls of ``operation`` fail; options are the other fields of a fault.

        :raises ValueError: there is no such fault; the message is the simulator's.
        """
        self._call("POST", "/faults", {"operation": operation, "action": action, **options})

    def faults(self) -> list[dict[str, Any]]:
        """List the active faults, each with the number of calls it has ``struck``."""
        return self._call("GET", "/faults", type=dict[str, list[dict[str, Any]]])["faults"]

    def clear_faults(self) -> None:
        """Drop all faults, so that calls succeed from now on."""
        self._call("DELETE", "/faults")

    def add_outcome(self, result: str, **options: Any) -> None:
        """Let rows of batches that are created from now on end as ``result``; options are the rule's other fields.

        :raises ValueError: there is no such result; the message is the simulator's.
        """
        self._call("POST", "/outcomes", {"result": result, **options})

    def outcomes(self) -> list[dict[str, Any]]:
        """List the active rules, each with the number of rows it was ``applied`` to."""
        return self._call("GET", "/outcomes", type=dict[str, list[dict[str, Any]]])["outcomes"]

    def clear_outcomes(self) -> None:
        """Drop all outcome rules; batches that were created under them keep their outcomes."""
        self._call("DELETE", "/outcomes")

    def settings(self) -> Settings:
        """Return the current settings."""
        return self._call("GET", "/settings", type=Settings)

    def change_settings(self, **changes: Any) -> Settings:
        """Change settings, and return all settings after the change.

        :raises ValueError: there is no such setting, or the value is not valid; nothing is changed.
        """
        return self._call("PATCH", "/settings", changes, type=Settings)

    def now(self) -> float:
        """Return the simulator's time, in seconds since the epoch."""
        return float(self._call("GET", "/clock", type=dict[str, Any])["now"])

    def advance_clock(self, seconds: float) -> float:
        """Move the simulator's time forward, and return it."""
        return float(self._call("POST", "/clock/advance", {"seconds": seconds}, type=dict[str, Any])["now"])

    def end_batches(self, batch_ids: Iterable[str] | None = None, *, unfinished: str = "finish") -> list[str]:
        """End batches now, by default all.

        :param unfinished: how rows end that are not done yet: ``finish`` or ``expire``.
        :returns: the ids of the batches that were running.
        """
        body = {"unfinished": unfinished, **_ids(batch_ids)}
        return self._call("POST", "/end_batches", body, type=dict[str, list[str]])["batch_ids"]

    def archive_batches(self, batch_ids: Iterable[str] | None = None) -> list[str]:
        """Remove the results of ended batches, by default all, as after 29 days; return the batches' ids."""
        return self._call("POST", "/archive", _ids(batch_ids), type=dict[str, list[str]])["batch_ids"]

    def received(self) -> Received:
        """Return the record of all calls since the start or the last reset."""
        return self._call("GET", "/received", type=Received)

    def billing(self) -> Billing:
        """Return the bill of all batches since the start or the last reset."""
        return self._call("GET", "/billing", type=Billing)

    def reset(self) -> None:
        """Forget batches, faults, outcome rules and counts, and restore the first settings; the clock keeps running."""
        self._call("POST", "/reset")

    def _call(self, method: str, path: str, body: Any = None, *, type: type[T] | None = None) -> T:
        request = urllib.request.Request(  # noqa: S310  a simulator's own address
            f"{self.base_url}/_simulator{path}",
            method=method,
            data=None if body is None else msgspec.json.encode(body),
            headers={"content-type": "application/json"},
        )
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                content = response.read()
        except urllib.error.HTTPError as error:
            with error:
                raise ValueError(_message(error.read())) from None
        return msgspec.convert(msgspec.json.decode(content), type) if type is not None else cast("T", None)


def _ids(batch_ids: Iterable[str] | None) -> dict[str, Any]:
    return {} if batch_ids is None else {"batch_ids": list(batch_ids)}


def _message(content: bytes) -> str:
    try:
        return str(msgspec.json.decode(content)["error"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return content.decode("utf-8", "replace")
