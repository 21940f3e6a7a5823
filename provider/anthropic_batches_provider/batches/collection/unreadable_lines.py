"""Lines of results that cannot be decoded, kept whole in the job folder: they were paid for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

_LINE_FEED = b"\n"


def unreadable_file(shard: int) -> str:
    """Return the path in the job folder of the unreadable lines of the rows of a shard of the first round."""
    return f"unreadable/{shard:05d}.jsonl"


class UnreadableLines:
    """Writes lines as received to a local file, which is there only if there was a line.

    :param path: of the local file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None

    def __enter__(self) -> UnreadableLines:
        self._path.unlink(missing_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def keep(self, lines: Iterable[bytes | None]) -> None:
        """Write lines, each without its line feed."""
        for line in lines:
            if line is not None:
                if self._file is None:
                    self._file = self._path.open("wb")
                self._file.write(line + _LINE_FEED)
