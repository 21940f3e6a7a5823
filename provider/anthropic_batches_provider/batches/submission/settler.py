"""Settles a create call whose answer was lost: lists batches, reads proofs, and lets ``settlement_rules`` decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec
import pendulum

from anthropic_batches_provider.batches.batch_ids import is_batch_id
from anthropic_batches_provider.batches.byte_lines import LineTooLongError, grouped_lines
from anthropic_batches_provider.batches.clock import SERVICE_CLOCK_SKEW
from anthropic_batches_provider.batches.ledger import IntentRecord, JobFolder
from anthropic_batches_provider.batches.limits import MAX_RESULT_LINE_BYTES
from anthropic_batches_provider.batches.message_batch import MessageBatch, moment
from anthropic_batches_provider.batches.results import read_loosely
from anthropic_batches_provider.batches.service import SettlingService
from anthropic_batches_provider.batches.sharding import custom_id_prefix
from anthropic_batches_provider.batches.submission.settlement_rules import (
    Candidate,
    Decision,
    Proof,
    Prove,
    settle,
)
from anthropic_batches_provider.batches.undecodable import UNDECODABLE, check_nesting
from anthropic_batches_provider.errors import ApiConnectionError, ApiError

# The list is newest first; so many older batches in a row are no odd entries among newer ones.
_SURELY_OLDER = 100


class Settler:
    """Searches the service for the batch of an unresolved create call.

    :param nonce: the job's; the custom_ids of its requests begin with it.
    :param service_now: returns the service's time.
    """

    def __init__(
        self,
        job: JobFolder,
        service: SettlingService,
        *,
        nonce: str,
        service_now: Callable[[], pendulum.DateTime],
    ) -> None:
        self._job = job
        self._service = service
        self._nonce = nonce
        self._service_now = service_now
        self._proofs: dict[tuple[str, int], Proof] = {}

    def look(self, intent: IntentRecord) -> Decision:
        """Return the decision on the call as of now; never :class:`Prove`, which is carried out here.

        :raises ApiError: the service could not be asked; nothing is decided.
        """
        appears_until = settles_at(intent)
        # Take the moment before the listing: a batch that the listing does not show did not exist then.
        now = self._service_now()
        batches = self._possible_batches(intent)
        decision = settle(self._candidates(batches, intent.shard), appears_until=appears_until, now=now)
        if isinstance(decision, Prove):
            for batch_id in decision.batch_ids:
                self._note_proof(batch_id, intent, self.prove(batch_id, intent))
            decision = settle(self._candidates(batches, intent.shard), appears_until=appears_until, now=now)
        return decision

    def note_foreign(self, batch_id: str, shard: int) -> None:
        """Note that another job or shard has claimed a batch, which is therefore not this shard's."""
        self._proofs[batch_id, shard] = Proof.FOREIGN

    def _possible_batches(self, intent: IntentRecord) -> list[MessageBatch]:
        since, until = moment(intent.at) - SERVICE_CLOCK_SKEW, settles_at(intent) + SERVICE_CLOCK_SKEW
        latest = self._service_now() + SERVICE_CLOCK_SKEW
        known_foreign = self._job.claims.foreign_to(intent)
        found, older_in_a_row = [], 0
        for batch in self._service.list():
            created_at = batch.created_at
            if created_at is not None and created_at > latest:
                created_at = None  # nothing is created in the future: the time is not known
            older_in_a_row = older_in_a_row + 1 if created_at is not None and created_at < since else 0
            if older_in_a_row >= _SURELY_OLDER:
                break
            is_too_late = created_at is not None and created_at > until
            if older_in_a_row or is_too_late or batch.id in known_foreign or not _may_hold(batch, intent.requests):
                continue
            claim = self._job.claims.claim_of(batch.id) if batch.has_well_formed_id else None
            if claim is None:
                found.append(batch)
            elif (claim.job, claim.shard) == (self._job.path, intent.shard):
                self._proofs[batch.id, intent.shard] = Proof.OURS
                found.append(batch)
        return found

    def _note_proof(self, batch_id: str, intent: IntentRecord, proof: Proof) -> None:
        """Note a proof; what was proven foreign stays so, and is never read again."""
        self._proofs[batch_id, intent.shard] = proof
        if proof is Proof.FOREIGN:
            self._job.claims.record_foreign(intent, batch_id)

    def _candidates(self, batches: Sequence[MessageBatch], shard: int) -> list[Candidate]:
        # A proof is about a batch and a shard: a batch that is foreign to one shard may be the batch of another.
        return [Candidate(batch=batch, proof=self._proofs.get((batch.id, shard), Proof.NOT_TRIED)) for batch in batches]

    def prove(self, batch_id: str, intent: IntentRecord) -> Proof:
        """Return whose batch it is, by the first result of a batch that has ended.

        Only a whole line that is a result can prove that a batch is not ours. A proxy's answer, or a line that was cut,
        proves nothing.
        """
        if not is_batch_id(batch_id):
            return Proof.UNPROVABLE  # such a batch cannot be asked about
        try:
            with self._service.results(batch_id) as chunks:
                line, is_whole = _first_line(chunks)
        except ApiConnectionError:
            raise
        except (ApiError, LineTooLongError):  # whatever its results answer, one batch holds up no other candidate
            return Proof.UNPROVABLE
        custom_id = _answered_custom_id(line)
        if custom_id is None:
            return Proof.UNPROVABLE
        if not (is_whole or intent.requests == 1):
            return Proof.UNPROVABLE
        is_ours = custom_id.startswith(custom_id_prefix(self._nonce, intent.shard))
        return Proof.OURS if is_ours else Proof.FOREIGN


def _may_hold(batch: MessageBatch, requests: int) -> bool:
    """Return whether a batch may hold so many requests: it does, or the service does not say how many it holds."""
    return not batch.request_counts.are_known or batch.request_counts.total == requests


class _Result(msgspec.Struct, frozen=True):
    custom_id: str
    result: msgspec.Raw


_DECODE_RESULT = msgspec.json.Decoder(_Result)


def _answered_custom_id(line: bytes) -> str | None:
    """Return the custom_id of the request that a line of results answers; None if it is no result."""
    try:
        check_nesting(line)
        return _DECODE_RESULT.decode(line).custom_id
    except UNDECODABLE:
        found = read_loosely(line)
        custom_id = found.get("custom_id")
        return custom_id if isinstance(custom_id, str) and "result" in found else None


def settles_at(intent: IntentRecord) -> pendulum.DateTime:
    """Return the moment of the service's clock after which the call can no longer produce a batch."""
    return moment(intent.at) + pendulum.duration(seconds=intent.settles_after_seconds)


def _first_line(chunks: Iterator[bytes]) -> tuple[bytes, bool]:
    """Return the first line, and whether its end was seen.

    :raises LineTooLongError: it has no end within the bound of a result.
    """
    for lines in grouped_lines(chunks, missing_end=b"", max_line_bytes=MAX_RESULT_LINE_BYTES):
        return lines[0].removesuffix(b"\n"), lines[0].endswith(b"\n")
    return b"", False
