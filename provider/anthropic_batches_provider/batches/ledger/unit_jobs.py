"""The jobs of a unit of work: one folder each, numbered in the order in which they were opened."""

from __future__ import annotations

import re
from dataclasses import dataclass

from anthropic_batches_provider.batches.ledger.job_folder import JobFolder
from anthropic_batches_provider.batches.ledger.record_format import create_once
from anthropic_batches_provider.batches.ledger.records import JobRecord
from anthropic_batches_provider.batches.ledger.storage import Storage
from anthropic_batches_provider.errors import CorruptLedgerError, LedgerError

_JOB = re.compile(r"job-(\d{4,})\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitJobs:
    """The jobs of a unit, from one listing.

    :param jobs: oldest first.
    :param next_number: the number of the next job; a folder that is being removed keeps its number.
    """

    jobs: tuple[JobFolder, ...]
    next_number: int

    def latest(self, edition: str) -> JobFolder | None:
        """Return the latest job of an edition; None if it has none."""
        return next((job for job in reversed(self.jobs) if job.description().edition == edition), None)


def jobs_of(storage: Storage, unit_folder: str) -> UnitJobs:
    """Return the jobs of a unit of work.

    An empty folder is no job: a crash leaves one, and so does an attempt that is opening a job, for a moment. A folder
    with ``pruned.json`` is being removed, and is no job either.

    :param unit_folder: see :attr:`UnitOfWork.folder`.
    :raises CorruptLedgerError: a folder has lost its description, so that nothing in it can be judged.
    """
    numbers = sorted(int(found[1]) for name in storage.list(unit_folder) if (found := _JOB.match(name)))
    jobs, next_number = [], 1
    for number in numbers:
        folder = JobFolder(storage, f"{unit_folder}/job-{number:04d}")
        names = folder.names()
        if not names:
            continue
        next_number = number + 1
        if "pruned.json" in names:
            continue
        if not folder.exists():
            raise CorruptLedgerError(
                f"{folder.uri}/job.json is lost, but other files of the job are there ({', '.join(names)}). Restore it "
                "from a backup, or from another version of the object: nothing else says whose job this is and which "
                "batches are its own. If the job is not needed any more, remove its whole folder: its batches, if "
                "any, run on and are billed. Nothing was sent, and no output was changed."
            )
        jobs.append(folder)
    return UnitJobs(jobs=tuple(jobs), next_number=next_number)


def create_job(storage: Storage, unit_folder: str, record: JobRecord, *, after: UnitJobs) -> JobFolder:
    """Create the next job of a unit, or return the one that another attempt created since the listing.

    :param after: the unit's jobs, from the listing that showed that a new one is needed. This listing numbers the job.
        With a later listing, two attempts that both found none would each open one, and pay for the whole unit twice.
    :raises LedgerError: another attempt has created a job that asks for something else.
    """
    folder = JobFolder(storage, f"{unit_folder}/job-{after.next_number:04d}")
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
