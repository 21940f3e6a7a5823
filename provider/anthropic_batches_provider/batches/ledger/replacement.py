"""Whether another job takes a job's place: then nothing more is sent for it."""

from __future__ import annotations

from anthropic_batches_provider.batches.ledger.job_records import JobRecords
from anthropic_batches_provider.batches.ledger.records import AbandonedRecord, ContestRecord, VerdictRecord


class Replacement:
    """Abandons a job, or contests it: a changed question asks to replace a job that has cost nothing."""

    def __init__(self, records: JobRecords) -> None:
        self._records = records

    def record_abandonment(self, at: str) -> None:
        """Record that another job takes this one's place; call this before canceling anything of this one."""
        self._records.create("abandoned.json", AbandonedRecord(at=at))

    def is_abandoned(self) -> bool:
        """Return whether another job takes this one's place."""
        return self._records.read("abandoned.json", AbandonedRecord) is not None

    def record_contest(self, at: str) -> None:
        """Record that a changed question asks to replace this job; only then check what was sent."""
        self._records.create("contested.json", ContestRecord(at=at))

    def decide_contest(self, *, keep: bool) -> bool:
        """Decide an open contest, unless another attempt has decided it first; return whether the job is kept."""
        if self._records.create("contest-verdict.json", VerdictRecord(kept=keep)):
            return keep
        verdict = self._records.read("contest-verdict.json", VerdictRecord)
        assert verdict is not None  # noqa: S101 - records are never removed
        return verdict.kept

    def has_lost_contest(self) -> bool:
        """Return whether a contest was decided against this job: then nothing of it cost, or will cost, anything."""
        verdict = self._records.read("contest-verdict.json", VerdictRecord)
        return verdict is not None and not verdict.kept

    def is_replaced(self) -> bool:
        """Return whether nothing more may be sent for this job; this decides no contest."""
        return self.is_abandoned() or self.has_lost_contest()

    def keep_place(self) -> bool:
        """Return whether this job may continue, for an attempt of its own; decides an open contest in its favor.

        Call it between an intent and its POST. A task that contests the job records the contest first, and looks for
        intents afterwards. So either that task sees this intent, or this call sees the contest.
        """
        if self.is_abandoned():
            return False
        return self._records.read("contested.json", ContestRecord) is None or self.decide_contest(keep=True)
