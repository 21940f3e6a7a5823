"""Whether all files of a job are there: lifecycle rules and partial restores remove single ones.

What must be there: the seal of every shard about which anything is recorded; an intent before an outcome, and every
intent before it; the outcome that names a batch before its end; the rows of each sealed shard; its requests until its
batch has ended, after which they are removed. And what no correct history leads to is not there: two open intents of a
shard, or two outcomes that name one batch. Such a job is not continued: to guess is to pay twice, or to swap answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set

from anthropic_batches_provider.batches.ledger.ledger_index import LedgerIndex, ended_name, intent_name, outcome_name
from anthropic_batches_provider.batches.ledger.records import Adopted, BatchRecord, ShardRecord, Submitted
from anthropic_batches_provider.batches.ledger.shard_state import ShardState
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.errors import CorruptLedgerError

_RESTORE = (
    "Restore it from a backup, or from another version of the object. Check whether a lifecycle rule of the store, a "
    "partial restore or a person has removed files."
)
_NAMED = 5


def check_facts(
    uri: str, index: LedgerIndex, states: Mapping[int, ShardState], batches: Callable[[], Sequence[BatchRecord]]
) -> None:
    """Check that every recorded fact has those before it.

    :param uri: the job's, for the message.
    :param states: the state of each sealed shard, as read from the same listing.
    :param batches: returns the batches that are known.
    :raises CorruptLedgerError: a record is missing, or records contradict each other.
    """
    if unsealed := sorted(index.shards - states.keys()):
        raise CorruptLedgerError(
            f"A record of the shards of {uri} (sealed*.json) is lost: none lists {_shards(unsealed)}, which its ledger "
            f"knows. {_RESTORE} {_known(batches())} Nothing was sent: sealing the rows anew would pay for them again, "
            "and could join answers to other rows."
        )
    for number, intents in index.intents.items():
        if lost := sorted(set(range(1, max(intents))) - intents):
            _raise_lost(uri, intent_name(number, lost[0]), "a later intent of that shard is there", batches())
    for number, attempt in sorted(index.outcomes):
        if attempt not in index.intents.get(number, ()):
            _raise_lost(uri, intent_name(number, attempt), "the record of its outcome is there", batches())
    for number in sorted(index.ends):
        state = states[number]
        if state.batch is None and state.end is not None:
            last = max(index.intents.get(number, ()), default=1)
            _raise_lost(
                uri, outcome_name(number, last), f"{ended_name(number)} says that its batch {state.end.batch_id} ended",
                batches(), f" Or record the batch again: anthropic-batches settle '{uri}' --shard "
                f"{number} --adopt {state.end.batch_id}.",
            )  # fmt: skip

    _check_consistent(uri, states, batches)


def _check_consistent(uri: str, states: Mapping[int, ShardState], batches: Callable[[], Sequence[BatchRecord]]) -> None:
    for number, state in states.items():
        opened = [attempt.intent.attempt for attempt in state.attempts if attempt.outcome is None]
        if len(opened) > 1:
            named = ", ".join(f"ledger/{outcome_name(number, attempt)}" for attempt in opened)
            raise CorruptLedgerError(
                f"Shard {number} of {uri} has {len(opened)} create calls without an outcome, and one at most can be "
                f"({named}). Restore the outcome that is lost. If none is, two attempts have sent the shard: look up "
                f"its batches in the Claude Console, and settle each call manually "
                f"(anthropic-batches settle '{uri}'). {_known(batches())} Nothing was sent."
            )
    ids = Counter(
        attempt.outcome.outcome.batch.batch_id
        for state in states.values()
        for attempt in state.attempts
        if attempt.outcome is not None and isinstance(attempt.outcome.outcome, (Submitted, Adopted))
    )
    if repeated := [batch_id for batch_id, times in ids.items() if times > 1]:
        raise CorruptLedgerError(
            f"Several outcomes in the ledger of {uri} name one batch: {_named(repeated)}. Check whether records were "
            "copied or changed: answers would go to the wrong rows. Nothing was sent or published."
        )


def check_files(uri: str, shards: Sequence[ShardRecord], files: Set[str], index: LedgerIndex, collected: int) -> None:
    """Check that the files of the sealed shards are there.

    :param shards: those of every round.
    :param files: the paths of all requests and rows in the job folder.
    :param index: the ledger, listed after the files.
    :param collected: number of shards, of all rounds, of the latest complete collection.
    :raises CorruptLedgerError: one is missing.
    """

    def is_needed(shard: ShardRecord) -> bool:
        """Return whether its requests cannot have been removed yet: only those of written results are."""
        number = shard.shard
        return not (number in index.ends or number in index.parts or number < collected)

    lost = [shard.rows_file for shard in shards if shard.rows_file not in files]
    lost += [shard.requests_file for shard in shards if is_needed(shard) and shard.requests_file not in files]
    if lost:
        raise CorruptLedgerError(
            f"{_named(lost)} of {uri} {'is' if len(lost) == 1 else 'are'} lost. {_RESTORE} Of "
            f"{counted(len(shards), 'shard')}, {len(index.ends):,} ended. Nothing was sent, and no output was changed. "
            "Results stay at Anthropic for 29 days after submission: batch_ids= collects them without the rows' own "
            "columns."
        )


def _raise_lost(uri: str, name: str, proof: str, batches: Sequence[BatchRecord], instead: str = "") -> None:
    raise CorruptLedgerError(
        f"{uri}/ledger/{name} is lost: {proof}. {_RESTORE}{instead} {_known(batches)} Nothing was sent: to send the "
        "shard again could pay for it twice."
    )


def _known(batches: Sequence[BatchRecord]) -> str:
    ids = [batch.batch_id for batch in batches]
    named = f": {_named(ids)}; batch_ids= collects their results, which stay at Anthropic for 29 days" if ids else ""
    return f"Known are {counted(len(ids), 'batch')}{named}."


def _shards(numbers: Sequence[int]) -> str:
    return f"{'shard' if len(numbers) == 1 else 'shards'} {_named([str(number) for number in numbers])}"


def _named(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + rest
