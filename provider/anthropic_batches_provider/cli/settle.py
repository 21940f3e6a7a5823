"""``anthropic-batches settle``: a person records what became of a create call that the service cannot prove."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from anthropic_batches_provider.batches.batch_ids import check_batch_id
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.ledger import IntentRecord, JobFolder

_JOB_FOLDER = re.compile(r"(/[^/]+){4}/job-\d{4,}/?\Z")
_HELP = """Settle a create call whose answer was lost, if the service cannot prove its outcome.
Without --adopt or --none, list the unresolved create calls and change nothing.
Find the batches in the Claude Console first: a wrong --none pays twice, a wrong --adopt mixes up answers."""


def main(program: str, arguments: Sequence[str]) -> int:
    """Run the command; return the exit code.

    :param program: its name, for its help.
    """
    print(_settle(_parser(program).parse_args(arguments)))
    return 0


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program, description=_HELP)
    parser.add_argument("job", help="URI of the job folder, as the error message names it")
    parser.add_argument("--shard", type=int, help="the shard; required if several create calls are unresolved")
    parser.add_argument("--conn-id", help="the Airflow connection (default: the one the job was submitted with)")
    word = parser.add_mutually_exclusive_group()
    word.add_argument("--adopt", metavar="BATCH", help="this batch holds the shard")
    word.add_argument("--none", action="store_true", help="no batch was made; the next attempt sends the shard again")
    return parser


def _settle(options: argparse.Namespace) -> str:
    if not _JOB_FOLDER.search(options.job):
        raise ConfigurationError(
            f"{options.job} is no URI of a job folder. Copy the URI from the task's error or log: it ends with the "
            "job's number, as in job-0001. Nothing was recorded."
        )
    if options.adopt is not None:
        check_batch_id(options.adopt, "--adopt")
    from anthropic_batches_provider.batches.clock import SystemClock
    from anthropic_batches_provider.batches.submission import ask_time
    from anthropic_batches_provider.batches.submission.by_hand import adopt_by_hand, open_intents, void_by_hand
    from anthropic_batches_provider.edge.job_references import find_job
    from anthropic_batches_provider.hooks import MessageBatchHook

    job = find_job(options.job)
    doubts = open_intents(job)
    if not (options.adopt or options.none):
        return _listed(job, doubts)
    intent = _chosen(job, doubts, options.shard)
    with MessageBatchHook(options.conn_id or job.description().conn_id).client() as client:
        service_clock = ask_time(client, SystemClock())
        if options.none:
            void_by_hand(job, intent, service_clock=service_clock)
            return f"Shard {intent.shard} is recorded as not sent. Clear the submitting task: it sends the shard again."
        adopt_by_hand(job, intent, options.adopt, service=client, service_clock=service_clock)
        return f"Shard {intent.shard} is recorded as {options.adopt}. Clear the submitting task: it resumes from there."


def _chosen(job: JobFolder, doubts: Sequence[IntentRecord], shard: int | None) -> IntentRecord:
    """Return the create call that the options name.

    :raises ConfigurationError: they name none, or there are several.
    """
    chosen = [intent for intent in doubts if shard in (None, intent.shard)]
    if len(chosen) == 1:
        return chosen[0]
    step = "Name one with --shard." if doubts else "Clear the submitting task: it continues by itself."
    raise ConfigurationError(f"{_listed(job, doubts)}\n{step} Nothing was recorded.")


def _listed(job: JobFolder, doubts: Sequence[IntentRecord]) -> str:
    listed = "".join(
        f"\n  shard {doubt.shard}: {counted(doubt.requests, 'request')}, sent at {doubt.at}" for doubt in doubts
    )
    return f"{counted(len(doubts), 'unresolved create call')} of {job.uri}.{listed}"
