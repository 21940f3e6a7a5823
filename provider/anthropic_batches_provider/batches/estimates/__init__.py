"""What a job will cost, within stated bounds, before anything is spent.

How the rest of the package uses it::

    estimator = Estimator(prices=prices, service=client, clock=clock, spool=folder)
    estimate = estimator.estimate(prepared_rows, EstimatedJob(limits=limits, output=Share(0.25)), seed="dag/task/unit")
    estimate.as_dict(), estimate.lines()

    # For several dates: one estimator, so that equal rows are counted once.
    total(estimates)

Invariants: an estimate gets only calls that are free, those of :class:`.EstimateService`, so it can create no batch; it
is given no storage, so it leaves nothing there. Equal rows, arguments and seed give an equal estimate.
"""

from __future__ import annotations

from anthropic_batches_provider.batches.estimates.estimate import Estimate, total
from anthropic_batches_provider.batches.estimates.estimator import EstimatedJob, EstimateService, Estimator
from anthropic_batches_provider.batches.estimates.model_estimate import Bounds, ModelEstimate
from anthropic_batches_provider.batches.estimates.output_tokens import (
    UNKNOWN_OUTPUT,
    FromPilot,
    OutputExpectation,
    Share,
    UnknownOutput,
)

__all__ = [
    "UNKNOWN_OUTPUT",
    "Bounds",
    "Estimate",
    "EstimateService",
    "EstimatedJob",
    "Estimator",
    "FromPilot",
    "ModelEstimate",
    "OutputExpectation",
    "Share",
    "UnknownOutput",
    "total",
]
