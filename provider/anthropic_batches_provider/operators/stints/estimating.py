"""Estimates what the jobs of an operator that sends rows would cost, from its arguments.

Invariants: the rows are read, checked and encoded as a submission does it; no job is opened, nothing is written to the
storage, and no batch is created: the estimator is given only calls that are free.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.edge.prices import price_list
from anthropic_batches_provider.edge.rendered_values import beta_headers
from anthropic_batches_provider.edge.spools import task_spool
from anthropic_batches_provider.errors import ConfigurationError, EmptyInputError
from anthropic_batches_provider.operators.stints.job_arguments import JobArguments
from anthropic_batches_provider.operators.stints.job_input import JobInput
from anthropic_batches_provider.operators.stints.tokens_with_betas import TokensWithBetas

if TYPE_CHECKING:
    from airflow.sdk import Context

    from anthropic_batches_provider.batches.client import MessageBatchClient
    from anthropic_batches_provider.batches.clock import Clock
    from anthropic_batches_provider.batches.estimates import Estimate, EstimatedJob, Estimator, OutputExpectation
    from anthropic_batches_provider.batches.invalid_rows import InvalidRow
    from anthropic_batches_provider.batches.rows import PreparedRow
    from anthropic_batches_provider.batches.service import ModelService

log = logging.getLogger(__name__)

DEFAULT_SAMPLE_ROWS = 50
FEWEST_SAMPLE_ROWS = 2
FEWEST_SAMPLED = 5
"""Rows that are counted for each date at least; over many dates, the errors of few rows cancel each other."""

_Rows = Iterable["PreparedRow | InvalidRow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatedRun:
    """One job that would be sent.

    :param name: its date, where several are estimated; else "".
    :param input: its rows and its question.
    """

    name: str
    input: JobInput


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateTerms:
    """What an estimate rests on besides the rows.

    :param output: what is known of the answers' length.
    :param prices: the user's own prices, or None.
    :param sample_rows: how many rows are counted for one job.
    """

    output: OutputExpectation
    prices: Mapping[str, Any] | None
    sample_rows: int

    def sample_rows_of(self, jobs: int) -> int:
        """Return how many rows are counted in each of several jobs: together twice as many as in one."""
        return min(self.sample_rows, max(FEWEST_SAMPLED, math.ceil(2 * self.sample_rows / jobs)))


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEstimates:
    """The estimates of several jobs.

    :param by_run: by the name of their run, those that have rows.
    """

    by_run: dict[str, Estimate]

    @property
    def together(self) -> Estimate:
        """The estimate of all of them."""
        from anthropic_batches_provider.batches.estimates import total

        return total(self.by_run.values())

    def lines(self, title: str) -> list[str]:
        """Return lines for the log or a terminal about all jobs together.

        :param title: what is estimated.
        """
        dates = sum(1 for name in self.by_run if name)
        return self.together.lines(f"{title}, {counted(dates, 'date')}" if dates else title)

    def as_dict(self) -> dict[str, Any]:
        """Return the figures of all jobs together, as :meth:`.Estimate.as_dict` has them, and those of each date."""
        dated = {name: estimate for name, estimate in self.by_run.items() if name}
        return {**self.together.as_dict(), "dates": [_dated(name, each) for name, each in dated.items()]}


def _dated(name: str, estimate: Estimate) -> dict[str, Any]:
    found = estimate.as_dict()
    kept = ("rows", "invalid_rows", "batches", "low_usd", "expected_usd", "high_usd", "bound_usd", "live_usd")
    return {"date": name, **{key: found[key] for key in kept}}


def rendered_task(task: Any, fields: Sequence[str], context: Context, *, seen_oids: Iterable[int] = ()) -> Any:
    """Return a copy of an operator with its template fields rendered in a context; the operator stays as it is.

    :param fields: the names of those that are rendered.
    :param context: its ``task`` is replaced by the copy.
    :param seen_oids: ids of values that are the output of other tasks, and are never rendered.
    """
    rendered = copy(task)
    context["task"] = rendered
    environment = rendered.get_template_env()
    for name in fields:
        value = getattr(rendered, name)
        if callable(value):  # as Airflow takes it
            value = value(context=context, jinja_env=environment)
        elif value is not None:
            value = rendered.render_template(value, context, environment, set(seen_oids))
        setattr(rendered, name, value)
    return rendered


def run_of(task: Any, context: Context, name: str = "") -> EstimatedRun:
    """Return the job that an operator with rendered template fields would send."""
    return EstimatedRun(name=name, input=JobInput(JobArguments.of(task), context))


def estimated(
    runs: Iterable[EstimatedRun],
    terms: EstimateTerms,
    *,
    jobs: int,
    watch: Callable[[_Rows], _Rows] = lambda rows: rows,
) -> JobEstimates:
    """Estimate jobs, one after another; log a line about each if there are several.

    :param runs: in their order; each is read, and forgotten. The connection and the betas of the first count.
    :param jobs: how many there are, at least one.
    :param watch: yields the rows of a job unchanged, and reports how far it is.
    :raises EmptyInputError: a job has no rows, or none has; the former only if ``on_empty`` is not ``"skip"``.
    :raises ConfigurationError: a job could not be sent as it is.
    """
    from anthropic_batches_provider.batches.clock import SystemClock
    from anthropic_batches_provider.batches.estimates import Estimator
    from anthropic_batches_provider.hooks import MessageBatchHook

    by_run: dict[str, Estimate] = {}
    pending, clock = iter(runs), SystemClock()
    first = next(pending)
    conn_id, betas = first.input.arguments.conn_id, beta_headers(first.input.arguments.betas)
    with MessageBatchHook(conn_id).client() as client, task_spool() as spool:
        service = _FreeCalls(client, betas)
        estimator = Estimator(
            prices=price_list(terms.prices, client.settings, conn_id),
            service=service,
            clock=clock,
            spool=spool,
            sample_rows=terms.sample_rows_of(jobs),
        )
        reading = _Reading(estimator, terms.output, service, clock, spool, watch)
        for run in chain([first], pending):
            found = reading.estimate(run)
            if found is not None:
                by_run[run.name] = found
            if run.name:
                log.info("%s", date_line(run.name, found))
    if not by_run:
        raise EmptyInputError("There are no rows: nothing to estimate.")
    return JobEstimates(by_run=by_run)


def date_line(name: str, estimate: Estimate | None) -> str:
    """Return what is said of one of several dates.

    :param estimate: None if it has no rows.
    """
    from anthropic_batches_provider.batches.money.dollars import rounded_dollars

    if estimate is None:
        return f"{name}: no rows"
    rows, cost = counted(estimate.rows, "row"), estimate.cost
    if cost is None:
        return f"{name}: {rows}, cost unknown"
    low, expected, high = (rounded_dollars(pico) for pico in (cost.low, cost.expected, cost.high))
    return f"{name}: {rows}, {'at least ' * estimate.at_least}{expected} ({low} to {high})"


class _FreeCalls:
    """Counts tokens, and describes models; it asks for each model once: the jobs of a year have the same one."""

    def __init__(self, client: MessageBatchClient, betas: Sequence[str]) -> None:
        self.count_tokens = TokensWithBetas(client, betas).count_tokens
        self.model = cache(client.model)
        self.models = client.models


@dataclass(frozen=True, slots=True)
class _Reading:
    """Reads the rows of jobs for their estimates."""

    estimator: Estimator
    output: OutputExpectation
    models: ModelService
    clock: Clock
    spool: Path
    watch: Callable[[_Rows], _Rows]

    def estimate(self, run: EstimatedRun) -> Estimate | None:
        """Return the estimate of a job; None if it has no rows, and may have none."""
        job_input = run.input
        try:
            job_input.check_new()
            job, seed = self._job(job_input), job_input.plan.unit.folder
            with TemporaryDirectory(dir=self.spool) as folder:
                return self.estimator.estimate(self._rows(job_input, Path(folder)), job, seed=seed)
        except EmptyInputError as error:
            if job_input.arguments.on_empty == "skip":
                return None
            raise EmptyInputError(_of_date(run.name, f"{job_input.source}: {error}")) from error
        except ConfigurationError as error:
            error.args = (_of_date(run.name, str(error)), *error.args[1:])
            raise

    def _job(self, job_input: JobInput) -> EstimatedJob:
        from anthropic_batches_provider.batches.estimates import EstimatedJob

        plan = job_input.plan
        return EstimatedJob(
            limits=plan.limits,
            cache=plan.prompt_cache,
            pilot=plan.pilot,
            repair=plan.repair,
            max_requests_in_flight=job_input.arguments.max_requests_in_flight,
            output=self.output,
        )

    def _rows(self, job_input: JobInput, folder: Path) -> Iterator[PreparedRow | InvalidRow]:
        """Yield the rows that a submission would send, and the invalid ones among them.

        :raises EmptyInputError: there are none.
        :raises InvalidRowError: more are invalid than the job allows.
        """
        from anthropic_batches_provider.batches.closing import closed_after
        from anthropic_batches_provider.batches.invalid_rows import InvalidRow
        from anthropic_batches_provider.batches.submission.invalid_row_limit import InvalidRowLimit
        from anthropic_batches_provider.batches.submission.model_lookup import with_known_model

        plan, rows_read = job_input.plan, 0
        limit = InvalidRowLimit(plan.max_failed_rows)
        with closed_after(self.watch(job_input.prepared_rows(folder))) as prepared:
            rows = with_known_model(prepared, self.models, now=self.clock.now(), repair=plan.repair)
            for row in rows:
                rows_read += 1
                if isinstance(row, InvalidRow):
                    limit.take(row)
                yield row
        if not rows_read:
            raise EmptyInputError('There are no rows. If that is fine, set on_empty="skip". Nothing was sent.')
        limit.check(rows=rows_read)


def _of_date(name: str, text: str) -> str:
    return f"Date {name}: {text}" if name else text
