"""Makes an estimate: reads all rows once, and counts the tokens of a few."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import pendulum

from anthropic_batches_provider.batches.clock import Clock
from anthropic_batches_provider.batches.closing import closed_after
from anthropic_batches_provider.batches.estimates import caveats
from anthropic_batches_provider.batches.estimates.caveats import Caveat
from anthropic_batches_provider.batches.estimates.estimate import Estimate, days_in_queue
from anthropic_batches_provider.batches.estimates.kept_rows import KeptRow, RowFiles
from anthropic_batches_provider.batches.estimates.model_estimate import ModelEstimate
from anthropic_batches_provider.batches.estimates.output_tokens import UNKNOWN_OUTPUT, OutputExpectation
from anthropic_batches_provider.batches.estimates.row_costs import CachedPrefix
from anthropic_batches_provider.batches.estimates.row_facts import own_mark, server_tools
from anthropic_batches_provider.batches.estimates.seen_rows import SeenRows
from anthropic_batches_provider.batches.estimates.token_counts import Refused, TokenCounts
from anthropic_batches_provider.batches.invalid_rows import InvalidRow
from anthropic_batches_provider.batches.limits import BATCH_EXPIRES_AFTER, LONGEST_LIFE, REQUESTS_IN_QUEUE
from anthropic_batches_provider.batches.money.price_list import PriceList
from anthropic_batches_provider.batches.prompt_cache import PromptCache
from anthropic_batches_provider.batches.repairs import NO_REPAIR, Repair
from anthropic_batches_provider.batches.rows import PreparedRow
from anthropic_batches_provider.batches.service import ModelService, TokenService
from anthropic_batches_provider.batches.sharding import ShardLimits
from anthropic_batches_provider.batches.submission.cache_marking import MarkedRows, marked_rows, unmarked_rows
from anthropic_batches_provider.batches.submission.model_lookup import retirement_of
from anthropic_batches_provider.batches.submission.pilot_choice import Pilot
from anthropic_batches_provider.errors import ApiError

SAMPLE_ROWS = 50
"""So many rows of each model are counted; of rows with images and documents, so many again."""
CONFIDENCE = 0.95
EVERY_ROW_REFUSED = "The API refuses every row that was counted."


class EstimateService(TokenService, ModelService, Protocol):
    """The calls of an estimate. They are free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatedJob:
    """How a job would be sent, besides its rows.

    :param limits: of its shards.
    :param cache: how it would use the prompt cache; None if it would not.
    :param pilot: its pilot; 0 for none, so that nothing primes the cache.
    :param repair: which answers would be asked for again.
    :param max_requests_in_flight: the requests that may be in the account's queue at once.
    :param output: what is known of the answers' length.
    """

    limits: ShardLimits = field(default_factory=ShardLimits)
    cache: PromptCache | None = None
    pilot: Pilot = "auto"
    repair: Repair = NO_REPAIR
    max_requests_in_flight: int = REQUESTS_IN_QUEUE
    output: OutputExpectation = UNKNOWN_OUTPUT


