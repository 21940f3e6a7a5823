"""``anthropic-batches estimate``: what a task of a DAG would cost, before it is run."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from anthropic_batches_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from anthropic_batches_provider.edge.run_dates import PlannedRun
    from anthropic_batches_provider.operators.stints.estimating import EstimatedRun, JobEstimates

_HELP = """Estimate what a task that sends rows would cost. Nothing is spent, and no batch is created.
It reads the rows of the task as a run would, and counts the tokens of a few with the API, which is free."""


def main(program: str, arguments: Sequence[str]) -> int:
    """Run the command; return the exit code.

    :param program: its name, for its help.
    """
    options = _options(program, arguments)
    with _logs_apart():
        found = _estimate(options)
    if options.json:
        print(json.dumps(found.as_dict(), ensure_ascii=False, indent=2))
        return 0
    from anthropic_batches_provider.operators.stints.estimating import date_line

    for name, estimate in found.by_run.items():
        if name:
            print(date_line(name, estimate))
    print("\n".join(found.lines(f"DAG {options.dag}, task {options.task}")))
    return 0


@contextmanager
def _logs_apart() -> Iterator[None]:
    """Send what Airflow and DAG files print to the standard error, so that the output holds the estimate alone."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)  # loggers hold the stream that was there when they were made
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def _options(program: str, arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=program, description=_HELP)
    parser.add_argument("dag", help="id of the DAG")
    parser.add_argument("task", help="id of its task that sends rows")
    parser.add_argument("--file", metavar="PATH", help="file of the DAG (default: searched in this Airflow's DAGs)")
    parser.add_argument("--date", action="append", metavar="DATE", help="a logical date, in ISO 8601; may be repeated")
    parser.add_argument("--from", dest="first", metavar="DATE", help="the first logical date of a backfill; with --to")
    parser.add_argument("--to", dest="last", metavar="DATE", help="the last logical date of a backfill, included")
    parser.add_argument("--conf", metavar="JSON", help="values of the DAG's params, as a JSON object")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--earlier-job", metavar="URI", help="an earlier job, whose pilot shows how long answers are")
    length.add_argument("--output-share", type=float, metavar="SHARE", help="share of max_tokens that answers use")
    parser.add_argument("--sample-rows", type=int, metavar="N", help="how many rows are counted (default: 50)")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")
    options = parser.parse_args(arguments)
    if (options.first is None) != (options.last is None):
        parser.error("--from and --to go together")
    if options.first is not None and options.date is not None:
        parser.error("--date and --from exclude each other")
    return options


def _estimate(options: argparse.Namespace) -> JobEstimates:
    conf = _conf(options.conf)
    from anthropic_batches_provider.cli.dag_tasks import find_task
    from anthropic_batches_provider.edge.arguments import check_count
    from anthropic_batches_provider.edge.estimates import output_expectation
    from anthropic_batches_provider.edge.run_dates import planned_runs
    from anthropic_batches_provider.operators.stints.estimating import (
        DEFAULT_SAMPLE_ROWS,
        FEWEST_SAMPLE_ROWS,
        EstimateTerms,
        estimated,
    )

    sample_rows = DEFAULT_SAMPLE_ROWS if options.sample_rows is None else options.sample_rows
    check_count("sample_rows", sample_rows, least=FEWEST_SAMPLE_ROWS)
    task = find_task(options.dag, options.task, options.file)
    dates = _dates(options)
    planned = planned_runs(dates or [datetime.now(UTC)], task.dag)
    terms = EstimateTerms(
        output=output_expectation(options.earlier_job, options.output_share),
        prices=getattr(task, "prices", None),
        sample_rows=sample_rows,
    )
    runs = (_run(task, run, conf, run.name if dates else "") for run in planned)
    return estimated(runs, terms, jobs=len(planned))


def _run(task: Any, planned: PlannedRun, conf: dict[str, Any], name: str) -> EstimatedRun:
    from anthropic_batches_provider.edge.run_contexts import context_without_run
    from anthropic_batches_provider.operators.stints.estimating import rendered_task, run_of
    from anthropic_batches_provider.operators.stints.rows_operator import RowsOperator

    context = context_without_run(task.dag, task, planned, conf)
    return run_of(rendered_task(task, RowsOperator.template_fields, context), context, name)


def _dates(options: argparse.Namespace) -> list[str] | dict[str, str] | None:
    if options.first is not None:
        return {"from": options.first, "to": options.last}
    dates: list[str] | None = options.date
    return dates


def _conf(text: str | None) -> dict[str, Any]:
    try:
        conf = {} if text is None else json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"--conf is no JSON: {error}. Nothing was sent.") from None
    if not isinstance(conf, dict):
        raise ConfigurationError("--conf must be a JSON object of values by param. Nothing was sent.")
    return conf
