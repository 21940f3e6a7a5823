"""Makes an estimate: reads all rows once, and counts the tokens of a few."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from anthropic_batches_provider.batches.clock import Clock
from anthropic_batches_provider.batches.estimates.estimate import Estimate
from anthropic_batches_provider.batches.estimates.output_tokens import UNKNOWN_OUTPUT, OutputExpectation
from anthropic_batches_provider.batches.invalid_rows import InvalidRow
from anthropic_batches_provider.batches.limits import REQUESTS_IN_QUEUE
from anthropic_batches_provider.batches.money.price_list import PriceList
from anthropic_batches_provider.batches.prompt_cache import PromptCache
from anthropic_batches_provider.batches.repairs import NO_REPAIR, Repair
from anthropic_batches_provider.batches.rows import PreparedRow
from anthropic_batches_provider.batches.service import ModelService, TokenService
from anthropic_batches_provider.batches.sharding import ShardLimits
from anthropic_batches_provider.batches.submission.pilot_choice import Pilot

SAMPLE_ROWS = 50
"""So many rows of each model are counted; of rows with images and documents, so many again."""
CONFIDENCE = 0.95


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
        self._spool = spool
        self._sample_rows = sample_rows
        self._confidence = confidence

    def estimate(self, rows: Iterable[PreparedRow | InvalidRow], job: EstimatedJob, *, seed: str) -> Estimate:
        """Return what a job of these rows would cost, if its batches were created today.

        :param rows: prepared as for a submission; read once, and closed.
        :param seed: which rows are drawn depends on it and on the rows; the unit of work is a good one.
        :raises ConfigurationError: the prompt cache cannot be used as asked; see :func:`.marked_rows`.
        :raises ApiError: the service does not count now, although it was asked for several minutes.
        """
        raise NotImplementedError
