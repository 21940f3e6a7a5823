"""The operations that the engine needs from a store, and the store on a local disk.

The engine sees a store as folders of small objects. Absence is a fact (``FileNotFoundError`` or an empty listing). A
failure to read is an error, and never counts as absence. A store needs neither rename nor append.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol


class Storage(Protocol):
    """A folder of a store; paths are relative to it and use ``/``."""

    @property
    def uri(self) -> str:
        """The location of this folder, for messages and references."""

    def read(self, path: str) -> bytes:
        """Return an object's content.

        :raises FileNotFoundError: the object does not exist; every other error means that it could not be read.
        """

    def open(self, path: str) -> AbstractContextManager[BinaryIO]:
        """Open an object for reading as a stream.

        :raises FileNotFoundError: the object does not exist.
        """

    def list(self, folder: str) -> list[str]:
        """Return the sorted names directly in a folder, never from a cache; an empty list if it does not exist."""

    def create(self, path: str, content: bytes) -> None:
        """Create an object whole or not at all.

        A client that repeats a put may find its own object: equal content is no conflict. A caller that must win
        alone puts a nonce into the content.

        :raises FileExistsError: an object of this name with other content exists; it is left as it is.
        """

    def put_file(self, source: Path, path: str) -> None:
        """Store a local file under a name, whole or not at all; it replaces an object of that name.

        The local file may be gone afterwards: a store on a disk moves it where possible.
        """

    def remove(self, path: str) -> None:
        """Remove an object; absence is fine."""


class LocalStorage:
    """A folder on a disk that all tasks share.

    Exclusive creation uses ``link``, which is atomic on local and network file systems alike: readers see an object
    whole or not at all, and of two creators one wins. Objects are flushed to the disk before they get their names; the
    names are flushed, too. All objects have the mode of a new file, whatever mode the local file had, so that readers
    need not be the user who writes.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def uri(self) -> str:
        return f"file://{self._root}"  # as ObjectStoragePath reads it: nothing is percent-encoded

    def read(self, path: str) -> bytes:
        return (self._root / path).read_bytes()

    def open(self, path: str) -> AbstractContextManager[BinaryIO]:
        return (self._root / path).open("rb")

    def list(self, folder: str) -> list[str]:
        try:
            names = [entry.name for entry in (self._root / folder).iterdir()]
        except FileNotFoundError:
            return []
        return sorted(name for name in names if not name.startswith(_SPOOL_PREFIX))

    def create(self, path: str, content: bytes) -> None:
        target = self._target(path)
        spool = self._spool(target)
        try:
            with spool.open("wb") as file:
                file.write(content)
                _flush(file)
            os.link(spool, target)
            _flush_folder(target.parent)
        except FileExistsError:
            if target.read_bytes() != content:
                raise
        except OSError as error:
            if error.filename is None:  # a write to a full disk names no file
                raise OSError(error.errno, error.strerror, str(target)) from error
            raise
        finally:
            spool.unlink(missing_ok=True)

    def put_file(self, source: Path, path: str) -> None:
        target = self._target(path)
        spool = self._spool(target)
        try:
            _put(source, spool)
            with spool.open("rb") as copy:
                os.fsync(copy.fileno())
            spool.replace(target)
            _flush_folder(target.parent)
        except OSError as error:
            if error.filename is None:  # a write to a full disk names no file
                raise OSError(error.errno, error.strerror, str(target)) from error
            raise
        finally:
            spool.unlink(missing_ok=True)

    def remove(self, path: str) -> None:
        with suppress(FileNotFoundError):
            (self._root / path).unlink()

    def _target(self, path: str) -> Path:
        target = self._root / path
        _make_folder(target.parent)
        return target

    @staticmethod
    def _spool(target: Path) -> Path:
        """Create an empty file next to a target, with the mode that every new file of this process gets."""
        spool = target.parent / f"{_SPOOL_PREFIX}{secrets.token_hex(8)}"
        spool.open("xb").close()
        return spool


_SPOOL_PREFIX = ".spool-"


def _put(source: Path, target: Path) -> None:
    """Move a file over another, or copy it from another disk; the mode of the replaced file stays."""
    mode = target.stat().st_mode
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.copyfile(source, target)
    if target.stat().st_mode != mode:
        target.chmod(stat.S_IMODE(mode))


def _make_folder(folder: Path) -> None:
    """Create a folder and its parents, each flushed to the disk, so that a power loss removes no name."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _flush_folder(folder.parent)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
