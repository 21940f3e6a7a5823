"""Adds up the usage that result messages report, by model. Fields may be new, missing or null.

Invariant: unreported usage is counted as such (``unreported_requests``) and never guessed.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any

import msgspec

from anthropic_batches_provider.batches.undecodable import UNDECODABLE

UNKNOWN_MODEL = "unknown"

_MOST_DIFFERENT = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The usage of a number of requests.

    :param requests: requests with a succeeded or unreadable result, whether or not they reported usage.
    :param unreported_requests: those of them whose usage was missing or unreadable.
    :param input_tokens: input tokens neither written to nor read from the cache.
    :param output_tokens: all output tokens, including thinking.
    :param cache_creation_5m_input_tokens: written to the cache for 5 minutes, or not split by the API.
    :param cache_creation_1h_input_tokens: written to the cache for an hour.
    :param cache_read_input_tokens: read from the cache.
    :param thinking_tokens: the part of ``output_tokens`` that was thinking.
    :param web_search_requests: searches by the server's tool, billed per search.
    :param web_fetch_requests: fetches by the server's tool.
    """

    requests: int = 0
    unreported_requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_5m_input_tokens: int = 0
    cache_creation_1h_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    thinking_tokens: int = 0
    web_search_requests: int = 0
    web_fetch_requests: int = 0

    @classmethod
    def from_api(cls, usage: bytes | bytearray | memoryview | msgspec.Raw | None) -> Usage:
        """Read the usage of one request.

        :param usage: the message's ``usage`` as JSON; None, ``null`` and unreadable usage count as unreported.
        """
        return cls(**dict(zip(_NAMES, _read(usage), strict=True)))

    def __add__(self, other: Usage) -> Usage:
        return Usage(**{name: getattr(self, name) + getattr(other, name) for name in _NAMES})

    def as_dict(self) -> dict[str, int]:
        """Return the numbers by name, as in the manifest."""
        return asdict(self)


_NAMES = tuple(field.name for field in fields(Usage))


def usage_of(requests: int, numbers: Sequence[int]) -> Usage:
    """Return the usage of requests that all reported it.

    :param numbers: the sums of their :func:`usage_numbers`.
    """
    return Usage(**dict(zip(_NAMES, (requests, 0, *numbers), strict=True)))


def usage_numbers(usage: bytes | bytearray | memoryview | msgspec.Raw | None) -> tuple[int, ...] | None:
    """Return the numbers of one request without the counts of requests, in the order of :class:`Usage`.

    :param usage: see :meth:`Usage.from_api`.
    :returns: None for unreported usage.
    """
    numbers = _read(usage)
    return None if numbers is _UNREPORTED else numbers[2:]


BilledUsage = tuple[tuple[int, ...], str | None, str | None]
"""What :func:`billed_usage` returns."""


def billed_usage(usage: bytes | bytearray | memoryview | msgspec.Raw | None) -> BilledUsage | None:
    """Return what the cost of one request depends on.

    :param usage: see :meth:`Usage.from_api`.
    :returns: the numbers as of :func:`usage_numbers`, the geography (``inference_geo``), and why these numbers do not
        tell the cost, such as that the request was not served as one of a batch, or used an unknown server tool. The
        last is None for ordinary requests, all None for unreported usage.
    """
    if usage is None:
        return None
    try:
        reported = _BILLED_DECODER.decode(usage)
    except UNDECODABLE:
        return _unusually_billed(usage)
    numbers = _numbers(reported)
    if numbers is _UNREPORTED:
        return None
    is_ordinary = reported.service_tier == "batch" and reported.speed is None and reported.iterations is None
    if is_ordinary and not numbers[_WRITES_5M]:
        return numbers[2:], reported.inference_geo, None
    return numbers[2:], reported.inference_geo, _exception(reported, numbers)


class UsageByModel:
    """Adds up usage by the model that each message names, in constant memory.

    Rows of one job often report identical usage: it is counted, and decoded once for many rows.
    """

    def __init__(self) -> None:
        self._totals: dict[str, list[int]] = {}
        self._times: dict[tuple[str | None, bytes], int] = {}

    def add(self, model: str | None, usage: bytes | bytearray | memoryview | msgspec.Raw | None) -> None:
        """Count one request.

        :param model: the model that the message names; None counts as ``unknown``.
        :param usage: see :meth:`Usage.from_api`.
        """
        reported = model, b"" if usage is None else bytes(usage)
        times = self._times
        times[reported] = times.get(reported, 0) + 1
        if len(times) > _MOST_DIFFERENT:
            self._add_up()

    def _add_up(self) -> None:
        for (model, usage), times in self._times.items():
            name = model or UNKNOWN_MODEL
            numbers = _read(usage)
            if times != 1:
                numbers = tuple(times * number for number in numbers)
            totals = self._totals.get(name)
            self._totals[name] = list(numbers) if totals is None else list(map(operator.add, totals, numbers))
        self._times.clear()

    def include(self, usage: Mapping[str, Mapping[str, int]]) -> None:
        """Add the sums that :meth:`as_dict` returned elsewhere."""
        for model, numbers in usage.items():
            totals = self._totals.setdefault(model, [0] * len(_NAMES))
            for index, name in enumerate(_NAMES):
                totals[index] += numbers.get(name, 0)

    def by_model(self) -> dict[str, Usage]:
        """Return the sums so far, with the models in alphabetical order."""
        self._add_up()
        return {model: Usage(**dict(zip(_NAMES, self._totals[model], strict=True))) for model in sorted(self._totals)}

    def total(self) -> Usage:
        """Return the sum over all models."""
        return sum(self.by_model().values(), Usage())

    def as_dict(self) -> dict[str, dict[str, int]]:
        """Return the sums so far as plain JSON values."""
        return {model: usage.as_dict() for model, usage in self.by_model().items()}


