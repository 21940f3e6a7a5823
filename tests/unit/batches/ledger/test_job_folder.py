"""The files in a job's folder determine its state; an unknown outcome never counts as an answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from anthropic_batches_provider.batches.ledger import (
    AccountRecord,
    BatchRecord,
    CollectionRecord,
    EndRecord,
    IntentRecord,
    JobFolder,
    JobRecord,
    LocalStorage,
    OutcomeRecord,
    PartRecord,
    Refused,
    SealRecord,
    ShardRecord,
    Submitted,
    TallyRecord,
    UnitJobs,
    UnitOfWork,
    Void,
    create_job,
    jobs_of,
    latest_parts,
    slug,
)
from anthropic_batches_provider.batches.ledger.records import Outcome
from anthropic_batches_provider.errors import CorruptLedgerError, JobNotFoundError

UNIT = UnitOfWork(dag_id="labels", task_id="submit", unit="2026-11-21T00:00:00+00:00")
BATCH = BatchRecord(batch_id="msgbatch_1", created_at="2026-11-21T00:00:00Z", expires_at="2026-11-22T00:00:00Z")


def record(nonce: str = "aaaaaaaaaaaa") -> JobRecord:
    return JobRecord(
        nonce=nonce,
        owner=UNIT.owner,
        edition="",
        account=AccountRecord(base_url="http://127.0.0.1"),
        conn_id="anthropic_default",
        run_id="manual",
        opened_at="2026-11-21T00:00:00Z",
        question="q",
    )


def shard(number: int) -> ShardRecord:
    return ShardRecord(
        shard=number, requests=2, first_row=2 * number, body_bytes=9, requests_file="requests/x", rows_file="rows/x"
    )


def intent(number: int, attempt: int, nonce: str = "n") -> IntentRecord:
    return IntentRecord(
        shard=number, attempt=attempt, requests=2, nonce=nonce, at="2026-11-21T00:00:00Z", settles_after_seconds=1560
    )


def outcome(number: int, attempt: int, what: Outcome) -> OutcomeRecord:
    return OutcomeRecord(shard=number, attempt=attempt, at="2026-11-21T00:00:00Z", outcome=what)


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path)


@pytest.fixture
def job(storage: LocalStorage) -> JobFolder:
    job = create_job(storage, UNIT.folder, record(), after=UnitJobs(jobs=(), next_number=1))
    job.create_seal(SealRecord(rows=4, fingerprint="f", shards=(shard(0), shard(1))))
    return job


def test_jobs_of_a_unit_are_numbered_and_found_in_order(storage: LocalStorage) -> None:
    assert jobs_of(storage, UNIT.folder).jobs == ()
    names = [
        create_job(storage, UNIT.folder, record(f"{number:012x}"), after=jobs_of(storage, UNIT.folder)).name
        for number in range(11)
    ]
    assert names == [f"job-{number:04d}" for number in range(1, 12)]
    assert [job.name for job in jobs_of(storage, UNIT.folder).jobs] == names


def test_a_job_without_a_folder_is_an_error_and_never_a_new_job(storage: LocalStorage) -> None:
    with pytest.raises(JobNotFoundError, match="Check whether its folder was removed"):
        JobFolder(storage, f"{UNIT.folder}/job-0001").description()


def test_the_first_seal_holds_and_later_ones_get_it(job: JobFolder) -> None:
    late = job.create_seal(SealRecord(rows=9, fingerprint="other", shards=()))
    assert (late.rows, late.fingerprint) == (4, "f")


def test_a_shard_is_sent_by_whoever_creates_its_intent(job: JobFolder) -> None:
    assert job.record_intent(intent(0, 1, "mine"))
    assert not job.record_intent(intent(0, 1, "yours"))
    (first, second) = job.shards()
    assert first.open_intent is not None
    assert first.open_intent.nonce == "mine"
    assert (second.open_intent, second.batch) == (None, None)


def test_an_intent_has_one_outcome(job: JobFolder) -> None:
    job.record_intent(intent(0, 1))
    assert job.record_outcome(outcome(0, 1, Submitted(batch=BATCH)))
    assert not job.record_outcome(outcome(0, 1, Void(reason="late")))
    (first, _) = job.shards()
    assert (first.batch, first.open_intent) == (BATCH, None)
    assert job.batches() == [BATCH]


def test_after_a_refusal_the_next_attempt_is_the_open_one(job: JobFolder) -> None:
    job.record_intent(intent(1, 1))
    job.record_outcome(outcome(1, 1, Refused(status=429, reason="queue full")))
    assert job.shards()[1].open_intent is None
    job.record_intent(intent(1, 2))
    state = job.shard_state(shard(1))
    assert len(state.attempts) == 2
    assert state.open_intent == intent(1, 2)


def test_a_batch_is_claimed_by_one_job_and_shard(job: JobFolder, storage: LocalStorage) -> None:
    other = create_job(storage, UNIT.folder, record("bbbbbbbbbbbb"), after=jobs_of(storage, UNIT.folder))
    assert job.claims.claim("msgbatch_1", 0)
    assert job.claims.claim("msgbatch_1", 0)
    assert not job.claims.claim("msgbatch_1", 1)
    assert not other.claims.claim("msgbatch_1", 0)
    claim = other.claims.claim_of("msgbatch_1")
    assert claim is not None
    assert (claim.job, claim.shard) == (job.path, 0)
    assert job.claims.claim_of("msgbatch_2") is None


def test_every_collection_leaves_its_record(job: JobFolder) -> None:
    assert job.last_collection() is None
    for rows in (3, 4):
        job.record_collection(CollectionRecord(destination="xcom", rows=4, usable_rows=rows, at="now", shards=2))
    last = job.last_collection()
    assert last is not None
    assert last.usable_rows == 4


def as_another_process_sees(job: JobFolder) -> JobFolder:
    """A process knows what it wrote itself, and does not read it again."""
    return JobFolder(job.storage, job.path)


def test_an_end_seen_twice_is_no_conflict(job: JobFolder) -> None:
    for counts in ({"succeeded": 2}, {"succeeded": 2}, {"succeeded": 1}):
        job.record_end(EndRecord(shard=0, batch_id="msgbatch_1", ended_at=None, request_counts=counts))


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"null", b'{"record": "job"}', b'{"record": "sealed", "version": 2}', b"\xff\xfe", b'{"version": 1}'],
)
def test_a_torn_or_foreign_record_stops_with_a_message(job: JobFolder, tmp_path: Path, content: bytes) -> None:
    (tmp_path / job.path / "sealed.json").write_bytes(content)
    with pytest.raises(CorruptLedgerError, match="Nothing was spent"):
        as_another_process_sees(job).shards()


def test_a_record_that_cannot_be_read_is_not_absent(job: JobFolder, tmp_path: Path) -> None:
    path = tmp_path / job.path / "sealed.json"
    path.unlink()
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        as_another_process_sees(job).shards()


@pytest.mark.parametrize(
    ("text", "kept"),
    [("plain_name-1.x", True), ("2026-11-21", True), ("a/b", False), ("..", False), (".hidden", False), ("", False),
     ("é", False), ("x" * 200, False), ("a b", False)],
)  # fmt: skip
def test_a_slug_is_one_safe_name_and_keeps_texts_apart(text: str, kept: bool) -> None:
    name = slug(text)
    assert (name == text) is kept
    assert "/" not in name
    assert not name.startswith(".")
    assert 0 < len(name) <= 90
    assert slug(text + "!") != name


def test_units_that_a_slug_would_confuse_have_folders_of_their_own() -> None:
    folders = {UnitOfWork(dag_id="d", task_id="t", unit=unit).folder for unit in ("a/b", "a-b", "a b", "a:b", "../a-b")}
    assert len(folders) == 5


def part(shard: int, shards: int, name: str) -> PartRecord:
    return PartRecord(
        shard=shard, collection=1, name=name, rows=1, bytes=1, shards=shards, written_as="w", tally=TallyRecord()
    )


def test_the_latest_part_of_a_shard_is_the_one_with_the_most_rounds_in_whichever_order() -> None:
    parts = [part(0, 2, "first"), part(0, 5, "with all rounds"), part(0, 3, "with two"), part(1, 2, "another")]
    for order in (parts, parts[::-1]):
        assert {shard: found.name for shard, found in latest_parts(order).items()} == {
            0: "with all rounds",
            1: "another",
        }


# ------------------------------------------------------------------------------------------------------ what is lost


def everything(job: JobFolder) -> None:
    """Record a shard that was refused, sent and ended, and a second one that is open."""
    for attempt, done in ((1, Refused(status=529, reason="overloaded")), (2, Submitted(batch=BATCH))):
        job.record_intent(intent(0, attempt))
        job.record_outcome(OutcomeRecord(shard=0, attempt=attempt, at="2026-11-21T00:00:00Z", outcome=done))
    job.record_end(EndRecord(shard=0, batch_id="msgbatch_1", ended_at=None, request_counts={"succeeded": 2}))
    job.record_intent(intent(1, 1))


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        ("sealed.json", r"sealed\*\.json.*none lists shards 0, 1.*would pay for them again"),
        ("ledger/00000-01-intent.json", r"00000-01-intent.json is lost: a later intent.*Known are 1 batch: msgbatch_1"),
        ("ledger/00000-02-intent.json", r"00000-02-intent.json is lost: the record of its outcome is there"),
        ("ledger/00000-02-outcome.json", r"00000-02-outcome.json is lost.*msgbatch_1 ended.*--adopt msgbatch_1"),
    ],
)
def test_a_fact_without_those_before_it_is_an_error(job: JobFolder, tmp_path: Path, lost: str, told: str) -> None:
    everything(job)
    (tmp_path / job.path / lost).unlink()
    with pytest.raises(CorruptLedgerError, match=told):
        as_another_process_sees(job).shards()


def test_two_open_intents_of_a_shard_are_an_error(job: JobFolder) -> None:
    job.record_intent(intent(0, 1))
    job.record_intent(intent(0, 2))
    with pytest.raises(CorruptLedgerError, match=r"Shard 0 .* has 2 create calls without an outcome.*settle"):
        as_another_process_sees(job).shards()


def test_two_outcomes_that_name_one_batch_are_an_error(job: JobFolder) -> None:
    for number in (0, 1):
        job.record_intent(intent(number, 1))
        done = Submitted(batch=BATCH)
        job.record_outcome(OutcomeRecord(shard=number, attempt=1, at="2026-11-21T00:00:00Z", outcome=done))
    with pytest.raises(CorruptLedgerError, match=r"Several outcomes .* name one batch: msgbatch_1"):
        as_another_process_sees(job).shards()


def test_two_open_jobs_of_a_unit_and_edition_are_an_error(job: JobFolder, storage: LocalStorage) -> None:
    later = create_job(storage, UNIT.folder, record("bbbbbbbbbbbb"), after=jobs_of(storage, UNIT.folder))
    latest = jobs_of(storage, UNIT.folder).latest("")
    assert latest is not None, "earlier versions did not abandon a job that had sent nothing"
    job.record_intent(intent(0, 1))
    with pytest.raises(CorruptLedgerError, match=r"job-0001 and .*job-0002 are both open.*abandoned.json"):
        jobs_of(storage, UNIT.folder).latest("")
    job.replacement.record_abandonment("2026-11-21T00:00:00Z")
    latest = jobs_of(storage, UNIT.folder).latest("")
    assert latest is not None
    assert latest.path == later.path


@pytest.mark.parametrize("lost", ["ledger/00000-01-outcome.json", "ledger/00000-ended.json"])
def test_a_fact_that_can_be_found_again_may_be_lost(job: JobFolder, tmp_path: Path, lost: str) -> None:
    everything(job)
    (tmp_path / job.path / lost).unlink()
    assert as_another_process_sees(job).shards()[1].open_intent == intent(1, 1)


def test_a_folder_without_its_description_is_an_error_unless_it_is_empty_or_being_removed(
    job: JobFolder, storage: LocalStorage, tmp_path: Path
) -> None:
    folder = tmp_path / job.path
    (folder / "job.json").unlink()
    with pytest.raises(CorruptLedgerError, match=r"job-0001/job.json is lost, but other files.*sealed.json"):
        jobs_of(storage, UNIT.folder).latest("")
    (folder / "pruned.json").write_text("{}")
    assert jobs_of(storage, UNIT.folder).jobs == ()
    assert create_job(storage, UNIT.folder, record(), after=jobs_of(storage, UNIT.folder)).name == "job-0002"


def test_a_folder_without_its_description_stops_no_later_job(
    job: JobFolder, storage: LocalStorage, tmp_path: Path
) -> None:
    later = create_job(storage, UNIT.folder, record("bbbbbbbbbbbb"), after=jobs_of(storage, UNIT.folder))
    (tmp_path / job.path / "job.json").unlink()
    latest = jobs_of(storage, UNIT.folder).latest("")
    assert latest is not None
    assert latest.path == later.path


def test_an_empty_folder_is_a_job_that_is_just_being_opened(storage: LocalStorage, tmp_path: Path) -> None:
    (tmp_path / UNIT.folder / "job-0001" / "requests").mkdir(parents=True)  # as a removal of all files leaves it
    assert create_job(storage, UNIT.folder, record(), after=jobs_of(storage, UNIT.folder)).name == "job-0001"


# ----------------------------------------------------------------------------------------------- what a stint knows


def test_a_stint_lists_its_ledger_once_and_knows_what_it_wrote(job: JobFolder) -> None:
    listed = 0
    lists = job.storage.list

    def counting(folder: str) -> list[str]:
        nonlocal listed
        listed += folder.endswith("/ledger")
        return lists(folder)

    job.storage.list = counting  # type: ignore[method-assign]
    everything(job)
    states = job.known_shards()
    assert states[0].batch == BATCH
    assert states[0].end is not None
    assert states[1].open_intent == intent(1, 1)
    assert job.shard_state(shard(1)).open_intent == intent(1, 1)
    assert job.collection_count() == 0
    assert listed == 1


def test_what_another_attempt_wrote_is_seen_where_its_record_is_met(job: JobFolder) -> None:
    job.shards()
    other = as_another_process_sees(job)
    other.record_intent(intent(1, 1, "other"))
    assert not job.record_intent(intent(1, 1))
    assert job.known_shards()[1].open_intent == intent(1, 1, "other")
    other.record_outcome(OutcomeRecord(shard=1, attempt=1, at="2026-11-21T00:00:00Z", outcome=Submitted(batch=BATCH)))
    assert job.known_shards()[1].batch is None
    assert job.shard_state(shard(1)).batch == BATCH
    assert job.known_shards()[1].batch == BATCH
