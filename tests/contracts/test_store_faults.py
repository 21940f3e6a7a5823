"""The content of an object store after uploads break off, answers are lost, and several clients write at once."""

from __future__ import annotations

import builtins
import errno
import gc
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import pytest
from airflow.providers.common.compat.sdk import AirflowTaskTimeout

from anthropic_batches_provider.batches.ledger import Storage
from anthropic_batches_provider.edge.object_storage import open_storage
from anthropic_batches_provider.errors import ConfigurationError
from tests.contracts.store_differences import has_other_outcome
from tests.contracts.store_proxy import Fault, Request, after
from tests.contracts.store_servers import BUCKET, Store

OLD = b"what was there before"
# From this size on the clients create objects in several parts; a record of the ledger is far smaller.
MULTI_PART_CREATE_BYTES = {"s3": 101 << 20, "gcs": 51 << 20, "azure": 65 << 20}
PUT_A_FILE = """
import sys
from pathlib import Path
from anthropic_batches_provider.edge.object_storage import open_storage
open_storage(sys.argv[1]).put_file(Path(sys.argv[2]), "folder/target")
"""


def is_part(request: Request) -> bool:
    return request.method in ("PUT", "POST") and len(request.body) > 1 << 20


def is_create(request: Request) -> bool:
    return request.method in ("PUT", "POST") and b"nonce" in request.body


def is_last(request: Request) -> bool:
    """Return whether the request makes an object of the parts of an upload."""
    last_of_gcs = request.method == "POST" and "upload_id=" in request.path and len(request.body) % (8 << 20) != 0
    return b"CompleteMultipartUpload" in request.body or "comp=blocklist" in request.path or last_of_gcs


def is_read(request: Request) -> bool:
    return request.method in ("GET", "HEAD")


@pytest.fixture
def uri(store: Store) -> str:
    return store.folder()


@pytest.fixture
def storage(uri: str) -> Storage:
    return open_storage(uri)


@pytest.fixture
def faulty(store: Store, uri: str) -> Storage:
    """Return the same folder, through a client of its own that meets the faults."""
    return open_storage(store.faulty(uri))


@pytest.fixture
def large_file(store: Store, tmp_path: Path) -> Path:
    """Return a file that is uploaded in at least three parts."""
    file = tmp_path / "large"
    with file.open("wb") as content:
        content.truncate(3 * store.part_bytes)
    return file


@pytest.fixture
def target(request: pytest.FixtureRequest, storage: Storage, tmp_path: Path) -> Callable[[], bool]:
    """Return a function that says whether ``folder/target`` is unchanged (nothing, or :data:`OLD`)."""
    if request.param == "nothing":

        def is_absent() -> bool:
            with pytest.raises(FileNotFoundError):
                storage.read("folder/target")
            return storage.list("folder") == []

        return is_absent
    (tmp_path / "old").write_bytes(OLD)
    storage.put_file(tmp_path / "old", "folder/target")
    return lambda: storage.read("folder/target") == OLD


over_nothing_and_over_something = pytest.mark.parametrize("target", ["nothing", "something"], indirect=True)


@over_nothing_and_over_something
def test_an_upload_that_the_store_breaks_off_leaves_what_was_there(
    store: Store, faulty: Storage, large_file: Path, target: Callable[[], bool]
) -> None:
    with store.proxy.faults(after(1, Fault.FORBID, picks=is_part)), pytest.raises(Exception, match=r"."):
        faulty.put_file(large_file, "folder/target")
    assert target()


