"""Temporary folders of task attempts: removed however the attempt ends, and never another attempt's."""

from __future__ import annotations

import errno
import fcntl
import os
import pickle
import select
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from anthropic_batches_provider.edge.spools import task_spool
from anthropic_batches_provider.errors import ConfigurationError, SpoolFullError
from tests.unit.edge.spool_attempt import Attempts, attempts_in, left_by

pytestmark = pytest.mark.heavy

ROOT = Path(__file__).parents[3]

# On a disk of one megabyte; writes the same files as submitting.
ON_A_FULL_DISK = """
import subprocess, sys
from pathlib import Path

from anthropic_batches_provider.batches.rows import RowColumns, prepare_rows
from anthropic_batches_provider.batches.sharding import ShardLimits, cut_shards
from anthropic_batches_provider.errors import SpoolFullError
from anthropic_batches_provider.edge.spools import task_spool

scratch, key_bytes, text_bytes = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
scratch.mkdir()
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", scratch], check=True)
rows = ({"id": f"{number:0{key_bytes}d}"} for number in range(100_000))
text = b'"' + b"x" * text_bytes + b'"'
try:
    with task_spool() as folder:
        prepared = prepare_rows(
            rows, columns=RowColumns(key="id"), encode=lambda row, number: text, spool_folder=folder
        )
        for shard in cut_shards(prepared, nonce="abc", limits=ShardLimits(max_requests=1000), folder=folder):
            shard.requests_path.unlink()  # as if it had been uploaded
            shard.rows_path.unlink()
except SpoolFullError as error:
    print(error)
    print(list(scratch.rglob("*/*")))
"""


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIRFLOW__ANTHROPIC_BATCHES__SPOOL", str(tmp_path / "scratch"))
    return tmp_path / "scratch"


@pytest.fixture
def attempts(scratch: Path) -> Iterator[Attempts]:
    with attempts_in(scratch) as attempts:
        yield attempts


def left_in(scratch: Path) -> list[str]:
    return [str(path) for path in scratch.rglob("*") if path.parent != scratch]


def test_an_attempt_has_a_folder_of_its_own_that_only_its_user_may_read(scratch: Path) -> None:
    with task_spool() as one, task_spool() as other:
        assert one != other
        assert one.is_relative_to(scratch)
        assert [stat.S_IMODE(path.stat().st_mode) for path in (one, one.parent, other)] == [0o700] * 3
        assert list(one.iterdir()) == []


def test_it_is_removed_on_success(scratch: Path) -> None:
    with task_spool() as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "requests.jsonl").write_text("prompts")
    assert left_in(scratch) == []


def test_it_is_removed_on_failure(scratch: Path) -> None:
    def fail() -> None:
        with task_spool() as folder:
            (folder / "requests.jsonl").write_text("prompts")
            raise RuntimeError("the task failed")

    with pytest.raises(RuntimeError, match="the task failed"):
        fail()
    assert left_in(scratch) == []


def test_unset_it_lies_in_the_systems_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW__ANTHROPIC_BATCHES__SPOOL", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with task_spool() as folder:
        assert folder.parent == tmp_path / f"anthropic-batches-{os.geteuid()}"


def test_what_a_killed_attempt_left_is_removed_by_the_next_start(scratch: Path, attempts: Attempts) -> None:
    left_by(attempts.start())
    with task_spool() as folder:
        assert [path.name for path in folder.parent.iterdir() if path.is_dir()] == [folder.name]
    assert left_in(scratch) == []


def test_the_folder_of_a_living_attempt_is_never_removed(scratch: Path, attempts: Attempts) -> None:
    living = attempts.start().wait_until_it_lives()
    for _ in range(3):
        with task_spool():
            pass
    assert (living.folder / "requests-00000.jsonl").read_text() == "prompts"
    assert living.end() == 0
    assert left_in(scratch) == []


def test_many_that_start_at_once_over_what_killed_ones_left_keep_theirs(scratch: Path, attempts: Attempts) -> None:
    killed = [attempts.start() for _ in range(2)]
    for attempt in killed:
        attempt.wait_until_it_lives()
    for attempt in killed:
        attempt.kill()
    living = [attempts.start() for _ in range(3)]
    folders = [attempt.wait_until_it_lives().folder for attempt in living]
    assert [(folder / "requests-00000.jsonl").read_text() for folder in folders] == ["prompts"] * 3
    assert {path for path in folders[0].parent.iterdir() if path.is_dir()} == set(folders)
    assert [attempt.end() for attempt in living] == [0] * 3
    assert left_in(scratch) == []


