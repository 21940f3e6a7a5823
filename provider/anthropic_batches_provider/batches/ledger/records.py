"""The records of the ledger: each is one small JSON object, created once and never rewritten."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from anthropic_batches_provider.batches.account import Account
from anthropic_batches_provider.batches.ledger.record_format import Record
from anthropic_batches_provider.batches.limits import BATCH_EXPIRES_AFTER
from anthropic_batches_provider.batches.message_batch import MessageBatch, moment
from anthropic_batches_provider.batches.prompt_cache import CacheTtl

SHOWN_CHARACTERS = 2_000
PilotOutcome = Literal["passed", "refused", "unusable", "nothing", "stopped", "late"]


class AccountRecord(Record, frozen=True, kw_only=True):
    """The account that a job's batches belong to; see :class:`Account`."""

    base_url: str
    organization_id: str | None = None
    workspace_id: str | None = None

    @classmethod
    def of(cls, account: Account) -> AccountRecord:
        """Return the record of an account."""
        return cls(
            base_url=account.base_url, organization_id=account.organization_id, workspace_id=account.workspace_id
        )

    def account(self) -> Account:
        """Return the recorded account."""
        return Account(base_url=self.base_url, organization_id=self.organization_id, workspace_id=self.workspace_id)


class JobRecord(Record, frozen=True, kw_only=True):
    """The description of a job; written first, before any row is read.

    :param nonce: 12 characters that begin every custom_id of the job, so that a batch can be proven to be ours.
    :param owner: ``dag_id/task_id/unit/map_index`` as a person wrote them; decides who may write to a destination.
    :param edition: the edition that opened this job; "" for the first.
    :param account: the account that pays.
    :param conn_id: the connection that the job was opened with; human-readable, never part of the identity.
    :param question: fingerprint of the question (model, prompt, system, parameters).
    :param key_columns: names of the columns that identify a row in the output.
    :param column_prefix: put before the names of the output columns.
    :param output_schema: the JSON Schema that judges the answers; None if there is none.
    :param output_schema_hash: 32 hex digits that change when the schema does; "" without one.
    :param output_model: the pydantic model that the schema was made from, ``module:Model``; "" without one.
    """

    kind = "job"

    nonce: str
    owner: str
    edition: str
    account: AccountRecord
    conn_id: str
    run_id: str
    opened_at: str
    question: str
    betas: tuple[str, ...] = ()
    key_columns: tuple[str, ...] = ()
    column_prefix: str = ""
    output_schema: dict[str, Any] | None = None
    output_schema_hash: str = ""
    output_model: str = ""


class AbandonedRecord(Record, frozen=True, kw_only=True):
    """Another job takes this one's place: nothing more is sent for it."""

    kind = "abandoned"

    at: str


class ContestRecord(Record, frozen=True, kw_only=True):
    """A task with another question asks to replace this job, which had cost nothing when the task checked."""

    kind = "contested"

    at: str


class VerdictRecord(Record, frozen=True, kw_only=True):
    """How a contest ended; created exclusively, so that two attempts that decide at once follow the same verdict.

    :param kept: true if the job had begun to send, or its own task came back first: the job continues. Otherwise it is
        abandoned.
    """

    kind = "contest verdict"

    kept: bool


class ShardRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One sealed shard.

    :param shard: its number in the job, from 0, over all rounds.
    :param requests: number of requests.
    :param first_row: number of its first row in the input; only a shard of the first round holds consecutive rows.
    :param body_bytes: exact length of the body that sends it.
    :param requests_file: path in the job folder of its requests (JSON Lines, exactly as sent).
    :param rows_file: path in the job folder of its rows' columns (JSON Lines, aligned with the requests); in further
        rounds each line is the row's number alone.
    :param invalid_rows: number of rows without a request, which stand in the rows file alone.
    :param piloted_rows: number of rows whose request a pilot or a primer sends; they stand in the rows file alone, too.
    :param is_primer: whether it is sent to write the entry of the prompt cache that other shards read.
    """

    shard: int
    requests: int
    first_row: int
    body_bytes: int
    requests_file: str
    rows_file: str
    invalid_rows: int = 0
    piloted_rows: int = 0
    is_primer: bool = False

    @property
    def rows(self) -> int:
        """Number of rows in its part of the output, with and without a request."""
        return self.requests + self.unsent_rows

    @property
    def unsent_rows(self) -> int:
        """Number of its rows that its own batch does not send."""
        return self.invalid_rows + self.piloted_rows

    def sends_rows_of(self, part: ShardRecord) -> bool:
        """Return whether this pilot or primer, of whatever round, sends rows of a shard of the first round."""
        return bool(part.piloted_rows) and part.first_row <= self.first_row < part.first_row + part.rows


class ColumnRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A column of the user's in the output rows.

    :param name: its name.
    :param type: its type, as Arrow writes it, such as ``timestamp[us, tz=UTC]``; ``null`` if all rows lack it, and
        ``json`` if its values have no common type, so that only their JSON text has one.
    """

    name: str
    type: str


class FirstPromptRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The first prompt of a job: the text of the first user message of its first request, without the shared context.

    :param characters: its length, in Unicode characters.
    :param sha256: the SHA-256 of its UTF-8, in hexadecimal.
    :param text: its first :data:`SHOWN_CHARACTERS` characters; None unless the task asks for the text.
    :param shared_blocks: how many content blocks of that message come before it, which all rows share.
    """

    characters: int
    sha256: str
    text: str | None = None
    shared_blocks: int = 0

    @classmethod
    def of(cls, prompt: str, *, with_text: bool, shared_blocks: int = 0) -> FirstPromptRecord:
        """Return the description of a prompt."""
        return cls(
            characters=len(prompt),
            sha256=hashlib.sha256(prompt.encode()).hexdigest(),
            text=prompt[:SHOWN_CHARACTERS] if with_text else None,
            shared_blocks=shared_blocks,
        )

    def without_text(self) -> FirstPromptRecord:
        """Return this without the text."""
        return msgspec.structs.replace(self, text=None)

    def as_dict(self) -> dict[str, int | str | bool]:
        """Return the fields as plain JSON values; with a text, also whether that is cut."""
        known: dict[str, int | str | bool] = {"characters": self.characters, "sha256": self.sha256}
        if self.text is not None:
            known |= {"text": self.text, "text_is_cut": self.characters > len(self.text)}
        return known


class PromptCacheRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How the requests of a job use the prompt cache: the end of the prefix that they share is marked in each.

    :param ttl: how long an entry lives after it was written or read: ``5m`` or ``1h``.
    :param prefix_tokens: the tokens of that prefix, as the API counts them; None if they could not be counted.
    """

    ttl: CacheTtl
    prefix_tokens: int | None = None


class PilotRecord(Record, frozen=True, kw_only=True):
    """What the pilot of a job has shown.

    :param outcome: ``passed``; ``refused``: the API refuses the requests for good; ``unusable``: no answer can be used;
        ``nothing``: only errors that pass, so that it says nothing; ``stopped``: the same, and somebody must act before
        any request is answered; ``late``: it took too long.
    :param rows: its requests.
    :param succeeded: those that were answered, and billed.
    :param bad_requests: those that the API refused for good; not billed.
    :param errors: the errored rows by error type.
    :param verdicts: those that were answered, by verdict; and those that may have been billed, by their result type,
        ``missing`` or ``unreadable``.
    :param example: one error message; "" for none.
    :param input_tokens: of each answer, ascending, whatever the cache did.
    :param output_tokens: of each answer, ascending.
    :param cache_creation_tokens: written to the prompt cache.
    :param cache_read_tokens: read from it, because an earlier job has written them.
    :param model: the model that answered; "" if none did, or if they differ.
    :param seconds: from the batch's creation to its end; None if the service does not say.
    """

    kind = "pilot"

    outcome: PilotOutcome
    rows: int
    succeeded: int = 0
    bad_requests: int = 0
    errors: dict[str, int] = msgspec.field(default_factory=dict)
    verdicts: dict[str, int] = msgspec.field(default_factory=dict)
    example: str = ""
    input_tokens: tuple[int, ...] = ()
    output_tokens: tuple[int, ...] = ()
    cache_creation_tokens: int = 0
    cache_read_tokens: int = 0
    model: str = ""
    seconds: float | None = None

    @property
    def perhaps_billed(self) -> int:
        """Number of rows that were answered, or may have been."""
        return sum(self.verdicts.values())

    @property
    def cached_nothing(self) -> bool:
        """Whether rows were answered, and neither wrote to the prompt cache nor read from it."""
        return bool(self.succeeded) and not self.cache_creation_tokens + self.cache_read_tokens

    @property
    def judged(self) -> int:
        """Number of rows that say something of the rest."""
        return self.perhaps_billed + self.bad_requests