@over_nothing_and_over_something
def test_an_upload_whose_local_file_cannot_be_read_on_leaves_what_was_there(
    store: Store, faulty: Storage, large_file: Path, target: Callable[[], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> NoReturn:
        raise OSError(errno.EIO, "of the disk")

    parts = []
    at_the_second_block(large_file, fail, monkeypatch)
    with store.proxy.faults(lambda request: parts.append(request) if is_part(request) else None):
        with pytest.raises(OSError, match="of the disk"):
            faulty.put_file(large_file, "folder/target")
        gc.collect()  # no client may take the end of its file object for the end of the file
    assert target()
    assert parts or store.name == "s3", "s3fs reads two blocks before it sends the first"


@over_nothing_and_over_something
def test_an_upload_that_airflow_times_out_leaves_what_was_there_until_it_is_whole(
    store: Store, storage: Storage, faulty: Storage, large_file: Path, target: Callable[[], bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    before = content_of(storage)
    at_the_second_block(large_file, ring_once(), monkeypatch)
    with airflows_alarm(), store.proxy.faults(after(2, Fault.HOLD, picks=is_part)):
        with pytest.raises(AirflowTaskTimeout):
            faulty.put_file(large_file, "folder/target")
        gc.collect()
        assert target()
    if store.name == "azure":
        assert target()
    else:  # its client uploads in a thread of its own, which continues for as long as the process lives
        assert changed_content(storage, before) == large_file.read_bytes()


def changed_content(storage: Storage, before: bytes | None) -> bytes | None:
    """Wait until the name ``folder/target`` has another content, and return it."""
    deadline = time.monotonic() + 30
    while (found := content_of(storage)) == before and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


def content_of(storage: Storage) -> bytes | None:
    with suppress(FileNotFoundError):
        return storage.read("folder/target")
    return None


def at_the_second_block(path: Path, act: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Call a function in this process when the second block of a local file is read, no matter by which client."""
    plain_open = io.open

    class Acting(io.BufferedReader):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() >= 8 << 20:
                act()
            return super().read(size)

    def opened(file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
        if mode == "rb" and str(file) == str(path):
            return Acting(io.FileIO(file))
        return plain_open(file, mode, *args, **options)

    monkeypatch.setattr(io, "open", opened)
    monkeypatch.setattr(builtins, "open", opened)


def ring_once() -> Callable[[], None]:
    """Return a function whose first call sends the alarm to the main thread, where Airflow's alarm rings, too."""
    main, rung = threading.main_thread(), threading.Event()

    def ring() -> None:
        if not rung.is_set() and main.ident is not None:
            rung.set()
            signal.pthread_kill(main.ident, signal.SIGALRM)

    return ring


@contextmanager
def airflows_alarm() -> Iterator[None]:
    """Make the signal of ``execution_timeout`` act as it does in a task."""

    def time_out(*_: object) -> NoReturn:
        raise AirflowTaskTimeout

    before = signal.signal(signal.SIGALRM, time_out)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("target", ["nothing"], indirect=True)
def test_an_upload_whose_process_is_killed_leaves_nothing(
    store: Store, uri: str, large_file: Path, target: Callable[[], bool]
) -> None:
    with store.proxy.faults(after(1, Fault.HOLD, picks=is_part)):
        child = subprocess.Popen([sys.executable, "-c", PUT_A_FILE, store.faulty(uri), str(large_file)])
        assert store.proxy.held.wait(60)
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        assert target()


def test_a_large_file_arrives_whole_in_parts(store: Store, storage: Storage, faulty: Storage, large_file: Path) -> None:
    parts = []
    with store.proxy.faults(lambda request: parts.append(request) if is_part(request) else None):
        faulty.put_file(large_file, "folder/target")
    assert len(parts) >= 3
    with storage.open("folder/target") as file:
        assert sum(len(block) for block in iter(lambda: file.read(1 << 20), b"")) == large_file.stat().st_size


def test_a_create_whose_answer_is_lost_is_no_conflict_with_itself(
    store: Store, storage: Storage, faulty: Storage
) -> None:
    with store.proxy.faults(after(0, Fault.LOSE_ANSWER, picks=is_create, times=1)):
        faulty.create("fact", b"nonce of the first")
    assert storage.read("fact") == b"nonce of the first"
    with pytest.raises(FileExistsError):
        storage.create("fact", b"nonce of another")
    assert storage.read("fact") == b"nonce of the first"


def test_a_probe_whose_answer_is_lost_still_finds_the_store_exclusive(s3: Store) -> None:
    faulty = open_storage(s3.faulty(s3.folder()))
    with s3.proxy.faults(after(0, Fault.LOSE_ANSWER, picks=lambda request: request.body == b"first", times=1)):
        faulty.create("fact", b"nonce")
    assert faulty.list("") == ["fact"]


def test_what_cannot_be_read_is_not_taken_for_absent(store: Store, storage: Storage, faulty: Storage) -> None:
    storage.create("folder/fact", b"x")
    with store.proxy.faults(after(0, Fault.FORBID, picks=is_read)):
        for look in (lambda: faulty.read("folder/fact"), lambda: faulty.list("folder"), lambda: _opened(faulty)):
            with pytest.raises(Exception, match=r".") as failed:
                look()
            assert not isinstance(failed.value, FileNotFoundError)
    assert faulty.read("folder/fact") == b"x"


def test_what_another_client_creates_and_removes_is_seen_at_once(storage: Storage, faulty: Storage) -> None:
    storage.create("folder/first", b"1")
    assert faulty.list("folder") == ["first"]
    storage.create("folder/second", b"2")
    assert _opened(faulty, "folder/second") == b"2"
    assert faulty.list("folder") == ["first", "second"]
    storage.remove("folder/first")
    assert faulty.list("folder") == ["second"]
    with pytest.raises(FileNotFoundError):
        _opened(faulty, "folder/first")


def test_a_put_that_s3_refuses_to_decide_is_made_again(s3: Store) -> None:
    faulty = open_storage(s3.faulty(s3.folder()))
    with s3.proxy.faults(after(0, Fault.CONFLICT, picks=is_create, times=2)):
        faulty.create("fact", b"nonce")
    assert faulty.read("fact") == b"nonce"
    with s3.proxy.faults(after(0, Fault.CONFLICT, picks=is_create)), pytest.raises(OSError, match="under way"):
        faulty.create("another", b"nonce")
    assert faulty.list("") == ["fact"]


def test_who_completes_an_upload_of_many_parts_last_does_not_win(
    store: Store, storage: Storage, faulty: Storage
) -> None:
    times = MULTI_PART_CREATE_BYTES[store.name] // 4
    with ThreadPoolExecutor() as pool, store.proxy.faults(after(0, Fault.HOLD, picks=is_last)):
        slow = pool.submit(faulty.create, "fact", b"slow" * times)
        assert store.proxy.held.wait(60)
        storage.create("fact", b"fast" * times)
        store.proxy.release()
        with pytest.raises(FileExistsError):
            slow.result()
    assert storage.read("fact") == b"fast" * times


def test_a_bucket_that_does_not_exist_is_named_before_anything_is_sent(
    store: Store, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(Exception, match="does not exist") as failed:
        open_storage(store.folder().replace(f"@{BUCKET}/", "@none/")).create("fact", b"x")
    assert isinstance(failed.value, ConfigurationError) is not has_other_outcome(request.function.__name__, store.name)


def _opened(storage: Storage, path: str = "folder/fact") -> bytes:
    with storage.open(path) as file:
        return file.read()
