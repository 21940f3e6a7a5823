"""Faults of calls, and the plan that decides which calls each of them strikes."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Literal, get_args

import msgspec

from anthropic_batches_provider.simulator.service.refusals import DEFAULT_MESSAGES, SPEND_LIMIT_MESSAGE, Refusal

Operation = Literal[
    "create", "retrieve", "list", "cancel", "delete", "results", "count_tokens", "models", "messages", "any"
]
Action = Literal[
    "status",
    "status_after_commit",
    "drop_before_commit",
    "drop_after_commit",
    "late_commit",
    "hang",
    "truncated_200",
    "html_200",
    "cut_after_bytes",
    "cut_after_lines",
    "slow",
]
OPERATIONS: tuple[str, ...] = get_args(Operation)
ACTIONS: tuple[str, ...] = get_args(Action)
SPEND_LIMIT_CODES = ("enforced_spend_limit_reached", "contract_spend_limit_reached")

_NEEDED = {
    "status": "status",
    "status_after_commit": "status",
    "late_commit": "seconds",
    "hang": "seconds",
    "cut_after_bytes": "bytes",
    "cut_after_lines": "lines",
    "slow": "bytes_per_second",
}


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One fault. *Commit* means the effect of a call: a batch is created, canceled or deleted.

    :param operation: the operation whose calls it strikes.
    :param action: what happens; ``docs/simulator.md`` describes each action.
    :param nth: strike from the nth such call on, counted from the moment the fault was added.
    :param times: strike this many calls, null for all; default 1, or all with ``probability``.
    :param probability: strike each call with this probability; the seed decides the draws.
    :param batch_id: strike only calls for this batch.
    :param status: of the answer; 307 redirects to ``location``, by default to the same address.
    :param retry_after: seconds, for the header of that name; any text is allowed.
    :param should_retry: for the ``x-should-retry`` header.
    :param html: answer ``status`` or ``status_after_commit`` with a page, as a gateway does, without the API's headers.
    :param body: answer them with this text, likewise.
    :param seconds: real seconds to hang, or simulated seconds until a late commit.
    :param when: hang before the commit or after it. If the client disconnects during a hang before the commit, the call
        has no effect.
    :param bytes: how many bytes of the response body to send before the connection is closed.
    :param lines: how many lines of the response body to send before the connection is closed inside the next line.
    :param bytes_per_second: pace of the response body.
    """

    action: Action
    operation: Operation = "any"
    nth: int = 1
    times: int | msgspec.UnsetType | None = msgspec.UNSET
    probability: float | None = None
    batch_id: str | None = None
    status: int | None = None
    error_type: str | None = None
    error_code: str | None = None
    message: str | None = None
    retry_after: float | str | None = None
    should_retry: bool | None = None
    html: bool = False
    body: str | None = None
    location: str | None = None
    seconds: float | None = None
    when: Literal["before", "after"] = "before"
    bytes: int | None = None
    lines: int | None = None
    bytes_per_second: int | None = None

    def __post_init__(self) -> None:
        needed = _NEEDED.get(self.action)
        if needed is not None and getattr(self, needed) is None:
            raise ValueError(f"the action {self.action} needs {needed}")
        if self.action == "late_commit" and self.operation != "create":
            raise ValueError("the action late_commit is for the operation create")
        if self.nth < 1:
            raise ValueError(f"nth is {self.nth}; calls are counted from 1")
        if self.bytes_per_second is not None and self.bytes_per_second < 1:
            raise ValueError(f"bytes_per_second is {self.bytes_per_second}; it must be 1 or more")
        if self.probability is not None and not 0 <= self.probability <= 1:
            raise ValueError(f"probability is {self.probability}; it must be between 0 and 1")

    @property
    def strikes(self) -> int | None:
        """The number of calls it strikes; None for all."""
        if self.times is msgspec.UNSET:
            return None if self.probability is not None else 1
        return self.times if isinstance(self.times, int) else None

    def refusal(self) -> Refusal:
        """Make the answer of the actions ``status`` and ``status_after_commit``."""
        status = self.status or 500
        message = self.message
        if message is None and self.error_code in SPEND_LIMIT_CODES:
            message = SPEND_LIMIT_MESSAGE
        refusal = Refusal(
            status, message or DEFAULT_MESSAGES.get(status), error_type=self.error_type, error_code=self.error_code
        )
        if self.retry_after is not None:
            refusal.with_headers(retry_after=_plain(self.retry_after))
        if self.should_retry is not None:
            refusal.with_headers(x_should_retry=str(self.should_retry).lower())
        return refusal


def _plain(value: float | str) -> str:
    return f"{value:g}" if isinstance(value, float | int) else value


def parse_fault(value: dict[str, Any]) -> Fault:
    """Make a fault from decoded JSON.

    :raises ValueError: it is not a fault; the message says what is wrong and what is allowed.
    """
    for name, allowed in (("action", ACTIONS), ("operation", OPERATIONS)):
        if name in value and value[name] not in allowed:
            raise ValueError(f"no such {name}: {value[name]}; use one of {', '.join(allowed)}")
    try:
        return msgspec.convert(value, Fault)
    except msgspec.ValidationError as error:
        raise ValueError(f"{error}; the fields of a fault are {', '.join(Fault.__struct_fields__)}") from error


@dataclass
class _ActiveFault:
    fault: Fault
    chance: random.Random
    calls: int = 0
    struck: int = 0

    def strikes(self, operation: str, batch_id: str | None) -> bool:
        """Count this call, and return whether the fault strikes it."""
        fault = self.fault
        if fault.operation not in ("any", operation) or fault.batch_id not in (None, batch_id):
            return False
        self.calls += 1
        if self.calls < fault.nth or (fault.strikes is not None and self.struck >= fault.strikes):
            return False
        return fault.probability is None or self.chance.random() < fault.probability


class FaultPlan:
    """The active faults; for each call, the first one that strikes it is used."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._numbers = 0
        self._faults: list[_ActiveFault] = []

    def add(self, fault: Fault) -> None:
        """Add a fault after the active ones; its draws depend on the seed and on its number since the last reset."""
        self._numbers += 1
        # A generator for each fault, so that adding one does not change the draws of another.
        self._faults.append(_ActiveFault(fault, random.Random(f"{self._seed}:{self._numbers}")))

    def clear(self) -> None:
        """Drop all faults; calls that were already struck stay struck."""
        self._faults.clear()

    def described(self) -> list[dict[str, Any]]:
        """Describe each fault by its given fields and by the number of calls it has ``struck``."""
        return [msgspec.to_builtins(active.fault) | {"struck": active.struck} for active in self._faults]

    def pick(self, operation: str, batch_id: str | None = None) -> Fault | None:
        """Pick the fault that strikes this call; None if none does. Call this exactly once for each call."""
        # Ask every fault, not only up to the first: nth and probability also count calls that another fault struck.
        striking = [active for active in self._faults if active.strikes(operation, batch_id)]
        if not striking:
            return None
        striking[0].struck += 1
        return striking[0].fault
