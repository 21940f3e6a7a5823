"""How pyarrow reads the bytes of a file of rows, and what its errors mean."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, NoReturn

from anthropic_batches_provider.batches.requests.wording import reason, shortened
from anthropic_batches_provider.batches.rows.plain_bytes import BrokenFileError, RowFile
from anthropic_batches_provider.errors import ConfigurationError

LARGE_BYTES = 128 << 20
"""A part of a file that is held in memory at once is named in the log from this size on."""

_SEARCHED_BYTES = 1 << 20
_WRITE_AGAIN = "Write or copy the file again."
_PACKED = {b"\x1f\x8b": ("gzip", "gunzip"), b"\x28\xb5\x2f\xfd": ("zstd", "unzstd")}
_OTHERS = (
    (b"PAR1", "a Parquet file", 'Give files(…, format="parquet"), or a name that ends in .parquet.'),
    (b"ARROW1", "an Arrow file", 'Give files(…, format="arrow"), or a name that ends in .arrow.'),
    (b"\xff\xff\xff\xff", "an Arrow stream", 'Give files(…, format="arrow"), or a name that ends in .arrows.'),
    (b"{", "JSON Lines", 'Give files(…, format="jsonl"), or a name that ends in .jsonl.'),
)


def import_pyarrow(what: str) -> Any:
    """Return the module pyarrow.

    :param what: what needs it, to begin a sentence.
    :raises ConfigurationError: it is not installed. The message names the extra.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise ConfigurationError(
            f"{what} cannot be read without pyarrow ({error}). Install it on every worker: "
            "pip install 'airflow-provider-anthropic-batches[parquet]'. Nothing was sent."
        ) from error
    return pyarrow


class ArrowSource:
    """The bytes of a file as pyarrow reads them, with what tells a store that fails from a file that is damaged.

    :ivar failure: the error of the store, if there was one.
    :ivar reached_end: whether more bytes were asked for than there are.
    """

    closed = False

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.failure: Exception | None = None
        self.reached_end = False

    def beginning(self, size: int) -> bytes:
        """Return the first bytes, and go back to the start."""
        self.seek(0)
        found = self.read(size)
        self.seek(0)
        self.reached_end = False
        return found

    def ending(self, size: int) -> bytes:
        """Return the last bytes, and go back to the start."""
        end = self.seek(0, io.SEEK_END)
        self.seek(max(end - size, 0))
        found = self.read(min(end, size))
        self.seek(0)
        return found

    def at(self, offset: int, size: int) -> bytes:
        """Return the bytes at an offset."""
        self.seek(offset)
        return self.read(size)

    def positions(self, marks: bytes, start: int, end: int) -> Iterator[int]:
        """Yield where bytes stand in a part of the file, which is read in pieces."""
        while start < end:
            piece = self.at(start, min(_SEARCHED_BYTES, end - start))
            found = piece.find(marks)
            while found >= 0:
                yield start + found
                found = piece.find(marks, found + 1)
            if len(piece) < len(marks) or start + len(piece) >= end:
                return
            start += len(piece) - len(marks) + 1

    def read(self, size: int = -1) -> bytes:
        try:
            found = self._stream.read(size)
            while 0 < len(found) < size and (more := self._stream.read(size - len(found))):
                found += more
        except Exception as error:
            self.failure = error
            raise
        self.reached_end = self.reached_end or len(found) < size
        return found

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        try:
            return self._stream.seek(offset, whence)
        except Exception as error:
            self.failure = error
            raise

    def tell(self) -> int:
        return self._stream.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def flush(self) -> None:
        """Do nothing: it is only read."""

    def close(self) -> None:
        """Leave the stream open: it belongs to the caller."""


@contextmanager
def reading(file: RowFile, source: ArrowSource) -> Iterator[None]:
    """Turn pyarrow's errors into those of a reader of rows; an error of the store passes as it is.

    :raises BrokenFileError: the bytes are damaged.
    :raises ConfigurationError: pyarrow cannot read such a file.
    """
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, ValueError, KeyError, OSError, MemoryError, RuntimeError, TypeError) as error:
        if source.failure is not None:
            raise source.failure from error
        if isinstance(error, pyarrow.ArrowNotImplementedError):
            raise ConfigurationError(
                f"{file.name} cannot be read by pyarrow {pyarrow.__version__} ({reason(error)}). Upgrade pyarrow, "
                "write the file in another way, or give a function that yields its rows. Nothing was sent."
            ) from error
        raise BrokenFileError(f"the bytes of the file are damaged ({reason(error)}). {_WRITE_AGAIN}") from error


def batches_of(reader: Iterator[Any], file: RowFile, source: ArrowSource) -> Iterator[Any]:
    """Yield the batches of a reader of pyarrow.

    :raises BrokenFileError: as :func:`reading`.
    :raises ConfigurationError: as :func:`reading`.
    """
    while True:
        with reading(file, source):
            batch = next(reader, None)
        if batch is None:
            return
        yield batch


def refuse_other_format(file: RowFile, beginning: bytes) -> NoReturn:
    """Refuse a file that does not begin as its format does.

    :raises ConfigurationError: says what it seems to be, and the way in.
    """
    problem = f"is no {file.format_name} file: it begins with {shortened(beginning[:16])!r}. Check where it comes from."
    if not beginning:
        problem = f"is empty, and so no {file.format_name} file. {_WRITE_AGAIN}"
    for magic, (how, command) in _PACKED.items():
        if beginning.startswith(magic):
            problem = (
                f"is compressed with {how} as a whole, so that {file.format_name} cannot be read from its end. "
                f"Decompress it, for example with `{command}`; the format has a compression of its own."
            )
    for magic, what, way in _OTHERS:
        if beginning.startswith(magic):
            problem = f"seems to be {what}, not {file.format_name}. {way}"
    raise ConfigurationError(f"{file.name} {problem} Nothing was sent.")


def cut_short(file: RowFile) -> ConfigurationError:
    """Return the error for a file whose end is missing."""
    return ConfigurationError(
        f"{file.name} seems to be cut short: its {file.format_name} data has no end. Write or copy the file again. "
        "Nothing was sent."
    )


def joined_files(file: RowFile) -> ConfigurationError:
    """Return the error for several files in one, of which a reader sees the rows of the first alone."""
    return ConfigurationError(
        f"{file.name} holds several {file.format_name} files, as when files are joined by `cat`: only the rows of the "
        "first could be read. Give the files one by one, with `*`. Nothing was sent."
    )


def refuse_ready_requests(file: RowFile) -> NoReturn:
    """Refuse a table of ready requests: a struct has all its fields, so that an absent one would be sent as null.

    :raises ConfigurationError: says how the requests can be given.
    """
    raise ConfigurationError(
        f"{file.name} is read as {file.format_name}, whose params would have null for each field that a request "
        "leaves out. Give ready requests as JSON Lines, or a function that yields dicts of custom_id and params: for a "
        'column of JSON text, `{"custom_id": row["custom_id"], "params": json.loads(row["params"])}`. '
        "Nothing was sent."
    )