def test_while_a_forked_child_lives_the_folder_stays(scratch: Path, attempts: Attempts) -> None:
    parent = attempts.start("one that lives").wait_until_it_lives()
    parent.kill()
    with task_spool():
        assert parent.folder.exists()
    kill_and_wait(parent.child)
    with task_spool():
        assert not parent.folder.exists()
    assert left_in(scratch) == []


def kill_and_wait(process_id: int) -> None:
    """End a process that is not a child of this one."""
    descriptor = os.pidfd_open(process_id)
    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    assert select.select([descriptor], [], [], 30)[0]
    os.close(descriptor)


def test_a_forked_child_that_leaves_the_block_does_not_remove_its_parents_folder(attempts: Attempts) -> None:
    parent = attempts.start("one that leaves").wait_until_it_lives()
    assert (parent.folder / "requests-00000.jsonl").exists()
    assert parent.end() == 0
    assert not parent.folder.exists()


def test_what_another_host_left_on_a_shared_disk_is_not_touched(
    scratch: Path, attempts: Attempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = left_by(attempts.start())
    with monkeypatch.context() as elsewhere, task_spool():
        elsewhere.setattr("socket.gethostname", lambda: "another")
        with task_spool():
            pass
    left = left_by(attempts.start())
    monkeypatch.setattr("socket.gethostname", lambda: left.name.partition("+")[0] + "-2")
    with task_spool():
        assert left.exists()


def test_on_a_disk_without_locks_nothing_of_others_is_removed(
    scratch: Path, attempts: Attempts, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    left = left_by(attempts.start())

    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with task_spool() as folder:
        (folder / "requests.jsonl").write_text("prompts")
    assert left.exists()
    assert not folder.exists()
    assert "has no locks" in caplog.text


def test_a_folder_that_another_user_made_first_is_refused(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 54321)  # the user whose folder we are about to create
    with pytest.raises(ConfigurationError, match=r"belongs to another user.*AIRFLOW__ANTHROPIC_BATCHES__SPOOL"):
        task_spool().__enter__()


def test_a_link_planted_under_the_folders_name_is_not_followed(scratch: Path, tmp_path: Path) -> None:
    scratch.mkdir()
    (tmp_path / "target").mkdir()
    (scratch / f"anthropic-batches-{os.geteuid()}").symlink_to(tmp_path / "target")
    with pytest.raises(ConfigurationError, match="cannot be used"):
        task_spool().__enter__()
    assert list((tmp_path / "target").iterdir()) == []


def test_a_folder_that_others_could_read_is_closed_to_them(scratch: Path) -> None:
    home = scratch / f"anthropic-batches-{os.geteuid()}"
    home.mkdir(parents=True, mode=0o755)
    with task_spool():
        assert stat.S_IMODE(home.stat().st_mode) == 0o700


@pytest.mark.parametrize("value", ["scratch", "file:///scratch"])
def test_the_option_must_be_an_absolute_path(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("AIRFLOW__ANTHROPIC_BATCHES__SPOOL", value)
    with pytest.raises(ConfigurationError, match="absolute local path"):
        task_spool().__enter__()


@pytest.mark.skipif(
    subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True).returncode != 0,
    reason="this machine has no mount namespaces, and therefore no disk to fill",
)
@pytest.mark.parametrize(("key_bytes", "text_bytes"), [(8, 2000), (70, 0)], ids=["shard", "keys"])
def test_a_full_disk_is_named_with_what_to_do(scratch: Path, key_bytes: int, text_bytes: int) -> None:
    ran = subprocess.run(
        ["unshare", "-rm", sys.executable, "-c", ON_A_FULL_DISK, scratch, str(key_bytes), str(text_bytes)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "provider")}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    message, left = ran.stdout.splitlines()[-2:]
    assert f"temporary files in {scratch}/anthropic-batches-0/" in message
    assert "No space left on device" in message
    assert "AIRFLOW__ANTHROPIC_BATCHES__SPOOL" in message
    free = int(message.partition("the disk has ")[2].partition(" bytes free")[0].replace(",", ""))
    assert free < 1 << 20
    assert left == "[]"


def test_a_full_disk_elsewhere_is_not_blamed_on_the_spool(scratch: Path, tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path / "storage" / "job.json"))
    with pytest.raises(OSError, match=r"No space left on device: .*job\.json") as caught, task_spool():
        raise full
    assert caught.value is full


def test_the_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(SpoolFullError("full", folder="/scratch", free_bytes=5)))  # noqa: S301
    assert (str(error), error.folder, error.free_bytes) == ("full", "/scratch", 5)
