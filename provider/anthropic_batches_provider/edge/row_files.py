"""Files of rows, on a disk or in an object store: which files a URI names, and their rows one after another."""

from __future__ import annotations

import datetime
import fnmatch
import logging
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from anthropic_batches_provider.batches.file_options import FileDetails, FileOptions
from anthropic_batches_provider.edge.object_storage import folder_entries, object_path, open_object
from anthropic_batches_provider.edge.uris import local_path, shown_uri, split_scheme
from anthropic_batches_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.rows import Reading

log = logging.getLogger(__name__)

_GLOB_CHARACTERS = frozenset("*?[")
_HIDDEN = (".", "_")


def read_row_files(uris: Sequence[str], reading: Reading, options: FileOptions | None = None) -> Iterator[Any]:
    """Yield the rows of all files that URIs name; the errors are those of :meth:`.RowsArgument.read`.

    :param uris: their files are read in this order, each of them once.
    :param options: what the DAG says of the files.
    """
    from anthropic_batches_provider.batches.rows import Partitions, read_row_file

    row_number = 0
    partitions = Partitions()
    for file in _each_once(file for uri in uris for file in find_files(uri)):
        with _open(file) as stream:
            row_number = yield from read_row_file(
                stream,
                name=file,
                first_row_number=row_number,
                ready_requests=reading.ready_requests,
                digits_of=reading.digits_of,
                options=options,
                details=partial(_details, file),
                schema=reading.schema,
                splice=reading.splice,
                partitions=partitions,
            )


def _each_once(found: Iterable[str]) -> Iterator[str]:
    """Yield the first of the URIs that name the same file, such as ``/data/a.csv`` and ``file:///data//a.csv``."""
    seen: set[str] = set()
    for uri in found:
        path = _local_path(uri)
        place = uri if path is None else str(path)
        if place not in seen:
            seen.add(place)
            yield uri


def find_files(uri: str) -> list[str]:
    """Return the URIs that a URI names: itself or, if it holds ``*``, ``?`` or ``[``, the matching files, sorted.

    A wildcard does not match ``/``, nor a name that begins with ``.`` or ``_``, unless its own part of the path does.
    A file or folder of exactly that name takes precedence over what its wildcards would match. Folders are no files. A
    listing that fails raises its error; it is never taken for an empty folder.

    :raises ConfigurationError: it is no URI and no absolute path, or the folder before the first wildcard is missing.
    """
    if not _GLOB_CHARACTERS & set(uri):
        return [uri]
    _local_path(uri)
    scheme, rest = split_scheme(uri)
    segments = rest.split("/")
    fixed = next(number for number, segment in enumerate(segments) if _GLOB_CHARACTERS & set(segment))
    base = "/".join(segments[:fixed])
    found, last = [f"{scheme}://{base}" if scheme else base], len(segments) - 1
    for number, segment in enumerate(segments[fixed:], fixed):
        matching = []
        for folder in found:
            try:
                entries = folder_entries(folder or "/")
            except (FileNotFoundError, NotADirectoryError):
                if number == fixed:
                    raise _no_folder(folder or "/", uri) from None
                continue  # only some of the folders that an earlier wildcard found have this one
            matching += [f"{folder}/{name}" for name in _matching(entries, segment, folders=number < last)]
        found = matching
    return sorted(found)


def _matching(entries: set[tuple[str, bool]], segment: str, *, folders: bool) -> list[str]:
    """Return the names of a folder that match a part of a path.

    :param entries: the names, each with whether it is a folder.
    :param folders: whether folders are wanted; else files.
    """
    if (segment, folders) in entries:
        return [segment]
    found = [name for name, is_folder in entries if is_folder is folders and fnmatch.fnmatchcase(name, segment)]
    if segment.startswith(_HIDDEN):
        return found
    hidden = [name for name in found if name.startswith(_HIDDEN)]
    if hidden:
        log.info("Passed over, because their names begin with '.' or '_': %s", ", ".join(sorted(hidden)[:10]))
    return [name for name in found if not name.startswith(_HIDDEN)]


def _local_path(uri: str) -> Path | None:
    """Return the same as :func:`.local_path`; a template may have rendered data, so that an error has advice on that.

    :raises ConfigurationError: it is no URI and no absolute path. The message shows no data.
    """
    if uri.startswith(("http://", "https://")):
        raise ConfigurationError(
            f"{shown_uri(uri)} is a web address, and files are read from disks and object stores alone. Download it in "
            "a task before, or give a function that yields its rows. Nothing was sent."
        )
    try:
        return local_path(uri)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"{error} If a template renders the rows themselves, give the task's output instead "
            "(rows=other_task.output), or a function that returns them. Nothing was sent."
        ) from None


def _no_folder(folder: str, uri: str) -> ConfigurationError:
    return ConfigurationError(
        f"There is no folder {folder!r} in which to look for {uri!r}. Check the path. If the folder may be missing at "
        "times, put a wildcard into its own name (dt=2026-11-2[8]/*.jsonl): then there are no rows, and on_empty= "
        "decides. Nothing was sent."
    )


def _open(uri: str) -> BinaryIO:
    path = _local_path(uri)
    try:
        if path is not None:
            return path.open("rb")
        remote = object_path(uri)
        return open_object(remote.fs, remote.path)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"There is no file {uri!r} to read rows from. Check the path; a retry looks for it again. Nothing was sent."
        ) from error
    except IsADirectoryError:
        raise ConfigurationError(
            f"{shown_uri(uri)} is a folder. Name its files, for example with {uri.rstrip('/') + '/*'!r}. "
            "Nothing was sent."
        ) from None


def _details(uri: str) -> FileDetails:
    """Return what the store says of a file."""
    path = _local_path(uri)
    if path is not None:
        found = path.stat()
        return FileDetails(
            size=found.st_size, modified=datetime.datetime.fromtimestamp(found.st_mtime, tz=datetime.UTC)
        )
    remote = object_path(uri)
    info = remote.fs.info(remote.path)
    modified = next(
        (info[name] for name in ("LastModified", "last_modified", "mtime", "updated") if info.get(name)), None
    )
    if isinstance(modified, str):
        modified = datetime.datetime.fromisoformat(modified)
    return FileDetails(
        size=info["size"],
        modified=modified.astimezone(datetime.UTC) if isinstance(modified, datetime.datetime) else None,
    )
