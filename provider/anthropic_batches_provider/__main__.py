"""The command line: ``python -m anthropic_batches_provider settle JOB …``."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence

from anthropic_batches_provider.batches.batch_ids import check_batch_id
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.errors import ConfigurationError, MessageBatchesError

_JOB_FOLDER = re.compile(r"/job-\d{4,}/?\Z")
_SETTLE_HELP = """Settle a create call whose answer was lost, if the service cannot prove its outcome.
Find the batches in the Claude Console first: a wrong --none pays twice, a wrong --adopt mixes up answers."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        print(_settle(options))
    except MessageBatchesError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m anthropic_batches_provider")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    settle = commands.add_parser("settle", help="settle an unresolved create call manually", description=_SETTLE_HELP)
    settle.add_argument("job", help="URI of the job folder, as the error message names it")
    settle.add_argument("--shard", type=int, help="the shard; required if several create calls are unresolved")
    settle.add_argument("--conn-id", help="the Airflow connection; default: the one the job was submitted with")
    word = settle.add_mutually_exclusive_group()
    word.add_argument("--adopt", metavar="BATCH", help="this batch holds the shard")
    word.add_argument("--none", action="store_true", help="no batch was made; the next attempt sends the shard again")
    return parser


def _settle(options: argparse.Namespace) -> str:
    from anthropic_batches_provider.batches.clock import SystemClock
    from anthropic_batches_provider.batches.submission import ask_time
    from anthropic_batches_provider.batches.submission.by_hand import adopt_by_hand, open_intents, void_by_hand
    from anthropic_batches_provider.edge.job_references import find_job
    from anthropic_batches_provider.hooks import MessageBatchHook

    if not _JOB_FOLDER.search(options.job):
        raise ConfigurationError(
            f"{options.job} is no URI of a job folder. Copy the URI from the task's error or log: it ends with the "
            "job's number, as in job-0001. Nothing was recorded."
        )
    if options.adopt is not None:
        check_batch_id(options.adopt, "--adopt")
    job = find_job(options.job)
    doubts = open_intents(job)
    chosen = [intent for intent in doubts if options.shard in (None, intent.shard)]
    if len(chosen) != 1 or not (options.adopt or options.none):
        listed = "".join(
            f"\n  shard {doubt.shard}: {counted(doubt.requests, 'request')}, sent at {doubt.at}" for doubt in doubts
        )
        return f"{counted(len(doubts), 'unresolved create call')} of {job.uri}.{listed}"
    (intent,) = chosen
    with MessageBatchHook(options.conn_id or job.description().conn_id).client() as client:
        service_clock = ask_time(client, SystemClock())
        if options.none:
            void_by_hand(job, intent, service_clock=service_clock)
            return f"Shard {intent.shard} is recorded as not sent. Clear the submitting task: it sends the shard again."
        adopt_by_hand(job, intent, options.adopt, service=client, service_clock=service_clock)
        return f"Shard {intent.shard} is recorded as {options.adopt}. Clear the submitting task: it resumes from there."


if __name__ == "__main__":
    sys.exit(main())
