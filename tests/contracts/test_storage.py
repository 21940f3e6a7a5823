"""Every storage keeps the promises on which the ledger is built."""

from __future__ import annotations

import threading
import uuid
from pathlib import Path

import pytest

from anthropic_batches_provider.batches.ledger import LocalStorage, Storage
from anthropic_batches_provider.edge.object_storage import ObjectStorage, open_storage
from tests.contracts.store_fixtures import LOCAL, MEMORY, PARAMS
from tests.contracts.store_servers import Store


@pytest.fixture(params=PARAMS["storage"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == LOCAL:
        return LocalStorage(tmp_path / "a folder")
    if request.param == MEMORY:
        return in_memory()
    store: Store = request.getfixturevalue(request.param)
    return open_storage(store.folder())


def in_memory() -> Storage:
    from airflow.sdk.io import attach
    from fsspec.implementations.memory import MemoryFileSystem

    attach("memory", fs=MemoryFileSystem())
    return ObjectStorage(f"memory://{uuid.uuid4().hex}/folder")


def test_what_is_created_is_read_and_listed(storage: Storage) -> None:
    storage.create("dag/task/ledger/one.json", b"1")
    storage.create("dag/task/ledger/two.json", b"2")
    assert storage.read("dag/task/ledger/one.json") == b"1"
    assert storage.list("dag/task/ledger") == ["one.json", "two.json"]
    assert storage.list("dag") == ["task"]


def test_absence_is_a_fact_and_not_an_error(storage: Storage) -> None:
    assert storage.list("no/such/folder") == []
    with pytest.raises(FileNotFoundError):
        storage.read("no/such/object")
    with pytest.raises(FileNotFoundError), storage.open("no/such/object") as file:
        file.read()
    storage.remove("no/such/object")


def test_a_listing_is_never_stale(storage: Storage) -> None:
    assert storage.list("folder") == []
    for number in range(5):
        storage.create(f"folder/{number}", b"x")
        assert len(storage.list("folder")) == number + 1


def test_a_second_creation_of_other_content_is_refused_and_changes_nothing(storage: Storage) -> None:
    storage.create("fact", b"first")
    with pytest.raises(FileExistsError):
        storage.create("fact", b"second")
    assert storage.read("fact") == b"first"


def test_creating_the_same_again_is_no_conflict_since_a_repeated_put_meets_its_own_object(storage: Storage) -> None:
    storage.create("fact", b"same")
    storage.create("fact", b"same")
    assert storage.read("fact") == b"same"


def test_a_file_is_put_in_place_of_what_is_there(storage: Storage, tmp_path: Path) -> None:
    for number, content in enumerate((b"old", b"new and longer", b"")):
        source = tmp_path / f"source-{number}"
        source.write_bytes(content)
        storage.put_file(source, "folder/target")
        source.unlink(missing_ok=True)
        assert storage.read("folder/target") == content
    assert storage.list("folder") == ["target"]


def test_an_object_is_read_as_a_stream(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(bytes(range(256)) * 8192)
    storage.put_file(tmp_path / "source", "large")
    with storage.open("large") as file:
        assert b"".join(iter(lambda: file.read(1 << 16), b"")) == bytes(range(256)) * 8192


def test_what_is_removed_is_gone(storage: Storage) -> None:
    storage.create("folder/fact", b"x")
    storage.remove("folder/fact")
    assert storage.list("folder") == []
    storage.create("folder/fact", b"y")
    assert storage.read("folder/fact") == b"y"


def test_of_many_creators_at_once_one_wins_and_readers_see_it_whole(storage: Storage) -> None:
    contents = [f"{number:02}".encode() * 100_000 for number in range(16)]
    barrier, wins = threading.Barrier(len(contents)), []

    def create(content: bytes) -> None:
        barrier.wait()
        try:
            storage.create("fact", content)
        except FileExistsError:
            return
        wins.append(content)

    threads = [threading.Thread(target=create, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wins == [storage.read("fact")]
    assert storage.list("") == ["fact"]


def test_an_empty_object_is_one_too(storage: Storage) -> None:
    storage.create("folder/empty", b"")
    assert storage.read("folder/empty") == b""
    assert storage.list("folder") == ["empty"]
    with pytest.raises(FileExistsError):
        storage.create("folder/empty", b"content")


def test_an_object_is_no_folder_and_a_folder_no_object(storage: Storage) -> None:
    storage.create("folder/fact", b"x")
    storage.create("folder-too/fact", b"x")
    assert storage.list("fold") == []
    assert storage.list("folder") == ["fact"]
    assert storage.list("") == ["folder", "folder-too"]


@pytest.mark.parametrize("uri", ["file:///data/jobs", "/data/jobs"])
def test_local_uris_open_local_storage(uri: str) -> None:
    assert open_storage(uri).uri == "file:///data/jobs"
