"""Object stores, offered to the engine through Airflow's ObjectStoragePath and its connections."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from airflow.providers.common.compat.sdk import ObjectStoragePath, conf

from anthropic_batches_provider.edge.configuration import STORAGE
from anthropic_batches_provider.edge.content_encoding import open_as_stored
from anthropic_batches_provider.edge.uris import local_path, shown_uri
from anthropic_batches_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.ledger import Storage

_TASKS_SHARE_A_DISK = "LocalExecutor"


def open_storage(uri: str, *, holds_ledger: bool = True) -> Storage:
    """Return a folder of a store.

    :param holds_ledger: whether paying only once depends on this store, so that it must refuse a second object of one
        name; for output it need not.

    :param uri: ``file:///folder``, an absolute path, or any URI that ObjectStoragePath takes, such as
        ``s3://conn_id@bucket/folder``.
    :raises ConfigurationError: the URI is relative, or no installed provider knows its scheme.
    """
    local = local_path(uri)
    if local is not None:
        from anthropic_batches_provider.batches.ledger import LocalStorage

        return LocalStorage(local)
    return ObjectStorage(uri.rstrip("/"), holds_ledger=holds_ledger)


def folder_entries(uri: str) -> set[tuple[str, bool]]:
    """Return the names in a folder, and with each whether it is a folder itself; listings bypass every cache.

    In an object store, one name may be both: an object, and the beginning of others' names.

    :raises FileNotFoundError: there is no such folder. In an object store, one that holds nothing does not exist.
    :raises NotADirectoryError: it is a file.
    """
    local = local_path(uri)
    if local is not None:
        with os.scandir(local) as entries:
            return {(entry.name, entry.is_dir()) for entry in entries}
    root = object_path(uri.rstrip("/"))
    key = root.path.strip("/")
    found = root.fs.ls(root.path, detail=True)
    if any(entry["name"].strip("/") == key and entry["type"] == "file" and entry["size"] for entry in found):
        raise NotADirectoryError(f"{uri} is a file")
    return {
        (name.rsplit("/", 1)[-1], entry["type"] == "directory")
        for entry in found
        if (name := entry["name"].strip("/")) != key
    }


def default_storage_uri() -> str:
    """Return ``[anthropic_batches] storage`` or, if tasks share a disk, the folder under AIRFLOW_HOME.

    :raises ConfigurationError: the option is unset and the executor may run tasks on other machines.
    """
    configured = STORAGE.read()
    if configured:
        return configured
    executor = conf.get("core", "executor", fallback=_TASKS_SHARE_A_DISK)
    if {name.strip().rsplit(".", 1)[-1] for name in executor.split(",")} != {_TASKS_SHARE_A_DISK}:
        raise ConfigurationError(
            f"[anthropic_batches] storage is not set, and the executor is {executor}: its tasks may run on machines "
            "that share no disk. Set it to a store that all workers reach, e.g. "
            "AIRFLOW__ANTHROPIC_BATCHES__STORAGE=s3://conn_id@bucket/anthropic_batches, "
            "or give the operator storage=. Without it, a retry on another machine would not find the rows that are "
            "already paid for. Nothing was read or sent."
        )
    from airflow.configuration import AIRFLOW_HOME

    return f"file://{Path(AIRFLOW_HOME).absolute()}/anthropic_batches"


@dataclass(frozen=True)
class _Transfers:
    """Options with which a store's client moves an object of any size in little memory.

    :ivar read: to read a whole small object in one request, without a listing first.
    :ivar put: to upload a file in parts, with few of them in memory at a time.
    :ivar by_hand: whether this module writes a file block by block, since the client would upload it in one piece.
    """

    read: Mapping[str, int] = field(default_factory=dict)
    put: Mapping[str, int] = field(default_factory=dict)
    by_hand: bool = False


_BLOCK_BYTES = 8 << 20  # read ahead, and the part of an upload: s3fs alone would take up to ten of 50 MiB
_S3 = _Transfers(read={"max_concurrency": 1}, put={"chunksize": _BLOCK_BYTES, "max_concurrency": 2})
_GCS = _Transfers(put={"chunksize": _BLOCK_BYTES})
_AZURE = _Transfers(by_hand=True)  # adlfs would put up to 64 MB at once, in more than twice that memory
_TRANSFERS = {"s3": _S3, "s3a": _S3, "s3n": _S3, "gs": _GCS, "gcs": _GCS, "abfs": _AZURE, "abfss": _AZURE}
_CREATE_ATTEMPTS = 5  # S3 can answer that another put is in progress (409) instead of deciding


class ObjectStorage:
    """A folder of an object store.

    One conditional put creates an object, so that the store decides who is first. A file is uploaded in parts that
    become an object only when the last has arrived: an upload that breaks off leaves nothing under the name. Listings
    bypass every cache, and only the store's answer distinguishes absence from failure.
    """

    def __init__(self, uri: str, *, holds_ledger: bool = True) -> None:
        self._root = object_path(uri)
        self._fs = self._root.fs
        self._uri = uri
        self._transfers = _TRANSFERS.get(uri.partition("://")[0], _Transfers())
        self._is_exclusive = not holds_ledger  # output does not depend on it, so it is not tested there

    @property
    def uri(self) -> str:
        return self._uri

    def read(self, path: str) -> bytes:
        return cast("bytes", self._fs.cat_file(self._key(path), **self._transfers.read))

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        with open_object(self._fs, self._key(path)) as file:
            yield file

    def list(self, folder: str) -> list[str]:
        key = self._key(folder)
        try:
            found = self._fs.ls(key, detail=False)
        except FileNotFoundError:
            return []
        names = {name.rstrip("/").rsplit("/", 1)[-1] for name in found if name.strip("/") != key.strip("/")}
        return sorted(names)

    def create(self, path: str, content: bytes) -> None:
        self._check_exclusive()
        try:
            self._put_new(path, content)
        except FileExistsError:
            if self.read(path) != content:
                raise

    def put_file(self, source: Path, path: str) -> None:
        if self._transfers.by_hand and source.stat().st_size:
            self._put_blocks(source, self._key(path))
        else:
            self._fs.put_file(str(source), self._key(path), **self._transfers.put)

    def remove(self, path: str) -> None:
        with suppress(FileNotFoundError):
            self._fs.rm_file(self._key(path))

    def _check_exclusive(self) -> None:
        """Test once that the store refuses a second object of a name: paying only once depends on it.

        :raises ConfigurationError: the store does not refuse it.
        """
        if self._is_exclusive:
            return
        name = f".exclusive-check-{uuid.uuid4().hex}"
        with suppress(FileExistsError):  # only the client's own repeated put can have made this name
            self._put_new(name, b"first")
        try:
            self._put_new(name, b"second")
        except FileExistsError:
            self._is_exclusive = True
        finally:
            self.remove(name)
        if not self._is_exclusive:
            raise ConfigurationError(
                f"The store of {self.uri} lets an object be created twice under one name. Use a newer version of its "
                "Airflow provider and of its fsspec package, or another store, for [anthropic_batches] storage. On "
                "this store, two concurrent attempts of a task could both send the same rows. Nothing was sent."
            )

    def _put_new(self, path: str, content: bytes) -> None:
        for attempts_left in reversed(range(_CREATE_ATTEMPTS)):
            try:
                self._fs.pipe_file(self._key(path), content, mode="create")
                return
            except FileNotFoundError as error:
                raise ConfigurationError(
                    f"{self.uri} cannot be written to: its bucket or container does not exist ({error}). Create it."
                ) from error
            except OSError as error:
                code = _s3_code(error)
                if code == "PreconditionFailed":  # from a store that does not repeat the condition, s3fs says EINVAL
                    raise FileExistsError(f"{self.uri}/{path}") from error
                if code != "ConditionalRequestConflict" or not attempts_left:
                    raise

    def _put_blocks(self, source: Path, key: str) -> None:
        target = self._fs.open(key, "wb", block_size=_BLOCK_BYTES)
        try:
            with source.open("rb") as content:
                shutil.copyfileobj(content, target, _BLOCK_BYTES)
        except BaseException:
            target.closed = True  # closing or garbage-collecting it would make an object of the parts that arrived
            raise
        target.close()

    def _key(self, path: str) -> str:
        return f"{self._root.path.rstrip('/')}/{path}" if path else self._root.path


def _s3_code(error: OSError) -> str | None:
    """Return S3's own code of an error that s3fs has translated; source: S3 API Reference, Error responses."""
    response = getattr(error.__cause__, "response", None)
    return response.get("Error", {}).get("Code") if isinstance(response, dict) else None


def open_object(fs: Any, key: str) -> BinaryIO:
    """Open an object of a store for reading, with one block in memory: s3fs by default would read 50 MB ahead.

    :raises ConfigurationError: the object has a Content-Encoding that cannot be read.
    """
    return open_as_stored(fs, key, block_size=_BLOCK_BYTES, cache_type="readahead")


def object_path(uri: str) -> ObjectStoragePath:
    """Return a path in an object store, and stop the store's client from answering out of cached listings.

    :raises ConfigurationError: no installed provider knows its scheme.
    """
    try:
        path = ObjectStoragePath(uri)
        fs = path.fs  # opens the store, which is where a missing provider shows
    except (ValueError, ImportError) as error:
        raise ConfigurationError(
            f"{shown_uri(uri)} cannot be opened: {error}. Check that the Airflow provider of that store is installed. "
            "For s3://, gs:// and abfs:// install the extra s3, gcs or azure: "
            "pip install 'airflow-provider-anthropic-batches[s3]'."
        ) from error
    # A cached listing would show an object that another process has just made as absent.
    fs.dircache.use_listings_cache = False
    fs.invalidate_cache()
    return path
