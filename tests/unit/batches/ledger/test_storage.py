from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from anthropic_batches_provider.batches.ledger import LocalStorage


@pytest.fixture(params=[0o022, 0o002, 0o077])
def mode(request: pytest.FixtureRequest) -> Iterator[int]:
    """Return the mode that a new file gets."""
    before = os.umask(request.param)
    yield 0o666 & ~request.param
    os.umask(before)


@pytest.fixture(params=[0o600, 0o640, 0o666])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"rows")
    path.chmod(request.param)
    return path


def is_put_with(mode: int, source: Path, folder: Path) -> bool:
    LocalStorage(folder).put_file(source, "deep/name")
    (path,) = (folder / "deep").iterdir()
    return (path.read_bytes(), path.stat().st_mode & 0o777) == (b"rows", mode)


def test_a_file_that_is_moved_gets_the_mode_of_a_new_one(mode: int, source: Path, tmp_path: Path) -> None:
    assert is_put_with(mode, source, tmp_path / "store")


def test_a_file_from_another_disk_gets_it_too(
    mode: int, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = Path.replace

    def refuse_from_source(path: Path, target: Path) -> Path:
        if path == source:
            raise OSError(errno.EXDEV, "Invalid cross-device link", str(path))
        return move(path, target)

    monkeypatch.setattr(Path, "replace", refuse_from_source)
    assert is_put_with(mode, source, tmp_path / "store")


def test_a_record_gets_it_too(mode: int, tmp_path: Path) -> None:
    LocalStorage(tmp_path).create("record", b"")
    assert (tmp_path / "record").stat().st_mode & 0o777 == mode
