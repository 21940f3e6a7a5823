"""The rows of a sample: short ones stay in memory, and long ones, with images in base64, on the local disk."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from itertools import count
from pathlib import Path

from anthropic_batches_provider.batches.estimates.token_counts import Refused

IN_MEMORY_BYTES = 1 << 18
"""Longer params go to a file."""


class KeptRow:
    """A row that is in a sample.

    :param number: its position in the input, from 0.
    :param params: its Messages params.
    :param max_tokens: of these.
    :ivar tokens: of its prompt, once they are counted, or that the API refuses it.
    :param path: where long params are kept; the file is removed with this object.
    """

    __slots__ = ("__weakref__", "_params", "_path", "max_tokens", "number", "size", "tokens")

    def __init__(self, number: int, params: bytes, max_tokens: int, path: Callable[[], Path]) -> None:
        self.number = number
        self.max_tokens = max_tokens
        self.size = len(params)
        self.tokens: int | Refused | None = None
        self._params: bytes | None = params
        self._path: Path | None = None
        if len(params) > IN_MEMORY_BYTES:
            self._path, self._params = path(), None
            self._path.write_bytes(params)
            weakref.finalize(self, self._path.unlink, missing_ok=True)

    def params(self) -> bytes:
        """Return its Messages params."""
        if self._params is not None:
            return self._params
        assert self._path is not None  # noqa: S101  # one of the two is there
        return self._path.read_bytes()


class RowFiles:
    """Names the files of long rows.

    :param folder: a local folder of this attempt alone.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count()

    def path(self) -> Path:
        """Return the path of a file that is not there yet."""
        return self._folder / f"sampled-{next(self._numbers)}.json"
