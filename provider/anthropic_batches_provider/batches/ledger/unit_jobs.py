"""The jobs of a unit of work: one folder each, numbered in the order in which they were opened."""

from __future__ import annotations

import re
from collections.abc import Sequence

from anthropic_batches_provider.batches.ledger.job_folder import JobFolder
from anthropic_batches_provider.batches.ledger.record_format import create_once
from anthropic_batches_provider.batches.ledger.records import JobRecord
from anthropic_batches_provider.batches.ledger.storage import Storage
from anthropic_batches_provider.errors import LedgerError

_JOB = re.compile(r"job-(\d{4,})\Z")


def jobs_of(storage: Storage, unit_folder: str) -> list[JobFolder]:
    """Return the jobs of a unit of work, oldest first.

    A folder without a description is not a job. A crash leaves one, and so does an attempt that is opening a job, for a
    moment.

    :param unit_folder: see :attr:`UnitOfWork.folder`.
    """
    numbers = sorted(int(found[1]) for name in storage.list(unit_folder) if (found := _JOB.match(name)))
    jobs = [JobFolder(storage, f"{unit_folder}/job-{number:04d}") for number in numbers]
    return [job for job in jobs if job.exists()]


def create_job(storage: Storage, unit_folder: str, record: JobRecord, *, after: Sequence[JobFolder]) -> JobFolder:
    """Create the next job of a unit, or return the one that another attempt created since the listing.

    :param after: the unit's jobs, from the listing that showed that a new one is needed. This listing numbers the job.
        With a later listing, two attempts that both found none would each open one, and pay for the whole unit twice.
    :raises LedgerError: another attempt has created a job that asks for something else.
    """
    number = 1 + max((int(job.name.rpartition("-")[2]) for job in after), default=0)
    folder = JobFolder(storage, f"{unit_folder}/job-{number:04d}")
    if not create_once(storage, f"{folder.path}/job.json", record):
        found = folder.description()
        if _asked(found) != _asked(record):
            raise LedgerError(
                f"Another attempt has just opened {folder.uri} for another question or edition. Run this task "
                "again once the other attempt has ended. This attempt sent nothing."
            )
    return folder


def _asked(record: JobRecord) -> tuple[object, ...]:
    return record.question, record.edition, record.owner, record.key_columns, record.column_prefix
