"""Reads what a collecting task has published: the files that a manifest lists, each checked against it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from itertools import chain
from typing import Any, BinaryIO

import msgspec

from anthropic_batches_provider.batches.byte_lines import grouped_lines
from anthropic_batches_provider.batches.file_options import FileOptions
from anthropic_batches_provider.batches.ledger import Storage
from anthropic_batches_provider.batches.output.delimited_files import read_delimited
from anthropic_batches_provider.batches.output.destination import MANIFEST_NAME
from anthropic_batches_provider.batches.output.manifest import (
    MANIFEST_VERSION,
    Manifest,
    PartFile,
    decode_manifest,
)
from anthropic_batches_provider.batches.rows import Partitions, read_row_file
from anthropic_batches_provider.edge.object_storage import open_storage
from anthropic_batches_provider.edge.sql_table import TABLE_SCHEME
from anthropic_batches_provider.edge.sql_tables.reading import rows_of_table
from anthropic_batches_provider.edge.task_destination import XCOM
from anthropic_batches_provider.edge.uris import as_uri, is_path, shown_uri, split_scheme
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError, LedgerError

_Rows = Iterator[dict[str, Any] | InvalidRowError]
_Reader = Callable[[BinaryIO, str], _Rows]

_READ_BYTES = 1 << 18
_OF_EVERY_MANIFEST = frozenset(("version", "destination", "parts", "counts", "batch_ids"))
_WHAT_TO_GIVE = (
    "Give the return value of a MessageBatchOperator or MessageBatchResultsOperator, or the URI of the folder that it "
    "wrote to."
)


def rows_of(output: Any) -> Iterator[dict[str, Any]]:
    """Return the rows of an output; :func:`.sources.read_rows` describes it."""
    if is_path(output):
        output = as_uri(output, "output")
    if isinstance(output, str):
        if split_scheme(output)[0] == TABLE_SCHEME:
            raise ConfigurationError(
                f"{shown_uri(output)} is a table, and its name does not say which of its rows are meant. Give the "
                "return value of the task that wrote them. Nothing was read."
            )
        folder = output.rstrip("/").removesuffix(f"/{MANIFEST_NAME}")
        return _rows_of_parts(_manifest_in(folder), folder)
    if isinstance(output, Mapping):
        return _rows_of_manifest(output)
    if output is None:
        raise ConfigurationError(
            "There is no output to read rows from: the value is None. Check the task id of xcom_pull, and whether the "
            "task was skipped or has not finished. Nothing was read."
        )
    if isinstance(output, Iterable) and not isinstance(output, (bytes, bytearray)):
        return _rows_of_items(output)
    raise ConfigurationError(
        f"Rows cannot be read from a value of type {type(output).__name__}. {_WHAT_TO_GIVE} Nothing was read."
    )


def _rows_of_items(items: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Yield rows that came through XCom, and those of the manifests or lists that a mapped task returned."""
    for item in items:
        if isinstance(item, Mapping) and not _is_manifest(item):
            yield dict(item)
        elif item is not None:  # of a mapped task that was skipped
            yield from rows_of(item)


def _is_manifest(value: Mapping[str, Any]) -> bool:
    return value.keys() >= _OF_EVERY_MANIFEST