def usage_from_dict(usage: Mapping[str, Mapping[str, int]]) -> dict[str, Usage]:
    """Read back the result of :meth:`UsageByModel.as_dict`; names from newer versions are ignored."""
    known = set(_NAMES)
    return {
        model: Usage(**{name: number for name, number in numbers.items() if name in known})
        for model, numbers in usage.items()
    }


_Count = Annotated[int, msgspec.Meta(ge=0)]


class _CacheCreation(msgspec.Struct, gc=False):
    ephemeral_5m_input_tokens: _Count | None = None
    ephemeral_1h_input_tokens: _Count | None = None


class _ServerToolUse(msgspec.Struct, gc=False):
    web_search_requests: _Count | None = None
    web_fetch_requests: _Count | None = None


class _OutputTokensDetails(msgspec.Struct, gc=False):
    thinking_tokens: _Count | None = None


class _ApiUsage(msgspec.Struct, gc=False):
    """The fields of the API's usage object that are added up; any of them may be missing or null."""

    input_tokens: _Count | None = None
    output_tokens: _Count | None = None
    cache_creation_input_tokens: _Count | None = None
    cache_read_input_tokens: _Count | None = None
    cache_creation: _CacheCreation | None = None
    server_tool_use: _ServerToolUse | None = None
    output_tokens_details: _OutputTokensDetails | None = None


class _KnownServerToolUse(_ServerToolUse, gc=False, forbid_unknown_fields=True):
    pass


class _BilledUsage(_ApiUsage, gc=False):
    """Further fields, and no server tools that may cost something unknown."""

    inference_geo: str | None = None
    server_tool_use: _KnownServerToolUse | None = None
    service_tier: Any = None
    speed: Any = None
    iterations: Any = None


_DECODER = msgspec.json.Decoder(_ApiUsage)
_BILLED_DECODER = msgspec.json.Decoder(_BilledUsage)
_NO_CACHE_CREATION = _CacheCreation()
_NO_SERVER_TOOL_USE = _ServerToolUse()
_NO_DETAILS = _OutputTokensDetails()
_WRITES_5M = _NAMES.index("cache_creation_5m_input_tokens")
_UNREPORTED = (1, 1, 0, 0, 0, 0, 0, 0, 0, 0)


def _read(usage: bytes | bytearray | memoryview | msgspec.Raw | None) -> tuple[int, ...]:
    """Return one request's numbers in the order of :class:`Usage`."""
    if usage is None:
        return _UNREPORTED
    try:
        reported = _DECODER.decode(usage)
    except UNDECODABLE:
        return _UNREPORTED
    return _numbers(reported)


def _numbers(reported: _ApiUsage) -> tuple[int, ...]:
    if reported.input_tokens is None and reported.output_tokens is None:
        return _UNREPORTED
    writes = reported.cache_creation or _NO_CACHE_CREATION
    tools = reported.server_tool_use or _NO_SERVER_TOOL_USE
    details = reported.output_tokens_details or _NO_DETAILS
    hour_writes = writes.ephemeral_1h_input_tokens or 0
    split_writes = hour_writes + (writes.ephemeral_5m_input_tokens or 0)
    # 5 minutes is the API's default, so tokens that it does not split count there.
    all_writes = reported.cache_creation_input_tokens or 0
    if split_writes > all_writes:
        all_writes = split_writes
    return (
        1,
        0,
        reported.input_tokens or 0,
        reported.output_tokens or 0,
        all_writes - hour_writes,
        hour_writes,
        reported.cache_read_input_tokens or 0,
        details.thinking_tokens or 0,
        tools.web_search_requests or 0,
        tools.web_fetch_requests or 0,
    )


def _unusually_billed(usage: bytes | bytearray | memoryview | msgspec.Raw) -> BilledUsage | None:
    """Return the numbers of a request with fields of an unknown form or kind, and that they do not tell the cost."""
    numbers = usage_numbers(usage)
    if numbers is None:
        return None
    reported = msgspec.json.decode(usage)
    tools, geography = reported.get("server_tool_use") or {}, reported.get("inference_geo")
    others = sorted(name for name, uses in tools.items() if uses and name not in _ServerToolUse.__struct_fields__)
    if not others and isinstance(geography, str | None):
        reported["server_tool_use"] = {name: tools.get(name) for name in _ServerToolUse.__struct_fields__}
        return billed_usage(msgspec.json.encode(reported))
    named = f"server tools of other kinds: {', '.join(others)}" if others else f"the geography {geography!r}"
    return numbers, None, f"its usage has {named}"


def _exception(reported: _BilledUsage, numbers: tuple[int, ...]) -> str | None:
    """Return why the numbers of a request do not tell its cost; None if they do."""
    if reported.service_tier not in (None, "batch"):
        return f"its service tier is {reported.service_tier!r}, not 'batch'"
    if reported.speed not in (None, "standard"):
        return f"its speed is {reported.speed!r}"
    writes = reported.cache_creation
    if writes is not None and numbers[_WRITES_5M] > (writes.ephemeral_5m_input_tokens or 0):
        return "its usage has tokens that were written to the cache for another time than 5 minutes or an hour"
    iterations = reported.iterations if isinstance(reported.iterations, list) else [reported.iterations]
    kinds = {str(each.get("type")) if isinstance(each, dict) else str(each) for each in iterations if each is not None}
    others = sorted(kinds - {"message"})
    return f"its usage has iterations of other kinds: {', '.join(others)}" if others else None
