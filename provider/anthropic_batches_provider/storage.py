"""Object stores as the engine sees them, through Airflow's ObjectStoragePath and its connections."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from airflow.providers.common.compat.sdk import ObjectStoragePath, conf

from anthropic_batches_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.ledger import Storage

_TASKS_SHARE_A_DISK = "LocalExecutor"


def open_storage(uri: str, *, holds_ledger: bool = True) -> Storage:
    """Return a folder of a store.

    :param holds_ledger: whether what is spent only once hangs on this store, so that it must refuse a second object of
        one name; for output it need not.

    :param uri: ``file:///folder``, an absolute path, or any URI that ObjectStoragePath takes, such as
        ``s3://conn_id@bucket/folder``.
    :raises ConfigurationError: the URI is relative, or no installed provider knows its scheme.
    """
    local = local_path(uri)
    if local is not None:
        from anthropic_batches_provider.batches.ledger import LocalStorage

        return LocalStorage(local)
    return ObjectStorage(uri.rstrip("/"), holds_ledger=holds_ledger)


def local_path(uri: str) -> Path | None:
    """Return the local path that a URI names, None if it names an object store.

    :raises ConfigurationError: it is a relative path, whose meaning would depend on the worker.
    """
    scheme, separator, rest = uri.partition("://")
    if separator and scheme != "file":
        return None
    path = Path(rest if separator else uri)
    if not path.is_absolute():
        raise ConfigurationError(
            f"{uri!r} is not an absolute path. Give a URI such as file:///data/rows.jsonl or s3://conn_id@bucket/key, "
            "or an absolute path."
        )
    return path


def default_storage_uri() -> str:
    """Return ``[anthropic_batches] storage``, or the folder under AIRFLOW_HOME where tasks share a disk.

    :raises ConfigurationError: the option is unset and the executor may run tasks on other machines.
    """
    configured = conf.get("anthropic_batches", "storage", fallback=None)
    if configured:
        return str(configured)
    executor = conf.get("core", "executor", fallback=_TASKS_SHARE_A_DISK)
    if {name.strip().rsplit(".", 1)[-1] for name in executor.split(",")} != {_TASKS_SHARE_A_DISK}:
        raise ConfigurationError(
            f"[anthropic_batches] storage is not set, and the executor is {executor}: its tasks may run on machines "
            "that share no disk, and a retry on another machine would not find what was already paid for. Set it to a "
            "store that all workers reach, e.g. "
            "AIRFLOW__ANTHROPIC_BATCHES__STORAGE=s3://conn_id@bucket/anthropic_batches, "
            "or give the operator storage=. Nothing was read or sent."
        )
    from airflow.configuration import AIRFLOW_HOME

    return f"file://{Path(AIRFLOW_HOME).absolute()}/anthropic_batches"


class ObjectStorage:
    """A folder of an object store.

    Exclusive creation is the store's own (``open("xb")``: a conditional put), decided when the object is closed.
    Listings bypass every cache, and absence is told from failure by the store's answer alone.
    """

    def __init__(self, uri: str, *, holds_ledger: bool = True) -> None:
        self._root = object_path(uri)
        self._uri = uri
        self._is_exclusive = not holds_ledger  # not to be tried where nothing hangs on it

    @property
    def uri(self) -> str:
        return self._uri

    def read(self, path: str) -> bytes:
        with self.open(path) as file:
            return file.read()

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        # A cached listing would take an object that another process has just made for absent.
        self._root.fs.invalidate_cache()
        with self._root.fs.open(self._key(path), "rb", cache_type="readahead") as file:
            yield cast("BinaryIO", file)

    def list(self, folder: str) -> list[str]:
        fs, key = self._root.fs, self._key(folder)
        fs.invalidate_cache()
        try:
            found = fs.ls(key, detail=False)
        except FileNotFoundError:
            return []
        names = {name.rstrip("/").rsplit("/", 1)[-1] for name in found if name.rstrip("/") != key.rstrip("/")}
        return sorted(names)

    def create(self, path: str, content: bytes) -> None:
        self._check_exclusive()
        try:
            self._put_new(self._key(path), content)
        except FileExistsError:
            if self.read(path) != content:
                raise

    def put_file(self, source: Path, path: str) -> None:
        self._make_folder(path)
        self._root.fs.put_file(str(source), self._key(path))

    def remove(self, path: str) -> None:
        with suppress(FileNotFoundError):
            self._root.fs.rm_file(self._key(path))

    def _check_exclusive(self) -> None:
        """Try once that the store refuses a second object of a name: what is spent only once hangs on it.

        :raises ConfigurationError: it does not.
        """
        if self._is_exclusive:
            return
        name = f".exclusive-check-{uuid.uuid4().hex}"
        self._put_new(self._key(name), b"first")
        try:
            self._put_new(self._key(name), b"second")
        except FileExistsError:
            self._is_exclusive = True
        finally:
            self.remove(name)
        if not self._is_exclusive:
            raise ConfigurationError(
                f"The store of {self.uri} lets an object be created twice under one name. Two attempts of a task at "
                "once could then both send the same rows. Nothing was sent. Use a newer version of its Airflow "
                "provider and of its fsspec package, or another store, for [anthropic_batches] storage."
            )

    def _put_new(self, key: str, content: bytes) -> None:
        self._make_folder(key)
        file = self._root.fs.open(key, "xb")
        try:
            file.write(content)
        except BaseException:
            discard = getattr(file, "discard", None)
            if discard is not None:
                discard()
            raise
        file.close()

    def _make_folder(self, path: str) -> None:
        fs = self._root.fs
        if getattr(fs, "protocol", None) in ("memory", ("memory",)):
            fs.makedirs(self._key(path).rsplit("/", 1)[0], exist_ok=True)

    def _key(self, path: str) -> str:
        return f"{self._root.path.rstrip('/')}/{path}" if path else self._root.path


def object_path(uri: str) -> ObjectStoragePath:
    try:
        path = ObjectStoragePath(uri)
        path.fs  # noqa: B018 - opens the store, which is where a missing provider shows
    except (ValueError, ImportError) as error:
        raise ConfigurationError(
            f"{uri!r} cannot be opened: {error}. Is the Airflow provider of that store installed, e.g. "
            "apache-airflow-providers-amazon[s3fs] for s3://?"
        ) from error
    return path