def _rows_of_manifest(value: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if not _is_manifest(value):
        kind = "a job reference, which submitting tasks return" if "job" in value else "no manifest"
        raise ConfigurationError(f"Rows cannot be read from a dict that is {kind}. {_WHAT_TO_GIVE} Nothing was read.")
    try:
        manifest = msgspec.convert(value, Manifest)
    except msgspec.ValidationError as error:
        raise ConfigurationError(
            f"Rows cannot be read from a dict that is no whole manifest: {error}. {_WHAT_TO_GIVE} Nothing was read."
        ) from error
    if manifest.version != MANIFEST_VERSION:
        raise ConfigurationError(
            f"The manifest has version {manifest.version}, but this package reads version {MANIFEST_VERSION}. Use the "
            "package that wrote it. Nothing was read."
        )
    if manifest.destination == XCOM:
        raise ConfigurationError(
            "This manifest describes rows that were returned to XCom, and names no files. Pull the task's return "
            "value, which holds the rows, and not its XCom `manifest`. Nothing was read."
        )
    return _rows_of_parts(manifest, manifest.destination)


def _manifest_in(folder: str) -> Manifest:
    try:
        content = open_storage(folder, holds_ledger=False).read(MANIFEST_NAME)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise LedgerError(
            f"There is no {MANIFEST_NAME} in {shown_uri(folder)}, so nothing is published there. Check whether the job "
            "has finished, and whether this is its folder: a mapped task writes to map_index=0/, map_index=1/ … in it. "
            "Part files without a manifest do not count, and none was read."
        ) from error
    try:
        return decode_manifest(content)
    except ValueError as error:
        raise LedgerError(
            f"The manifest {folder}/{MANIFEST_NAME} cannot be used: {error}. Check whether this package wrote it; to "
            "write it again, clear the collecting task. No part was read."
        ) from error


def _rows_of_parts(manifest: Manifest, folder: str) -> Iterator[dict[str, Any]]:
    """Return the rows of all parts; they are read from the folder where they are now, which may be a copy."""
    if manifest.table is not None:
        return rows_of_table(manifest, manifest.table)
    read = _READERS.get(str(manifest.output_format))
    if read is None:
        raise ConfigurationError(
            f"The manifest of {shown_uri(folder)} says output_format {manifest.output_format!r}, but this version "
            f"reads {', '.join(map(repr, _READERS))}. Use the package that wrote it. Nothing was read."
        )
    storage = open_storage(folder, holds_ledger=False)
    return chain.from_iterable(_rows_of_part(storage, part, read) for part in manifest.parts)


def _rows_of_part(storage: Storage, part: PartFile, read: _Reader) -> Iterator[dict[str, Any]]:
    uri = f"{storage.uri.rstrip('/')}/{part.name}"
    rows = 0
    with ExitStack() as opened:
        try:
            stream = opened.enter_context(storage.open(part.name))
        except FileNotFoundError as error:
            raise _differs(uri, "is missing") from error
        size = stream.seek(0, io.SEEK_END)
        if size != part.bytes:
            raise _differs(uri, f"has {size:,} bytes, but the manifest says {part.bytes:,}")
        stream.seek(0)
        try:
            for row in read(stream, uri):
                if isinstance(row, InvalidRowError):
                    raise row
                yield row
                rows += 1
        except (ConfigurationError, _DamagedError) as error:  # of a reader, which takes the file for somebody else's
            raise _differs(uri, f"is damaged ({error})") from error
    if rows != part.rows:
        raise _differs(uri, f"has {rows:,} rows, but the manifest says {part.rows:,}")


class _DamagedError(Exception):
    """A file is not as it was written."""


class _NoPartitions(Partitions):
    """Adds nothing to the rows: the folders of an output are no columns of it, whatever they are called."""

    def add(self, rows: _Rows, columns: Mapping[str, str | None], file_name: str) -> _Rows:
        return rows


def _json_lines(stream: BinaryIO, uri: str) -> _Rows:
    return read_row_file(stream, name=uri, options=FileOptions(format="jsonl"))


def _parquet(stream: BinaryIO, uri: str) -> _Rows:
    return read_row_file(stream, name=uri, options=FileOptions(format="parquet"), partitions=_NoPartitions())


def _csv(stream: BinaryIO, uri: str) -> _Rows:
    try:
        yield from read_delimited(chain.from_iterable(grouped_lines(iter(lambda: stream.read(_READ_BYTES), b""))))
    except ValueError as error:
        raise _DamagedError(str(error)) from error


_READERS: Mapping[str, _Reader] = {"jsonl": _json_lines, "jsonl.gz": _json_lines, "parquet": _parquet, "csv": _csv}


def _differs(uri: str, difference: str) -> LedgerError:
    return LedgerError(
        f"The part {uri} {difference}. Restore the file, or clear the task that wrote it: it collects the results "
        "again at no cost while Anthropic keeps them, for 29 days after submission. Rows of earlier parts are whole."
    )
