"""A storage and a client that kill their forked process at a boundary before or after one of their actions.

A boundary is the moment before or after a write (and just before an object gets its name), before or after a call to
the service, and inside a create call before and after its body.
"""

from __future__ import annotations

import os
import re
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO
from unittest import mock

import msgspec

from anthropic_batches_provider.batches.client import BatchPage, MessageBatchClient
from anthropic_batches_provider.batches.ledger import Storage
from anthropic_batches_provider.batches.limits import MAX_LIST_PAGE
from anthropic_batches_provider.batches.message_batch import MessageBatch


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a run.

    :param boundaries: the names of the boundaries that it reached, in order.
    :param error: the traceback of the error that ended it.
    """

    boundaries: list[str]
    killed: bool
    error: str | None = None


class Boundaries:
    """Writes the name of each boundary to a pipe, and kills this process at the chosen one."""

    def __init__(self, pipe: int, kill_at: int | None) -> None:
        self._pipe = pipe
        self._kill_at = kill_at
        self._reached = 0

    def reach(self, name: str) -> None:
        os.write(self._pipe, f"{name}\n".encode())
        if self._reached == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self._reached += 1

    @contextmanager
    def around(self, what: str) -> Iterator[None]:
        self.reach(f"before {what}")
        try:
            yield
        finally:
            self.reach(f"after {what}")


class MortalStorage:
    """A storage with a boundary on each side of every write."""

    def __init__(self, inner: Storage, boundaries: Boundaries) -> None:
        self._inner = inner
        self._boundaries = boundaries

    @property
    def uri(self) -> str:
        return self._inner.uri

    def read(self, path: str) -> bytes:
        return self._inner.read(path)

    def open(self, path: str) -> AbstractContextManager[BinaryIO]:
        return self._inner.open(path)

    def list(self, folder: str) -> list[str]:
        return self._inner.list(folder)

    def create(self, path: str, content: bytes) -> None:
        with self._boundaries.around(f"create {_kind(path)}"):
            self._inner.create(path, content)

    def put_file(self, source: Path, path: str) -> None:
        with self._boundaries.around(f"put {_kind(path)}"):
            self._inner.put_file(source, path)

    def remove(self, path: str) -> None:
        with self._boundaries.around(f"remove {_kind(path)}"):
            self._inner.remove(path)


class MortalClient(MessageBatchClient):
    """The client with a boundary on each side of every call, and around the body of a create call."""

    boundaries: Boundaries

    def create(self, content: Iterable[bytes], *, content_length: int, betas: Sequence[str] = ()) -> MessageBatch:
        with self.boundaries.around("POST of a batch"):
            return super().create(self._watched(content), content_length=content_length, betas=betas)

    def _watched(self, content: Iterable[bytes]) -> Iterator[bytes]:
        self.boundaries.reach("before the body")
        yield from content
        self.boundaries.reach("after the body")

    def retrieve(self, batch_id: str) -> MessageBatch:
        with self.boundaries.around("retrieve"):
            return super().retrieve(batch_id)

    def cancel(self, batch_id: str) -> MessageBatch:
        with self.boundaries.around("cancel"):
            return super().cancel(batch_id)

    def list_page(
        self, *, limit: int = MAX_LIST_PAGE, after_id: str | None = None, before_id: str | None = None
    ) -> BatchPage:
        with self.boundaries.around("list"):
            return super().list_page(limit=limit, after_id=after_id, before_id=before_id)

    @contextmanager
    def results(self, batch_id: str) -> Iterator[Iterator[bytes]]:
        with self.boundaries.around("results"), super().results(batch_id) as chunks:
            self.boundaries.reach("with results open")
            yield chunks


def run_forked(work: Callable[[Boundaries], None], kill_at: int | None) -> Report:
    """Do some work in a new process, and wait for its end."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _be_the_child(work, Boundaries(writing, kill_at), writing)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        lines = pipe.read().splitlines()
    status = os.waitpid(child, 0)[1]
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    place = next((place for place, line in enumerate(lines) if line == _FAILED), len(lines))
    error = None if killed or os.waitstatus_to_exitcode(status) == 0 else "\n".join(lines[place + 1 :])
    return Report(boundaries=lines[:place], killed=killed, error=error)


def _be_the_child(work: Callable[[Boundaries], None], boundaries: Boundaries, pipe: int) -> None:
    """Do the work and never return: no code of the parent may run twice."""
    code = 1
    try:
        with naming(boundaries):
            work(boundaries)
        code = 0
    except BaseException:  # noqa: BLE001 - the parent reports it
        os.write(pipe, f"{_FAILED}\n{traceback.format_exc()}".encode())
    finally:
        os._exit(code)


@contextmanager
def naming(boundaries: Boundaries) -> Iterator[None]:
    """Add a boundary at which LocalStorage has written and flushed an object that has no name yet."""
    link, replace = os.link, Path.replace

    def naming_link(source: Path, target: Path) -> None:
        boundaries.reach(f"before {_kind(str(target))} gets its name")
        link(source, target)

    def naming_replace(source: Path, target: Path) -> Path:
        boundaries.reach(f"before {_kind(str(target))} gets its name")
        return replace(source, target)

    with ExitStack() as patches:
        patches.enter_context(mock.patch.object(os, "fsync"))  # a kill, unlike a power cut, loses nothing written
        patches.enter_context(mock.patch.object(os, "link", naming_link))
        patches.enter_context(mock.patch.object(Path, "replace", naming_replace))
        yield


_FAILED = "failed:"
_RANDOM = re.compile("-[0-9a-f]{8}(?=[-.]|$)")  # in the names of parts, of their records and of the write check


def _kind(path: str) -> str:
    """Return the name of a file without the parts that differ from run to run."""
    folder, _, name = path.rpartition("/")
    if name.startswith(".spool-"):
        return "a file without a name yet"
    kinds = {"requests": "requests", "rows": "rows", "unusable": "unusable rows", "claims": "a claim"}
    return kinds.get(folder.rpartition("/")[-1]) or _RANDOM.sub("", name)