class Estimator:
    """Estimates jobs; it counts rows of equal content once.

    :param prices: the prices that hold for the job.
    :param service: counts tokens and describes models. A client that could do more is given as this protocol.
    :param clock: the day of the prices is today, in UTC.
    :param spool: a local folder of this attempt alone, for long rows that are in the sample.
    :param sample_rows: how many rows of each model are counted, at least 2.
    :param confidence: of the interval, above 0 and below 1.
    """

    def __init__(
        self,
        *,
        prices: PriceList,
        service: EstimateService,
        clock: Clock,
        spool: Path,
        sample_rows: int = SAMPLE_ROWS,
        confidence: float = CONFIDENCE,
    ) -> None:
        self._prices = prices
        self._service = service
        self._clock = clock
        self._files = RowFiles(spool)
        self._sample_rows = sample_rows
        self._confidence = confidence
        self._counts = TokenCounts(service, clock)
        self._described: dict[str, pendulum.DateTime | str | None] = {}

    def estimate(self, rows: Iterable[PreparedRow | InvalidRow], job: EstimatedJob, *, seed: str) -> Estimate:
        """Return what a job of these rows would cost, if its batches were created today.

        :param rows: prepared as for a submission; read once, and closed.
        :param seed: which rows are drawn depends on it and on the rows; the unit of work is a good one.
        :raises ConfigurationError: the prompt cache cannot be used as asked; see :func:`.marked_rows`.
        :raises ApiError: the service does not count now, although it was asked for several minutes.
        """
        calls, now = self._counts.calls, self._clock.now()
        marked = unmarked_rows(rows) if job.cache is None else marked_rows(rows, job.cache, tokens=self._counts)
        seen = self._read(marked, job, seed)
        prefix = _prefix(marked, job, seen)
        models = self._models(seen, job, prefix, now)
        if is_refused := self._is_refused(seen):
            models = {model: replace(each, unknown=EVERY_ROW_REFUSED) for model, each in models.items()}
        notes = [
            *(caveats.of_output(job.output, models) if models else ()),
            *(caveats.of_cache(prefix, marked.why_unmarked) if models else ()),
            *([caveats.of_uncounted_prefix()] if marked.cache is not None and prefix is None else ()),
            *self._notes_of_sample(seen, has_own_marks=marked.cache is None),
            *([caveats.of_refusal_of_all(sum(each.rows for each in models.values()))] if is_refused else ()),
            *caveats.of_invalid_rows(seen.invalid_rows, seen.first_reason),
            *(caveats.of_repair(job.repair) if models else ()),
            *self._notes_of_models(models, job, now),
        ]
        return Estimate(
            models=models,
            invalid_rows=seen.invalid_rows,
            request_bytes=seen.batches.request_bytes,
            batches=seen.batches.batches(job.pilot, is_primed=marked.cache is not None),
            in_flight=job.max_requests_in_flight,
            counted_calls=self._counts.calls - calls,
            confidence=self._confidence,
            notes=tuple(notes),
        )

    def _models(
        self, seen: SeenRows, job: EstimatedJob, prefix: CachedPrefix | None, now: pendulum.DateTime
    ) -> dict[str, ModelEstimate]:
        """Return what the rows of each model cost, at the prices of this day."""
        models: dict[str, ModelEstimate] = {}
        largest = max(seen.strata.values(), key=lambda stratum: stratum.rows, default=None)
        for kind, stratum in sorted(seen.strata.items(), key=str):
            prices = self._prices.of(kind.model, now, kind.geography)
            own_prefix = prefix if prefix is None or stratum is largest else prefix.written_by_others()
            found = stratum.estimate(prices, job.output, own_prefix, self._tokens)
            models[kind.model] = models.get(kind.model, ModelEstimate()) + found
        return models

    def _read(self, marked: MarkedRows, job: EstimatedJob, seed: str) -> SeenRows:
        has_prefix = marked.cache is not None and marked.cache.prefix_tokens is not None
        seen = SeenRows(
            job.limits,
            draws=self._sample_rows,
            seed=seed,
            files=self._files,
            shared_blocks=job.cache.shared_blocks if has_prefix and job.cache is not None else 0,
            prefix_bytes=marked.prefix_bytes if has_prefix else 0,
        )
        with closed_after(marked.rows):
            for row in marked.rows:
                seen.add(row)
        return seen

    def _tokens(self, row: KeptRow) -> int | Refused:
        """Return the tokens of a row's prompt; a content that was counted is not counted again."""
        if row.tokens is None:
            row.tokens = self._counts.of(row.params())
        return row.tokens

    def _is_refused(self, seen: SeenRows) -> bool:
        """Return whether the API refuses all rows of the sample: a mistake in the question, and no job for nothing."""
        sampled = [row for stratum in seen.strata.values() for row in stratum.sample.kept()]
        return bool(sampled) and all(isinstance(self._tokens(row), Refused) for row in sampled)

    def _notes_of_sample(self, seen: SeenRows, *, has_own_marks: bool) -> Iterator[Caveat]:
        """Yield what the rows of the sample show.

        :param has_own_marks: whether marks of the prompt cache are the rows' own.
        """
        refused: dict[int, str] = {}
        sampled = marks = 0
        tools: set[str] = set()
        for stratum in seen.strata.values():
            for row in stratum.sample.kept():
                params, tokens = row.params(), self._tokens(row)
                sampled += 1
                marks += has_own_marks and own_mark(params) is not None
                tools.update(server_tools(params))
                if isinstance(tokens, Refused):
                    refused[row.number] = tokens.reason
        numbers = sorted(refused)
        yield from caveats.of_refusals(numbers, sampled, refused[numbers[0]] if numbers else "")
        if marks:
            yield caveats.of_own_marks(marks)
        yield from caveats.of_tools(tools)

    def _notes_of_models(
        self, models: Mapping[str, ModelEstimate], job: EstimatedJob, now: pendulum.DateTime
    ) -> Iterator[Caveat]:
        """Yield which models have no price, and what the API says of them; each is looked up once."""
        for model, each in models.items():
            if each.unknown and each.unknown != EVERY_ROW_REFUSED:
                yield caveats.of_unknown_price(model, each.rows, each.unknown)
        days = days_in_queue(sum(each.rows for each in models.values()), job.max_requests_in_flight)
        done_by = now + (LONGEST_LIFE - BATCH_EXPIRES_AFTER) + days * BATCH_EXPIRES_AFTER
        for model in models:
            if model not in self._described:
                self._described[model] = self._described_now(model)
            found = self._described[model]
            if isinstance(found, str):
                yield caveats.of_unknown_model(model, found)
            elif found is not None:
                yield from caveats.of_retirement(model, found, done_by)

    def _described_now(self, model: str) -> pendulum.DateTime | str | None:
        """Return when a model retires, None if no date is known, or why it could not be looked up."""
        try:
            info = self._service.model(model)
        except ApiError as error:
            return str(error)
        return retirement_of(info)


def _prefix(marked: MarkedRows, job: EstimatedJob, seen: SeenRows) -> CachedPrefix | None:
    if marked.cache is None or marked.cache.prefix_tokens is None:
        return None
    writes = None if job.pilot == 0 else seen.batches.shards
    return CachedPrefix(tokens=marked.cache.prefix_tokens, ttl=marked.cache.ttl, expected_writes=writes)