class SealRecord(Record, frozen=True, kw_only=True):
    """The shards of one round of a job: once it exists, the rows are never read again for them.

    :param rows: number of rows in its shards, with and without a request.
    :param fingerprint: order-insensitive fingerprint of the rows as sent; empty in further rounds.
    :param round: 1 for the round of all rows, 2 and more for those that still lacked a usable result.
    :param structured: whether requests ask for JSON by ``output_config.format``, so that answers are parsed.
    :param result_columns: the result's columns in each output row, so that a newer version adds none to parts that are
        there already; empty in jobs that were sealed before this was recorded.
    :param columns: of the first round: the user's columns in each output row, in order, with the types of the source;
        empty in further rounds, and in jobs that were sealed before this was recorded.
    :param rules: the rules of the fingerprint, see :data:`~rows.fingerprints.RULES`; only those of equal rules compare.
    :param repair: of a further round: for each verdict, the params that it changes where it repairs such answers.
    :param repaired: of a further round: the number of its rows that repair an answer, by verdict.
    :param first_prompt: of the first round; None in further rounds, in jobs that were sealed before this was recorded,
        and if the first request has no user message.
    :param pilots: how many of its shards, the last ones, are pilots or primers: they send rows of the others.
    :param pilot_step: of a round that only sends a pilot again: which of the first round's, from 0.
    :param prompt_cache: of the first round: how the requests use the prompt cache; None if they are not marked.
    """

    kind = "sealed"

    rows: int
    fingerprint: str
    round: int = 1
    structured: bool = False
    result_columns: tuple[str, ...] = ()
    columns: tuple[ColumnRecord, ...] = ()
    rules: int = 1
    repair: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    repaired: dict[str, int] = msgspec.field(default_factory=dict)
    first_prompt: FirstPromptRecord | None = None
    pilots: int = 0
    pilot_step: int = 0
    prompt_cache: PromptCacheRecord | None = None
    shards: tuple[ShardRecord, ...]

    @property
    def part_shards(self) -> tuple[ShardRecord, ...]:
        """The shards whose rows are the parts of the output: all but pilots."""
        return self.shards[: len(self.shards) - self.pilots]

    @property
    def pilot_shards(self) -> tuple[ShardRecord, ...]:
        """The shards that send rows of others: pilots, which are judged before the rest is sent, and primers."""
        return self.shards[len(self.shards) - self.pilots :]

    @property
    def requests(self) -> int:
        """Number of requests in its shards."""
        return sum(shard.requests for shard in self.shards)


def rounds_of_all(seals: Sequence[SealRecord]) -> int:
    """Return how many rounds count for ``max_rounds``: all but those that only sent a pilot again."""
    return sum(1 for seal in seals if seal.part_shards)


class IntentRecord(Record, frozen=True, kw_only=True):
    """A create call that is about to be made; exactly one outcome follows.

    :param attempt: its number among the intents of the shard, from 1.
    :param nonce: identifies the attempt that wrote it, to distinguish a store's "exists" from our own write.
    :param at: time of writing, by the service's clock.
    :param settles_after_seconds: how long after ``at`` the call may still produce a batch, by the bounds that the
        sender kept.
    """

    kind = "intent"

    shard: int
    attempt: int
    requests: int
    nonce: str
    at: str
    settles_after_seconds: float


class BatchRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A message batch as the service described it when it was recorded."""

    batch_id: str
    created_at: str
    expires_at: str

    @classmethod
    def of(cls, batch: MessageBatch, *, sent_at: str) -> BatchRecord:
        """Return the record of a batch.

        :param sent_at: when its call was made, in place of a creation that the service did not tell.
        """
        created_at = batch.created_at or moment(sent_at)
        latest = created_at + BATCH_EXPIRES_AFTER
        return cls(
            batch_id=batch.id,
            created_at=created_at.to_iso8601_string(),
            expires_at=min(batch.expires_at or latest, latest).to_iso8601_string(),
        )


class Submitted(msgspec.Struct, frozen=True, kw_only=True, tag="submitted"):
    """The service accepted the shard as this batch."""

    batch: BatchRecord


class Adopted(msgspec.Struct, frozen=True, kw_only=True, tag="adopted"):
    """The answer was lost, but this batch was proven to be the shard's.

    :param duplicates: further batches proven to hold the same shard; canceled, and paid for as far as they ran.
    """

    batch: BatchRecord
    duplicates: tuple[str, ...] = ()


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """The service refused the call, or the connection was never made: no batch exists, nothing is billed.

    :param status: HTTP status; None if there was no connection.
    :param in_flight: if the service accepts no more (429): how many requests of the job it held at that time.
    :param retry_after_seconds: how long the service then asked the sender to wait, if it did.
    """

    status: int | None
    reason: str
    in_flight: int | None = None
    retry_after_seconds: float | None = None


class Void(msgspec.Struct, frozen=True, kw_only=True, tag="void"):
    """The answer was lost, and the service holds no batch that could be the shard's."""

    reason: str


Outcome = Submitted | Adopted | Refused | Void


class OutcomeRecord(Record, frozen=True, kw_only=True):
    """How an intent ended; created exclusively, so that an intent has one outcome."""

    kind = "outcome"

    shard: int
    attempt: int
    at: str
    outcome: Outcome


class ForeignRecord(Record, frozen=True, kw_only=True):
    """A batch that was proven not to be that of a lost create call, so that nobody reads it again for that."""

    kind = "foreign"

    batch_id: str


class ClaimRecord(Record, frozen=True, kw_only=True):
    """The job that a batch belongs to; stored next to all jobs, under the batch's id."""

    kind = "claim"

    job: str
    shard: int


class EndRecord(Record, frozen=True, kw_only=True):
    """The service reported that a batch of the job has ended."""

    kind = "ended"

    shard: int
    batch_id: str
    ended_at: str | None
    request_counts: dict[str, int]

    @classmethod
    def of(cls, batch: MessageBatch, *, shard: int) -> EndRecord:
        """Return the record of the end of a shard's batch."""
        return cls(
            shard=shard,
            batch_id=batch.id,
            ended_at=batch.ended_at.to_iso8601_string() if batch.ended_at else None,
            request_counts=batch.request_counts.as_dict(),
        )
