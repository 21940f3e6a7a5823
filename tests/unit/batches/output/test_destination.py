"""The owner of a destination, settled before anything is spent for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from anthropic_batches_provider.batches.collection import (
    JobCollection,
    collect_batches,
    collect_job,
)
from anthropic_batches_provider.batches.ledger import LocalStorage
from anthropic_batches_provider.batches.output.destination import (
    MANIFEST_NAME,
    OWNER_NAME,
    Destination,
    check_destination,
    claim_destination,
)
from anthropic_batches_provider.errors import BatchesNotEndedError, ConfigurationError, DestinationOwnedError
from tests.worlds.ended_jobs import NONCE, OWNER, EndedJob, ended_job, succeeded

OTHER = "dag/other/2026-11-21/-"


@pytest.fixture
def job(tmp_path: Path) -> EndedJob:
    return ended_job(tmp_path, [[succeeded(f"{NONCE}-0-0")]], [[b'{"id":"a"}']])


def destination(folder: Path, owner: str = OWNER, storage: LocalStorage | None = None) -> Destination:
    return Destination(storage=storage or LocalStorage(folder), owner=owner)


def test_a_look_leaves_nothing_and_a_claim_the_owners_name(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert check_destination(destination(out)) is None
    assert not out.exists()
    for _ in range(2):
        assert claim_destination(destination(out)) is None
    assert [path.name for path in out.iterdir()] == [OWNER_NAME]
    assert json.loads((out / OWNER_NAME).read_bytes())["owner"] == OWNER


def test_what_one_owner_has_claimed_every_other_is_refused_and_told_what_to_remove(tmp_path: Path) -> None:
    claim_destination(destination(tmp_path))
    for attempt in (check_destination, claim_destination):
        with pytest.raises(DestinationOwnedError) as raised:
            attempt(destination(tmp_path, OTHER))
        for said in (OWNER, OTHER, OWNER_NAME, MANIFEST_NAME, "Nothing was written or spent", "{{ ds }}"):
            assert said in str(raised.value)
    (tmp_path / OWNER_NAME).unlink()
    claim_destination(destination(tmp_path, OTHER))
    with pytest.raises(DestinationOwnedError):
        check_destination(destination(tmp_path))


def test_a_job_that_is_to_be_collected_has_its_destination_from_then_on(job: EndedJob) -> None:
    JobCollection(job.folder, job.service, job.destination(), job.settings)
    attempts: list[Callable[[], object]] = [
        lambda: JobCollection(job.folder, job.service, job.destination(owner=OTHER), job.settings),
        lambda: collect_job(job.folder, job.service, job.destination(owner=OTHER), job.settings),
        lambda: collect_batches(["msgbatch_0"], job.service, job.destination(owner=OTHER), job.settings),
    ]
    for attempt in attempts:
        with pytest.raises(DestinationOwnedError):
            attempt()
    assert job.service.fetched == []
    assert collect_job(job.folder, job.service, job.destination(), job.settings).counts.succeeded == 1


def test_batches_that_cannot_be_collected_yet_take_no_destination(job: EndedJob) -> None:
    service = job.service
    service.batches["msgbatch_0"] = replace(service.batches["msgbatch_0"], processing_status="in_progress")
    with pytest.raises(BatchesNotEndedError):
        collect_batches(["msgbatch_0"], service, job.destination(), job.settings)
    assert job.files() == {}


def test_marker_and_manifest_must_agree(job: EndedJob) -> None:
    collect_job(job.folder, job.service, job.destination(), job.settings)
    (job.output / OWNER_NAME).write_bytes(b'{"version":1,"owner":"%b"}' % OTHER.encode())
    before = job.files()
    for owner in (OWNER, OTHER):
        with pytest.raises(DestinationOwnedError):
            collect_job(job.folder, job.service, job.destination(owner=owner), job.settings)
    assert job.files() == before


def test_an_output_without_a_marker_gets_one(job: EndedJob) -> None:
    collect_job(job.folder, job.service, job.destination(), job.settings)
    marker = (job.output / OWNER_NAME).read_bytes()
    (job.output / OWNER_NAME).unlink()
    with pytest.raises(DestinationOwnedError):
        claim_destination(job.destination(owner=OTHER))
    collect_job(job.folder, job.service, job.destination(), job.settings)
    assert job.files()[OWNER_NAME] == marker


@pytest.mark.parametrize("content", [b"", b"not json", b"{}", b"\xff", b'{"owner":1}'])
def test_a_marker_that_cannot_be_read_counts_as_anothers(tmp_path: Path, content: bytes) -> None:
    (tmp_path / OWNER_NAME).write_bytes(content)
    with pytest.raises(DestinationOwnedError, match=r"cannot be read.*another folder"):
        claim_destination(destination(tmp_path))
    assert (tmp_path / OWNER_NAME).read_bytes() == content


class Meeting(LocalStorage):
    """A store on which another owner claims at the same moment as this one."""

    def create(self, path: str, content: bytes) -> None:
        LocalStorage.create(LocalStorage(self._root), path, content.replace(OWNER.encode(), OTHER.encode()))
        super().create(path, content)


class LastOneWins(LocalStorage):
    """A store that ignores existing objects."""

    def create(self, path: str, content: bytes) -> None:
        (self._root / path).write_bytes(content)
        (self._root / path).write_bytes(content.replace(OWNER.encode(), OTHER.encode()))


@pytest.mark.parametrize("store", [Meeting, LastOneWins])
def test_of_two_owners_that_claim_at_once_one_is_refused(tmp_path: Path, store: type[LocalStorage]) -> None:
    with pytest.raises(DestinationOwnedError):
        claim_destination(destination(tmp_path, storage=store(tmp_path)))
    claim_destination(destination(tmp_path, OTHER))


def test_a_store_that_says_exists_and_shows_nothing_is_told(tmp_path: Path) -> None:
    class Strange(LocalStorage):
        def create(self, path: str, content: bytes) -> None:
            raise FileExistsError(path)

    with pytest.raises(ConfigurationError, match="cannot be written"):
        claim_destination(destination(tmp_path, storage=Strange(tmp_path)))
