"""The usage of an output by batch and model: the rows of the usage table, and the file of them beside the manifest.

Invariant: the rows add up to the usage and the cost that the manifest tells, to the last digit.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.batches.money.batch_uses import NO_BATCH, Used
from anthropic_batches_provider.batches.money.dollars import exact_dollars
from anthropic_batches_provider.batches.money.model_costs import ModelCost
from anthropic_batches_provider.batches.undecodable import UNDECODABLE

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.ledger import Storage

USAGE_NAME = "_usage.json"
"""Readers of folders skip names that begin with ``_``; wildcards such as ``*.jsonl`` do not match it either."""


class UsageRow(msgspec.Struct, frozen=True, kw_only=True):
    """What the requests of one batch used and cost that one model answered.

    Times are ISO 8601 in UTC. Amounts are dollars as decimal texts, to the last digit; None if the cost of none of the
    requests is known.

    :param job: URI of the job folder; None for batches that something else submitted.
    :param batch_id: None for requests of parts that an older version wrote, which did not count by batch.
    :param model: as the messages name it; ``unknown`` where none is known.
    :param created_at: when the service created the batch; None if it does not say.
    :param ended_at: when the batch ended; None if the service does not say.
    :param requests: as in :class:`.Usage`, like the fields after it up to ``web_fetch_requests``.
    :param unknown_requests: requests whose cost is unknown; None if prices are not known.
    :param cost_usd: as in :class:`.CostFigures`, like the amounts after it.
    :param at_least: whether the cost of some requests is unknown, so that the amounts are lower bounds.
    :param prices: whose prices were used, separated by commas; None if none were.
    """

    job: str | None
    batch_id: str | None
    model: str
    created_at: str | None
    ended_at: str | None
    requests: int
    unreported_requests: int
    unknown_requests: int | None
    input_tokens: int
    output_tokens: int
    cache_creation_5m_input_tokens: int
    cache_creation_1h_input_tokens: int
    cache_read_input_tokens: int
    thinking_tokens: int
    web_search_requests: int
    web_fetch_requests: int
    cost_usd: str | None
    live_usd: str | None
    saved_by_batch_usd: str | None
    saved_by_cache_usd: str | None
    at_least: bool
    prices: str | None


@dataclass(frozen=True, slots=True)
class PublishedUsage:
    """The usage of an output that is in place.

    :param check_current: raises if another attempt has gone on, so that the rows are no longer those of the whole job.
    """

    rows: tuple[UsageRow, ...]
    check_current: Callable[[], None]


def usage_rows(
    job: str | None, used: Mapping[str, Mapping[str, Used]], batches: Sequence[MessageBatch]
) -> tuple[UsageRow, ...]:
    """Return a row for each batch and model, in the order of the batches; a batch that used nothing has none.

    :param job: URI of the job folder; None for batches that something else submitted.
    :param used: by the id of the batch, or :data:`.NO_BATCH`, and by model.
    :param batches: all that the rows of the output come from.
    """
    known = {batch.id: batch for batch in batches}
    order = {batch_id: number for number, batch_id in enumerate(known)}
    ids = sorted(used, key=lambda batch_id: (order.get(batch_id, len(order)), batch_id == NO_BATCH, batch_id))
    return tuple(
        _row(job, known.get(batch_id), batch_id, model, used[batch_id][model])
        for batch_id in ids
        for model in sorted(used[batch_id])
    )


def encode_usage(rows: Sequence[UsageRow]) -> bytes:
    """Return the rows as a JSON array, with one row a line."""
    return b"[\n" + b",\n".join(map(msgspec.json.encode, rows)) + b"\n]\n" if rows else b"[]\n"


def decode_usage(content: bytes) -> tuple[UsageRow, ...]:
    """Read back the result of :func:`encode_usage`.

    :raises ValueError: the content is something else.
    """
    try:
        return msgspec.json.decode(content, type=tuple[UsageRow, ...])
    except UNDECODABLE as error:
        raise ValueError(f"it holds no usage by batch and model: {error}") from error


def read_usage(storage: Storage) -> tuple[UsageRow, ...]:
    """Return the rows that were published in a folder.

    :raises FileNotFoundError: it has none, because an older version published there.
    :raises ValueError: the file is damaged.
    """
    return decode_usage(storage.read(USAGE_NAME))


def _row(job: str | None, batch: MessageBatch | None, batch_id: str, model: str, used: Used) -> UsageRow:
    cost = used.cost
    fields: dict[str, Any] = {**used.usage.as_dict(), **_amounts(cost)}
    return UsageRow(
        job=job,
        batch_id=batch_id or None,
        model=model,
        created_at=None if batch is None else _text_of(batch.created_at),
        ended_at=None if batch is None else _text_of(batch.ended_at),
        unknown_requests=None if cost is None else cost.unknown_requests,
        at_least=cost is None or cost.unknown_requests > 0,
        prices=None if cost is None else ", ".join(cost.sources) or None,
        **fields,
    )


def _amounts(cost: ModelCost | None) -> dict[str, str | None]:
    if cost is None or (not cost.requests and cost.unknown_requests):
        return dict.fromkeys(("cost_usd", "live_usd", "saved_by_batch_usd", "saved_by_cache_usd"))
    return {
        "cost_usd": exact_dollars(cost.batch.total),
        "live_usd": exact_dollars(cost.live.total),
        "saved_by_batch_usd": exact_dollars(cost.saved_by_batch),
        "saved_by_cache_usd": exact_dollars(cost.saved_by_cache),
    }


def _text_of(moment: dt.datetime | None) -> str | None:
    """Return a time in UTC as the manifest writes it."""
    return None if moment is None else moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
