"""Which job a batch belongs to, and which batches were proven not to be those of a lost create call."""

from __future__ import annotations

from anthropic_batches_provider.batches.ledger.job_records import JobRecords
from anthropic_batches_provider.batches.ledger.record_format import create_once, decode
from anthropic_batches_provider.batches.ledger.records import ClaimRecord, ForeignRecord, IntentRecord
from anthropic_batches_provider.batches.ledger.storage import Storage


class BatchClaims:
    """The claims and proofs of one job; claims lie beside all jobs, and are never listed."""

    def __init__(self, records: JobRecords) -> None:
        self._records = records

    def claim(self, batch_id: str, shard: int) -> bool:
        """Claim a batch for this job; return False if it belongs to another job or shard."""
        return create_once(
            self._records.storage, _claim_path(batch_id), ClaimRecord(job=self._records.path, shard=shard)
        )

    def claim_of(self, batch_id: str) -> ClaimRecord | None:
        """Return which job a batch belongs to; None if no job has claimed it."""
        return claim_in(self._records.storage, batch_id)

    def record_foreign(self, intent: IntentRecord, batch_id: str) -> None:
        """Record that a batch was proven not to be that of a create call whose answer was lost."""
        self._records.create(_foreign_name(intent, batch_id), ForeignRecord(batch_id=batch_id))

    def foreign_to(self, intent: IntentRecord) -> frozenset[str]:
        """Return the batches that were proven not to be that of a create call whose answer was lost."""
        beginning = _foreign_name(intent, "")
        folder, _, prefix = beginning.rpartition("/")
        names = (name for name in self._records.list(folder) if name.startswith(prefix))
        return frozenset(name.removeprefix(prefix).removesuffix(".json") for name in names)


def claim_in(storage: Storage, batch_id: str) -> ClaimRecord | None:
    """Return which job of a storage a batch belongs to; None if no job has claimed it."""
    path = _claim_path(batch_id)
    try:
        content = storage.read(path)
    except FileNotFoundError:
        return None
    return decode(content, ClaimRecord, where=f"{storage.uri}/{path}")


def _claim_path(batch_id: str) -> str:
    return f"claims/{batch_id}.json"


def _foreign_name(intent: IntentRecord, batch_id: str) -> str:
    name = f"foreign/{intent.shard:05d}-{intent.attempt:02d}-{batch_id}"
    return f"{name}.json" if batch_id else name
