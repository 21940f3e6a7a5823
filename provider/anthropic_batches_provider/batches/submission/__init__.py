"""Turns rows into batches: opens the job of a unit of work, seals its shards, and sends each shard at most once."""

from __future__ import annotations

from anthropic_batches_provider.batches.submission.job_signals import JobSignals
from anthropic_batches_provider.batches.submission.model_lookup import check_repair_models
from anthropic_batches_provider.batches.submission.next_look import NextLook
from anthropic_batches_provider.batches.submission.opening import JobPlan, OnChangedInput, reopened_job
from anthropic_batches_provider.batches.submission.pilot_choice import Pilot
from anthropic_batches_provider.batches.submission.pilot_gate import PilotRules
from anthropic_batches_provider.batches.submission.running_batches import RunningBatches, running_ids
from anthropic_batches_provider.batches.submission.sealing import seal_round, sealed_job
from anthropic_batches_provider.batches.submission.service_time import ask_time
from anthropic_batches_provider.batches.submission.settlement_rules import SubmissionBounds
from anthropic_batches_provider.batches.submission.shard_sender import SubmissionStoppedError
from anthropic_batches_provider.batches.submission.shard_uploads import upload_shard
from anthropic_batches_provider.batches.submission.submission import Submission

__all__ = [
    "JobPlan",
    "JobSignals",
    "NextLook",
    "OnChangedInput",
    "Pilot",
    "PilotRules",
    "RunningBatches",
    "Submission",
    "SubmissionBounds",
    "SubmissionStoppedError",
    "ask_time",
    "check_repair_models",
    "reopened_job",
    "running_ids",
    "seal_round",
    "sealed_job",
    "upload_shard",
]
