"""The progress of a job, read from the ledger, so that every attempt reports the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pendulum
from msgspec.structs import asdict

from anthropic_batches_provider.batches.ledger import (
    JobFolder,
    PartRecord,
    PilotRecord,
    PromptCacheRecord,
    latest_parts,
    rounds_of_all,
    sent_pilots,
)
from anthropic_batches_provider.batches.message_batch import moment
from anthropic_batches_provider.batches.money.dollars import exact_dollars, pico_of
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.batches.prompt_cache.cache_gains import CacheGains, gains_of
from anthropic_batches_provider.batches.prompt_cache.cache_uses import added_up


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotProgress:
    """The rows that are sent before the others.

    :param rows: how many.
    :param measured: what they have shown; None while they are waited for, and if the rest was sent without that.
    :param is_awaited: whether the rest waits for them.
    """

    rows: int
    measured: PilotRecord | None
    is_awaited: bool

    @classmethod
    def of(cls, job: JobFolder) -> PilotProgress | None:
        """Read what is known of a job's latest pilot; None if it has none."""
        pilots = sent_pilots(job.rounds())
        if not pilots:
            return None
        awaited = job.awaited_pilot()
        # The one that is waited for; afterwards the last of them, which is the largest.
        shown = awaited or pilots[-1]
        return cls(rows=shown.requests, measured=job.pilot(shown), is_awaited=awaited is not None)

    def as_dict(self) -> dict[str, Any]:
        """Return what is known as plain JSON values."""
        found = self.measured
        if found is None:
            return {"rows": self.rows, "outcome": "waiting" if self.is_awaited else None}
        return {
            "rows": self.rows,
            "outcome": found.outcome,
            "succeeded": found.succeeded,
            "verdicts": dict(found.verdicts),
            "errors": dict(found.errors),
            "example": found.example or None,
            "input_tokens": _spread(found.input_tokens),
            "output_tokens": _spread(found.output_tokens),
            "cache_creation_tokens": found.cache_creation_tokens,
            "cache_read_tokens": found.cache_read_tokens,
            "seconds": found.seconds,
        }


