"""Turns a job's rows into sealed shards, which it writes and uploads; from then on, only these shards are sent."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from anthropic_batches_provider.batches.account import Account
from anthropic_batches_provider.batches.clock import Clock
from anthropic_batches_provider.batches.closing import closed_after
from anthropic_batches_provider.batches.first_prompt import described_prompt
from anthropic_batches_provider.batches.invalid_rows import InvalidRow
from anthropic_batches_provider.batches.ledger import (
    ColumnRecord,
    FirstPromptRecord,
    JobFolder,
    SealRecord,
    SentPilot,
    Storage,
    sent_pilots,
)
from anthropic_batches_provider.batches.output.columns import RESULT_COLUMNS
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.batches.rows import RULES, PreparedRow, RowsFingerprint
from anthropic_batches_provider.batches.service import ModelService, SubmissionService, TokenService
from anthropic_batches_provider.batches.sharding import Shard, ShardLimits, cut_shards, read_request
from anthropic_batches_provider.batches.submission.cache_marking import MarkedRows, marked_rows, unmarked_rows
from anthropic_batches_provider.batches.submission.invalid_row_limit import InvalidRowLimit, InvalidRows
from anthropic_batches_provider.batches.submission.model_lookup import with_known_model
from anthropic_batches_provider.batches.submission.opening import JobOpener, JobPlan
from anthropic_batches_provider.batches.submission.pilot_choice import Pilot
from anthropic_batches_provider.batches.submission.shard_uploads import ShardUploads, upload_shard
from anthropic_batches_provider.errors import (
    ConfigurationError,
    CorruptLedgerError,
    EmptyInputError,
    InvalidRowError,
    XComLimitError,
)

log = logging.getLogger(__name__)


def sealed_job(
    storage: Storage,
    plan: JobPlan,
    *,
    read_rows: Callable[[], Iterable[PreparedRow | InvalidRow]],
    account: Account,
    service: SubmissionService,
    clock: Clock,
    spool_folder: Path,
    models: ModelService | None = None,
    tokens: TokenService | None = None,
    check_new: Callable[[], None] = lambda: None,
    columns: Callable[[], tuple[ColumnRecord, ...]] = tuple,
    contents: Callable[[], str] = lambda: "",
) -> JobFolder:
    """Return the job of a plan with its shards sealed; nothing is sent.

    A job that is sealed and unfinished continues from its shards, even if the source has changed since. The rows are
    read again only when a finished job is cleared or run again, to check whether they are still the same.

    :param read_rows: reads and prepares the rows from their beginning.
    :param models: looks up the model of a new job; None for none to be looked up.
    :param tokens: counts the prefix that is to be cached; None for it not to be counted.
    :param check_new: checks the question of a job that is not sealed yet; raises a ``ConfigurationError``.
    :param columns: returns the user's columns with their types, once the rows are read.
    :param contents: says what else the requests of a new job hold, such as images: named in the log.
    :param spool_folder: a local folder of this attempt alone.
    :raises ConfigurationError: bad rows, no rows, changed input, another account, an unknown model.
    :raises XComLimitError: the rows' own columns are too large for the output.
    """
    opener = JobOpener(
        storage, plan, account=account, service=service, clock=clock, spool_folder=spool_folder, models=models
    )
    job = opener.open()
    if job.find_seal() is not None and job.is_finished() and not job.was_finished_by(plan.tries):
        if not _has_changed(job, read_rows, plan):
            return job
        job = opener.replace_changed(job, "the rows")
    if job.find_seal() is None:
        check_new()
        limit = InvalidRowLimit(plan.max_failed_rows)
        with closed_after(read_rows()) as prepared:
            rows = prepared
            if models is not None:
                rows = with_known_model(rows, models, now=clock.now(), repair=plan.repair)
            if plan.max_columns_bytes is not None:
                rows = _within(rows, plan.max_columns_bytes)
            seal = seal_job(
                job,
                rows,
                limits=plan.limits,
                spool_folder=spool_folder,
                limit=limit,
                show_prompt=plan.show_prompt,
                shared_blocks=plan.shared_blocks,
                form=_form_of(plan),
                columns=columns,
                pilot=plan.pilot,
                mark=_marking(plan, tokens),
            )
        log.info("Sealed %s in %s at %s", counted(seal.rows, "row"), counted(len(seal.shards), "shard"), job.uri)
        for pilot in sent_pilots([seal]):
            first = "one of them goes" if pilot.requests == 1 else f"{pilot.requests:,} of them go"
            log.info("%s first, as a pilot%s.", first.capitalize(), ", and primes the prompt cache" * pilot.is_primer)
        if held := contents():
            size = sum(shard.body_bytes for shard in seal.shards)
            log.info(
                "The requests hold %s. The store holds %s bytes of requests until their rows are written.",
                held,
                f"{size:,}",
            )
    return job


def _within(rows: Iterable[PreparedRow | InvalidRow], max_bytes: int) -> Iterator[PreparedRow | InvalidRow]:
    """Yield the rows unchanged, as long as their own columns alone fit into XCom.

    :raises XComLimitError: they do not.
    """
    size = 0
    for count, row in enumerate(rows, 1):
        size += len(row.columns)
        if size > max_bytes:
            raise XComLimitError(
                f"The key and kept columns of the first {counted(count, 'row')} alone have {size:,} bytes, and the "
                f"output would add the answers, but XCom is limited to {max_bytes:,} bytes here (xcom_max_bytes=). Set "
                "destination= to the URI of a folder, such as s3://conn_id@bucket/folder/, or keep fewer columns. "
                "Nothing was sent."
            )
        yield row


def _marking(plan: JobPlan, tokens: TokenService | None) -> Callable[[Iterable[PreparedRow | InvalidRow]], MarkedRows]:
    asked = plan.prompt_cache
    return unmarked_rows if asked is None else lambda rows: marked_rows(rows, asked, tokens=tokens)


def _form_of(plan: JobPlan) -> bytes:
    return b"" if plan.output_schema is None else plan.output_schema.sent


def _has_changed(job: JobFolder, read_rows: Callable[[], Iterable[PreparedRow | InvalidRow]], plan: JobPlan) -> bool:
    """Return whether the rows of a finished job have changed; rows of other rules that cannot be compared have not.

    :raises ConfigurationError: the rows cannot be read, there are none, or more of them are invalid than when the job
        was sealed, so that nobody knows what they are now; not if the job was made by other rules, which may have
        accepted them.
    """
    seal = job.first_seal()
    try:
        seen = _Seen(_form_of(plan))
        with closed_after(read_rows()) as rows:
            for _ in seen.watch(rows):
                pass
        _check_readable(job, seal, seen)
    except ConfigurationError:
        if seal.rules == RULES:
            raise
    else:
        if seen.fingerprint.hexdigest() == seal.fingerprint:
            log.info("%s is finished, and its question and rows are still the same.", job.uri)
            return False
        if seal.rules == RULES or seen.rows != seal.rows:
            return True
    log.warning(
        "%s was submitted by another version of this package, which wrote some values in another form, so that its "
        "rows cannot be compared with those of the source now. They count as the same: only rows without a usable "
        "result are sent again. If the rows have changed and should be asked anew, give a new edition=.",
        job.uri,
    )
    return False


def _check_readable(job: JobFolder, seal: SealRecord, seen: _Seen) -> None:
    """Check that the rows of a finished job can be compared; one that cannot be read now does not show a change.

    :raises EmptyInputError: there are none.
    :raises InvalidRowError: more are invalid than when the job was sealed.
    """
    if not seen.rows:
        raise EmptyInputError(f"There are no rows any more. {_stays(job)}")
    if seen.invalid.count > sum(shard.invalid_rows for shard in seal.shards):
        raise InvalidRowError(
            f"{seen.invalid.count:,} of {counted(seen.rows, 'row')} can be made no request of now. Correct them, or "
            f"what keeps them from being read, and clear the task. {_stays(job)}{seen.invalid.reasons()}",
            row_number=seen.invalid.first_row,
        )


def _stays(job: JobFolder) -> str:
    return f"The finished job at {job.uri} stays as it is, with its answers. Nothing was sent."


def seal_job(
    job: JobFolder,
    rows: Iterable[PreparedRow | InvalidRow],
    *,
    limits: ShardLimits,
    spool_folder: Path,
    limit: InvalidRowLimit | None = None,
    show_prompt: bool = False,
    shared_blocks: int = 0,
    form: bytes = b"",
    columns: Callable[[], tuple[ColumnRecord, ...]] = tuple,
    pilot: Pilot = 0,
    mark: Callable[[Iterable[PreparedRow | InvalidRow]], MarkedRows] = unmarked_rows,
) -> SealRecord:
    """Write a job's shards and seal it; nothing is sent.

    Files carry the attempt's own name, so that two attempts at once do not mix their rows: the first to seal wins, and
    the other takes over the winner's shards. The local disk holds one shard at a time.

    :param rows: the prepared rows, in input order; read once.
    :param spool_folder: a local folder of this attempt alone.
    :param limit: judges the invalid rows; None allows none.
    :param show_prompt: whether the seal holds the text of the first prompt, and not its length and hash alone.
    :param shared_blocks: how many content blocks of the first user message all rows share, before the prompt.
    :param form: bytes of each request that ask for the form of the answers, and are no part of its row.
    :param columns: as in :func:`sealed_job`.
    :param pilot: how many rows go first.
    :param mark: marks the prefix that the requests share, for the prompt cache.
    :raises EmptyInputError: there are no rows.
    :raises InvalidRowError: more rows are invalid than allowed, or all are.
    """
    attempt = secrets.token_hex(4)
    seen = _Seen(form)
    limit = limit or InvalidRowLimit(0)
    nonce = job.description().nonce
    first_prompt: FirstPromptRecord | None = None
    marked = mark(seen.watch(rows))
    shards = ShardUploads(job, attempt, pilot, nonce, is_primed=marked.cache is not None)
    for shard in cut_shards(marked.rows, nonce=nonce, limits=limits, folder=spool_folder, on_invalid=limit.take):
        if not shard.number:
            first_prompt = _first_prompt_in(shard, with_text=show_prompt, shared_blocks=shared_blocks)
        shards.take(shard)
    if not seen.rows:
        raise EmptyInputError(
            'There are no rows. If that is fine, set on_empty="skip" to skip the task. Nothing was submitted.'
        )
    limit.check(rows=seen.rows)
    seal = SealRecord(
        rows=seen.rows,
        fingerprint=seen.fingerprint.hexdigest(),
        structured=seen.structured,
        result_columns=RESULT_COLUMNS,
        columns=columns(),
        rules=RULES,
        first_prompt=first_prompt,
        shards=shards.finished(),
        pilots=shards.pilots,
        prompt_cache=marked.cache,
    )
    return seal_round(job, seal)


def _first_prompt_in(shard: Shard, *, with_text: bool, shared_blocks: int) -> FirstPromptRecord | None:
    with shard.requests_path.open("rb") as requests:
        return described_prompt(requests.readline(), with_text=with_text, shared_blocks=shared_blocks)


def seal_round(job: JobFolder, seal: SealRecord) -> SealRecord:
    """Seal a round whose files are uploaded; if another attempt came first, take over its shards."""
    sealed = job.create_seal(seal)
    there = [f"{folder}/{name}" for folder in ("requests", "rows") for name in job.storage.list(f"{job.path}/{folder}")]
    kept, own = _files(sealed), _files(seal)
    # Files left by attempts that died or lost hold prompts: remove them. Once something was sent, such a file may be of
    # a later round that another attempt is about to seal: then only our own files are certainly unused.
    obsolete = set(there) & own if job.has_intents() else set(there)
    for file in sorted(obsolete - kept):
        job.storage.remove(f"{job.path}/{file}")
    return sealed


@dataclass(frozen=True, slots=True)
class _Again:
    """A row of a pilot, in the form that ``cut_shards`` takes; the first round holds its columns."""

    number: int
    params: bytes

    @property
    def columns(self) -> bytes:
        return b"%d" % self.number


def seal_pilot_again(job: JobFolder, sent: SentPilot, *, spool_folder: Path) -> SealRecord:
    """Seal the rows of a pilot as the next round, which is a pilot, too; nothing is sent.

    If another attempt has sealed a round after it, that round is returned: the rows are sent again once.

    :param sent: the pilot, which has shown nothing; its rows were not billed.
    :param spool_folder: a local folder of this attempt alone.
    :raises CorruptLedgerError: its requests are lost.
    """
    before = job.rounds()
    if len(before) > sent.rounds:
        return before[sent.rounds]
    attempt = secrets.token_hex(4)
    try:
        shards = tuple(
            upload_shard(job, shard, attempt, is_primer=sent.is_primer)
            for shard in cut_shards(
                _rows_again(job, sent),
                nonce=job.description().nonce,
                limits=ShardLimits(),
                folder=spool_folder,
                first_shard=sum(len(seal.shards) for seal in before),
            )
        )
    except FileNotFoundError as error:
        raise CorruptLedgerError(
            f"The requests of the pilot of {job.uri} are lost, so that it cannot be sent again. Restore its "
            f"{' and '.join(shard.requests_file for shard in sent.shards)} from a backup, or set pilot=0 to "
            "send the rest without it. Nothing was sent. The pilot's rows were not answered, and not billed."
        ) from error
    again = SealRecord(
        rows=sum(shard.requests for shard in shards),
        fingerprint="",
        round=len(before) + 1,
        structured=before[0].structured,
        pilots=len(shards),
        pilot_step=sent.step,
        shards=shards,
    )
    log.info("The pilot of %s is sent again: %s.", job.uri, counted(again.rows, "row"))
    return seal_round(job, again)


def _rows_again(job: JobFolder, sent: SentPilot) -> Iterator[_Again]:
    for shard in sent.shards:
        for line in job.lines_of(shard.requests_file):
            number, params = read_request(line)
            yield _Again(number, bytes(params))


def _files(seal: SealRecord) -> set[str]:
    return {file for shard in seal.shards for file in (shard.requests_file, shard.rows_file)}


class _Seen:
    """Counts and fingerprints the rows as they pass by."""

    def __init__(self, form: bytes) -> None:
        self.rows = 0
        self.structured = False
        self.invalid = InvalidRows()
        self.fingerprint = RowsFingerprint(form)

    def watch(self, rows: Iterable[PreparedRow | InvalidRow]) -> Iterator[PreparedRow | InvalidRow]:
        add = self.fingerprint.add
        for row in rows:
            self.rows += 1
            if isinstance(row, InvalidRow):
                self.invalid.take(row)
                self.fingerprint.add_invalid(row.columns)
                yield row
                continue
            add(row)
            if row.asks_for_json:
                self.structured = True
            yield row
