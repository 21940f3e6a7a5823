"""Repairs: the request that asks again for an answer that was paid for and cannot be used.

This is the one place where a row is paid for more than once, so everything here is pure, and nothing is asked again
that ``repair=`` does not name, or that would be asked with the very request that brought the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from anthropic_batches_provider.batches.verdicts import TRUNCATED

_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_messages = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.encode


@dataclass(frozen=True, slots=True)
class Repair:
    """Which answers are asked for again, and what changes.

    :param changes: for each verdict that is repaired, the Messages params that change: plain JSON values.
    """

    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __contains__(self, verdict: str) -> bool:
        return verdict in self.changes

    def after(self, earlier: Repair) -> Repair:
        """Return what holds if this is asked after another repair: that of each verdict which this does not name."""
        return Repair({**earlier.changes, **self.changes})

    def params_after(
        self, params: bytes, verdicts: Iterable[str], turns: Sequence[msgspec.Raw] = (), container: str | None = None
    ) -> bytes:
        """Return the Messages params of a row whose answers had these verdicts.

        Whatever an earlier answer has changed stays changed, so that an answer that was cut, and then did not fit, is
        not cut again.

        :param params: as the row was first sent.
        :param verdicts: of the row's answers so far, in order; those that are not repaired change nothing.
        :param turns: the messages that follow the row's own.
        :param container: in which the answer was paused that they go on from.
        """
        fields = _decode_fields(params)
        for verdict in verdicts:
            for name, value in self.changes.get(verdict, {}).items():
                fields[name] = _changed(fields.get(name), name, value, verdict)
        if turns:
            fields["messages"] = msgspec.Raw(_encode([*_decode_messages(fields["messages"]), *turns]))
        if container is not None:
            own = msgspec.json.decode(fields.get("container", b"null"))
            named = {**own, "id": container} if isinstance(own, dict) else container
            fields["container"] = msgspec.Raw(_encode(named))
        return _encode(fields)


NO_REPAIR = Repair()


def _changed(before: msgspec.Raw | None, name: str, value: Any, verdict: str) -> msgspec.Raw:
    """Return the new value of a param: ``output_config`` keeps its other keys, and a cut answer never gets less room.

    :param before: the value so far; None if there is none.
    """
    old = None if before is None else msgspec.json.decode(before)
    if name == "output_config" and isinstance(old, dict):
        value = {**old, **value}
    elif (verdict, name) == (TRUNCATED, "max_tokens") and isinstance(old, int | float):
        value = max(old, value)
    return before if before is not None and value == old else msgspec.Raw(_encode(value))
