"""Our durable memory: intended spending, actual spending, and its outcome."""

from __future__ import annotations

from anthropic_batches_provider.batches.ledger.batch_claims import claim_in
from anthropic_batches_provider.batches.ledger.collection_records import (
    CollectionRecord,
    PartRecord,
    TallyRecord,
    UnusableRows,
    latest_parts,
)
from anthropic_batches_provider.batches.ledger.job_folder import JobFolder
from anthropic_batches_provider.batches.ledger.paths import UnitOfWork, slug
from anthropic_batches_provider.batches.ledger.pilots import SentPilot, pilots_by_part, sent_pilots
from anthropic_batches_provider.batches.ledger.records import (
    AccountRecord,
    Adopted,
    BatchRecord,
    ClaimRecord,
    ColumnRecord,
    EndRecord,
    FirstPromptRecord,
    IntentRecord,
    JobRecord,
    OutcomeRecord,
    PilotOutcome,
    PilotRecord,
    PromptCacheRecord,
    Refused,
    SealRecord,
    ShardRecord,
    Submitted,
    Void,
    rounds_of_all,
)
from anthropic_batches_provider.batches.ledger.shard_state import Attempt, ShardState
from anthropic_batches_provider.batches.ledger.storage import LocalStorage, Storage
from anthropic_batches_provider.batches.ledger.unit_jobs import UnitJobs, create_job, is_superseded, jobs_of

__all__ = [
    "AccountRecord",
    "Adopted",
    "Attempt",
    "BatchRecord",
    "ClaimRecord",
    "CollectionRecord",
    "ColumnRecord",
    "EndRecord",
    "FirstPromptRecord",
    "IntentRecord",
    "JobFolder",
    "JobRecord",
    "LocalStorage",
    "OutcomeRecord",
    "PartRecord",
    "PilotOutcome",
    "PilotRecord",
    "PromptCacheRecord",
    "Refused",
    "SealRecord",
    "SentPilot",
    "ShardRecord",
    "ShardState",
    "Storage",
    "Submitted",
    "TallyRecord",
    "UnitJobs",
    "UnitOfWork",
    "UnusableRows",
    "Void",
    "claim_in",
    "create_job",
    "is_superseded",
    "jobs_of",
    "latest_parts",
    "pilots_by_part",
    "rounds_of_all",
    "sent_pilots",
    "slug",
]
