"""The files that cells of rows name, such as images: read one at a time, from a disk or an object store."""

from __future__ import annotations

from typing import Any, BinaryIO

from airflow.providers.common.compat.sdk import ObjectStoragePath

from anthropic_batches_provider.edge.object_storage import object_path, open_object
from anthropic_batches_provider.edge.uris import as_uri, local_path
from anthropic_batches_provider.errors import ConfigurationError

_CHUNK = 1 << 20


def read_cell_file(place: Any, most: int) -> bytes:
    """Return the content of a file, up to ``most`` bytes.

    :param place: a URI or an absolute path, as text or as a path object; an ObjectStoragePath keeps its connection.
    :raises ConfigurationError: it is no URI and no absolute path, or its store is not known.
    :raises OSError: the file cannot be read; a ``FileNotFoundError`` if there is none.
    """
    with _opened(place) as file:
        parts, size = [], 0
        while size < most and (part := file.read(min(_CHUNK, most - size))):
            parts.append(part)
            size += len(part)
    return b"".join(parts)


def _opened(place: Any) -> BinaryIO:
    if isinstance(place, ObjectStoragePath):
        return open_object(place.fs, place.path)
    uri = as_uri(place, "the path")
    try:
        path = local_path(uri)
    except ConfigurationError as error:
        raise ConfigurationError(f"{error} Content itself is given as bytes.") from error
    if path is not None:
        return path.open("rb")
    remote = object_path(uri)
    return open_object(remote.fs, remote.path)
