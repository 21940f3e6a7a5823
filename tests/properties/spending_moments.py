"""Moments at which an attempt may die, pause, meet another attempt or a store that fails, and a store that has them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal


class DiedError(BaseException):
    """The process ended here; no handler of the engine may see it."""


class StorageFailedError(OSError):
    """The store answered with an error; it may have written or not."""


@dataclass(frozen=True)
class Surprise:
    """An event that strikes an attempt.

    :param seconds: how long the attempt pauses before it; how far its clock is set forward.
    """

    kind: Literal["dies", "is paused", "meets another attempt", "meets a store that fails", "has its clock set"]
    seconds: float = 0


class Moments:
    """Counts the moments of one attempt, and triggers its surprises.

    :param surprises: by the number of the moment.
    :param step: called at each moment, before its surprise; another attempt may advance meanwhile.
    :ivar count: how many moments have come.
    :ivar set_clock: sets the clock of the attempt's machine forward by so many seconds.
    """

    def __init__(
        self,
        surprises: Mapping[int, Surprise],
        *,
        pause: Callable[[float], None],
        other: Callable[[], None],
        step: Callable[[], None],
    ) -> None:
        self._surprises = surprises
        self._pause = pause
        self._other = other
        self._step = step
        self.count = 0
        self.set_clock: Callable[[float], None] = lambda seconds: None
        self._dead = False

    def come(self, *, at_store: bool = False) -> None:
        surprise = self._surprises.get(self.count)
        self.count += 1
        if not self._dead:
            self._step()
        if self._dead or (surprise and surprise.kind == "dies"):
            self._dead = True
            raise DiedError
        if surprise is None:
            return
        if surprise.kind == "is paused":
            self._pause(surprise.seconds)
        elif surprise.kind == "has its clock set":
            self.set_clock(surprise.seconds)
        elif surprise.kind == "meets another attempt":
            self._pause(surprise.seconds)
            self._other()
        elif at_store:
            raise StorageFailedError("the store failed")


@dataclass
class Objects:
    """A store in memory, shared by all attempts."""

    uri: str
    contents: dict[str, bytes] = field(default_factory=dict)


class Store:
    """One attempt's access to a store."""

    def __init__(self, objects: Objects, moments: Moments) -> None:
        self._objects = objects
        self._moments = moments

    @property
    def uri(self) -> str:
        return self._objects.uri

    def read(self, path: str) -> bytes:
        self._moments.come(at_store=True)
        if path not in self._objects.contents:
            raise FileNotFoundError(path)
        return self._objects.contents[path]

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        yield io.BytesIO(self.read(path))

    def list(self, folder: str) -> list[str]:
        self._moments.come(at_store=True)
        start = f"{folder}/" if folder else ""
        return sorted({path[len(start) :].split("/")[0] for path in self._objects.contents if path.startswith(start)})

    def create(self, path: str, content: bytes) -> None:
        with self._write():
            if self._objects.contents.setdefault(path, content) != content:
                raise FileExistsError(path)

    def put_file(self, source: Path, path: str) -> None:
        with self._write():
            self._objects.contents[path] = source.read_bytes()

    def remove(self, path: str) -> None:
        with self._write():
            self._objects.contents.pop(path, None)

    @contextmanager
    def _write(self) -> Iterator[None]:
        self._moments.come(at_store=True)
        yield
        self._moments.come(at_store=True)