def _spread(tokens: Sequence[int]) -> dict[str, int] | None:
    """Return the total of the answers' tokens, and how they spread; None without an answer.

    :param tokens: of each answer, ascending.
    """
    if not tokens:
        return None
    return {
        "total": sum(tokens),
        "least": tokens[0],
        "median": tokens[len(tokens) // 2],
        "p90": tokens[len(tokens) * 9 // 10],
        "most": tokens[-1],
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheProgress:
    """What the prompt cache did for the answers that are collected."""

    cache: PromptCacheRecord
    gains: CacheGains

    @classmethod
    def of(cls, job: JobFolder, parts: Mapping[int, PartRecord]) -> CacheProgress | None:
        """Read what the prompt cache of a job did; None without one.

        :param parts: the latest part of each shard; there are none of a job that is collected into memory.
        """
        cache, collection = job.first_seal().prompt_cache, job.last_collection()
        if cache is None:
            return None
        written = added_up(uses for part in parts.values() for uses in part.tally.cache.values())
        collected = {} if collection is None else collection.cache
        told = [gains_of(uses, cache.ttl) for uses in (written, collected)]
        return cls(cache=cache, gains=max(told, key=lambda gains: gains.requests))

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as plain JSON values."""
        return {"ttl": self.cache.ttl, "prefix_tokens": self.cache.prefix_tokens, **asdict(self.gains)}


@dataclass(frozen=True, slots=True, kw_only=True)
class CostProgress:
    """What the requests whose rows are written cost.

    :param usd: in dollars, to the last digit; None while nothing is written, or if prices are not known.
    :param is_at_least: whether the cost of some requests is unknown.
    """

    usd: str | None = None
    is_at_least: bool = False

    @classmethod
    def of(cls, job: JobFolder, parts: Mapping[int, PartRecord]) -> CostProgress:
        """Add up what is recorded of a job.

        :param parts: the latest part of each shard; there are none of a job that is collected into memory.
        """
        collection = job.last_collection()
        if not parts and collection is not None:
            return cls(usd=collection.cost_usd, is_at_least=collection.cost_is_at_least)
        known = [part.tally.costs for part in parts.values() if part.tally.costs is not None]
        if not known:
            return cls()
        costs = [cost for by_model in known for cost in by_model.values()]
        return cls(
            usd=exact_dollars(sum(pico_of(cost["cost_usd"]) for cost in costs)),
            is_at_least=len(known) < len(parts) or any(cost["unknown_requests"] for cost in costs),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress:
    """The progress of a job.

    :param rows: rows of the whole input.
    :param round: the current round, from 1; a pilot that is sent again counts as none.
    :param shards: shards of all rounds so far.
    :param shards_submitted: those that have a batch.
    :param shards_ended: those whose batch was seen to end.
    :param rows_ended: rows whose first batch was seen to end.
    :param rows_in_flight: requests in batches not yet seen to end.
    :param rows_collected: rows that are in the destination.
    :param seconds: the time since the job was opened.
    :param pilot: the rows that are sent before the others; None if there are none.
    :param prompt_cache: what the prompt cache did; None for a job without one.
    :param cost: what the requests whose rows are written cost.
    """

    rows: int
    round: int
    shards: int
    shards_submitted: int
    shards_ended: int
    rows_ended: int
    rows_in_flight: int
    rows_collected: int
    seconds: float
    pilot: PilotProgress | None = None
    prompt_cache: CacheProgress | None = None
    cost: CostProgress = CostProgress()

    @classmethod
    def of(cls, job: JobFolder, *, now: pendulum.DateTime) -> JobProgress:
        """Read the progress of a sealed job."""
        states, first = job.known_shards(), len(job.first_seal().part_shards)
        number = job.collection_count() + 1
        collection = job.last_collection()
        # By shard: a shard is written more than once if the destination or the format changes meanwhile.
        known = job.known_parts()
        latest = latest_parts(known)
        parts = {part.shard: part.rows for part in known if part.collection == number}
        return cls(
            rows=job.first_seal().rows,
            round=rounds_of_all(job.rounds()),
            shards=len(states),
            shards_submitted=sum(state.batch is not None for state in states),
            shards_ended=sum(state.end is not None for state in states),
            rows_ended=sum(state.shard.rows for state in states[:first] if state.end is not None),
            rows_in_flight=sum(state.shard.requests for state in states if state.is_running),
            rows_collected=max(sum(parts.values()), collection.rows if collection is not None else 0),
            seconds=(now - moment(job.description().opened_at)).total_seconds(),
            pilot=PilotProgress.of(job),
            prompt_cache=CacheProgress.of(job, latest),
            cost=CostProgress.of(job, latest),
        )

    @property
    def rows_per_second(self) -> float | None:
        """Ended rows per second since the job was opened; None before the first row ends."""
        return self.rows_ended / self.seconds if self.rows_ended and self.seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """How many seconds the rest takes at this rate; None before the first batch has ended.

        This is a guess: batches end when the service has room for them.
        """
        rate = self.rows_per_second
        unended = self.rows - self.rows_ended if self.round == 1 else self.rows_in_flight
        return None if rate is None else max(unended, 0) / rate

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as plain JSON values."""
        figures = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "cost"}
        return {
            **figures,
            "rows_per_second": self.rows_per_second,
            "seconds_left": self.seconds_left,
            "pilot": None if self.pilot is None else self.pilot.as_dict(),
            "prompt_cache": None if self.prompt_cache is None else self.prompt_cache.as_dict(),
            "cost_usd": self.cost.usd,
            "cost_is_at_least": self.cost.is_at_least,
        }

    def __str__(self) -> str:
        rate, left = self.rows_per_second, self.seconds_left
        facts = [
            f"round {self.round}: {self.shards_submitted:,} of {self.shards:,} shards submitted",
            f"{self.shards_ended:,} ended",
            f"{self.rows_in_flight:,} rows in flight",
            f"{self.rows_collected:,} of {self.rows:,} rows collected",
        ]
        if self.pilot is not None and self.pilot.is_awaited:
            facts.insert(0, f"pilot: {counted(self.pilot.rows, 'row')}, waiting")
        if rate is not None:
            facts.append(f"{rate:,.1f} rows/s")
        if left is not None and left >= 1:
            facts.append(f"about {pendulum.duration(seconds=round(left)).in_words()} left")
        return ", ".join(facts)
