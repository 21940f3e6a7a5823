"""The ledger's facts about one shard: every intent to send it, and how its batch ended."""

from __future__ import annotations

from dataclasses import dataclass

from anthropic_batches_provider.batches.ledger.records import (
    Adopted,
    BatchRecord,
    EndRecord,
    IntentRecord,
    OutcomeRecord,
    ShardRecord,
    Submitted,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One intent to create the batch of a shard and, if it is settled, its outcome."""

    intent: IntentRecord
    outcome: OutcomeRecord | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardState:
    """The ledger's facts about one shard."""

    shard: ShardRecord
    attempts: tuple[Attempt, ...] = ()
    end: EndRecord | None = None

    @property
    def batch(self) -> BatchRecord | None:
        """The batch that the shard was sent as, submitted or adopted; None until one is known."""
        for attempt in self.attempts:
            if attempt.outcome is not None and isinstance(attempt.outcome.outcome, (Submitted, Adopted)):
                return attempt.outcome.outcome.batch
        return None

    @property
    def open_intent(self) -> IntentRecord | None:
        """The intent whose outcome is not known, if there is one; a batch may exist for it."""
        for attempt in self.attempts:
            if attempt.outcome is None:
                return attempt.intent
        return None

    @property
    def is_running(self) -> bool:
        """Whether it has a batch that is not recorded as ended."""
        return self.batch is not None and self.end is None
