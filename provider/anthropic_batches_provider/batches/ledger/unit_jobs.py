"""The jobs of a unit of work: one folder each, numbered in the order in which they were opened."""

from __future__ import annotations

import re
from collections.abc import Sequence
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
    :param undescribed: folders that have lost their description, oldest first.
    """

    jobs: tuple[JobFolder, ...]
    next_number: int
    undescribed: tuple[JobFolder, ...] = ()

    def latest(self, edition: str) -> JobFolder | None:
        """Return the latest job of an edition; None if it has none.

        :raises CorruptLedgerError: a later folder has lost its description, so that nothing in it can be judged; or two
            jobs of the edition are open, and the earlier one has sent something.
        """
        of_edition = [job for job in self.jobs if job.description().edition == edition]
        latest = of_edition[-1] if of_edition else None
        if self.undescribed and (latest is None or latest.name < self.undescribed[-1].name):
            folder = self.undescribed[-1]
            raise CorruptLedgerError(
                f"{folder.uri}/job.json is lost, but other files of the job are there ({', '.join(folder.names())}). "
                "Restore it from a backup, or from another version of the object: nothing else says whose job this is "
                "and which batches are its own. If the job is not needed any more, remove its whole folder: its "
                "batches, if any, run on and are billed. Nothing was sent, and no output was changed."
            )
        for job in of_edition[:-1]:
            # Earlier versions did not abandon a job that had sent nothing.
            if not job.replacement.is_replaced() and job.has_intents():
                raise CorruptLedgerError(
                    f"{job.uri} and {of_edition[-1].uri} are both open for one unit and edition, and only one can be. "
                    f"If {job.name}/abandoned.json is lost, restore it. Otherwise remove the folder of the job that "
                    "you do not need: its batches, if any, run on and are billed. Nothing was sent or published."
                )
        return latest


def jobs_of(storage: Storage, unit_folder: str) -> UnitJobs:
    """Return the jobs of a unit of work.

    A folder without a file is no job: a crash leaves one, and so does an attempt that is opening a job, for a moment. A
    folder with ``pruned.json`` is being removed, and is no job either.

    :param unit_folder: see :attr:`UnitOfWork.folder`.
    """
    numbers = sorted(int(found[1]) for name in storage.list(unit_folder) if (found := _JOB.match(name)))
    jobs: list[JobFolder] = []
    undescribed: list[JobFolder] = []
    next_number = 1
    for number in numbers:
        folder = JobFolder(storage, f"{unit_folder}/job-{number:04d}")
        names = folder.names()
        if not _has_files(folder, names):
            continue
        next_number = number + 1
        if "pruned.json" not in names:
            (jobs if folder.exists() else undescribed).append(folder)
    return UnitJobs(jobs=tuple(jobs), next_number=next_number, undescribed=tuple(undescribed))


def _has_files(folder: JobFolder, names: Sequence[str]) -> bool:
    """Return whether a job's folder has a file, and not only empty folders, as a removal on a disk leaves them."""
    return any("." in name or folder.storage.list(f"{folder.path}/{name}") for name in names)


def is_superseded(job: JobFolder) -> bool:
    """Return whether a later job of the same unit and edition is there, or this one is being removed.

    A job is abandoned before its successor is opened, so a later one says the same, should that record be lost.
    """
    latest = jobs_of(job.storage, job.unit_folder).latest(job.description().edition)
    return latest is None or latest.path != job.path


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
