"""Which job a batch belongs to, and which batches were proven not to be those of a lost create call."""

from __future__ import annotations

from anthropic_batches_provider.batches.ledger.job_records import JobRecords
from anthropic_batches_provider.batches.ledger.record_format import create_once, decode
from anthropic_batches_provider.batches.ledger.records import ClaimRecord, ForeignRecord, IntentRecord


class BatchClaims:
    """The claims and proofs of one job; claims lie beside all jobs, and are never listed."""

    def __init__(self, records: JobRecords) -> None:
        self._records = records

    def claim(self, batch_id: str, shard: int) -> bool:
        """Claim a batch for this job; return False if it belongs to another job or shard."""
        return create_once(
            self._records.storage, f"claims/{batch_id}.json", ClaimRecord(job=self._records.path, shard=shard)
        )

    def claim_of(self, batch_id: str) -> ClaimRecord | None:
        """Return which job a batch belongs to; None if no job has claimed it."""
        path = f"claims/{batch_id}.json"
        try:
            content = self._records.storage.read(path)
        except FileNotFoundError:
            return None
        return decode(content, ClaimRecord, where=f"{self._records.storage.uri}/{path}")

    def record_foreign(self, intent: IntentRecord, batch_id: str) -> None:
        """Record that a batch was proven not to be that of a create call whose answer was lost."""
        self._records.create(_foreign_name(intent, batch_id), ForeignRecord(batch_id=batch_id))

    def foreign_to(self, intent: IntentRecord) -> frozenset[str]:
        """Return the batches that were proven not to be that of a create call whose answer was lost."""
        beginning = _foreign_name(intent, "")
        folder, _, prefix = beginning.rpartition("/")
        names = (name for name in self._records.list(folder) if name.startswith(prefix))
        return frozenset(name.removeprefix(prefix).removesuffix(".json") for name in names)


def _foreign_name(intent: IntentRecord, batch_id: str) -> str:
    name = f"foreign/{intent.shard:05d}-{intent.attempt:02d}-{batch_id}"
    return f"{name}.json" if batch_id else name
