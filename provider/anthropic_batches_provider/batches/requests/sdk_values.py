"""Messages params as users write them for the ``anthropic`` SDK, in the form in which the SDK would send them.

Omitted values are left out, models are dumped, and files are read where the SDK reads them. The SDK's types are known
by name, because this room does not import it. A file is read each time, so that the same params give the same bytes.

Source: ``anthropic/_utils/_prepare.py`` and ``_json.py`` of anthropic 2.11 (seen 2026-11-28).
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Set
from contextlib import suppress
from pathlib import Path
from typing import Any

from anthropic_batches_provider.batches.limits import MAX_BYTES_PER_BATCH
from anthropic_batches_provider.batches.requests.exact_values import NotJsonError
from anthropic_batches_provider.batches.requests.sdk_types import is_of, is_omitted
from anthropic_batches_provider.batches.requests.wording import reason, shortened

MAX_FILE_BYTES = MAX_BYTES_PER_BATCH // 4 * 3
"""A larger file fits into no batch: base64 makes four bytes of three."""

_CHUNK = 1 << 20
_PLAIN = frozenset((str, int, float, bool, type(None)))


class FileValueError(NotJsonError):
    """A file among the params that is not sent; the text is whole sentences, to follow ``In the params …,``."""


def sent_value(value: Any, path: str = "") -> Any:
    """Return params without omitted fields, and with the content of models and files; other values as they are.

    :param path: where the value is, for errors.
    :raises FileValueError: a file cannot be read, or is where no file is sent.
    :raises NotJsonError: a model cannot be dumped, or the params contain themselves.
    """
    try:
        return _sent(value, path)
    except RecursionError as error:
        raise NotJsonError("it is nested too deeply, or contains itself") from error


def _sent(value: Any, path: str) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is dict or (kind is not list and isinstance(value, Mapping)):
        return _sent_mapping(value, path)
    if kind is list or isinstance(value, (list, tuple)):
        return [item if type(item) in _PLAIN else _sent(item, f"{path}[{index}]") for index, item in enumerate(value)]
    if is_of(kind, "pydantic", ("BaseModel",)):
        return _dumped(value, path)
    if _is_file(value):
        raise FileValueError(
            f"{_place(path)} is a {kind.__name__}. A path or an open file is sent only as `data` beside "
            f"'type': 'base64'; elsewhere give its text, such as path.read_text()."
        )
    return value


def _sent_mapping(value: Mapping[Any, Any], path: str) -> dict[Any, Any]:
    sent = {}
    for name, item in value.items():
        kind = type(item)
        if kind in _PLAIN:
            sent[name] = item
            continue
        where = f"{path}.{name}" if path else str(name)
        if kind is dict or kind is list:
            sent[name] = _sent(item, where)
        elif not is_omitted(item):
            is_content = name == "data" and value.get("type") == "base64" and _is_file(item)
            sent[name] = _content(item, where) if is_content else _sent(item, where)
    return sent


def _dumped(model: Any, path: str) -> Any:
    """Return a model as the SDK dumps it: fields that were set, by alias, without those that it keeps to itself."""
    fields = {"exclude_unset": True, "by_alias": True, "exclude": getattr(model, "__api_exclude__", None)}
    try:
        dumped = model.model_dump(mode="json", warnings=False, **fields)
        held = model.model_dump(mode="python", warnings=False, **fields)
    except RecursionError:
        raise
    except Exception as error:
        raise NotJsonError(f"the {type(model).__name__} at {_place(path)} raised {reason(error)}") from error
    if (problem := _loss(held)) is not None:
        raise NotJsonError(f"the {type(model).__name__} at {_place(path)} holds {problem}")
    return dumped


def _loss(held: Any) -> str | None:
    """Return the value that a model's JSON would not keep: pydantic writes NaN as null, and sets in a random order."""
    if isinstance(held, Set):
        return "a set, whose order differs from process to process; declare a list"
    if isinstance(held, float) and not math.isfinite(held):
        return "NaN or infinity, which JSON has not; use None, or leave it out"
    if isinstance(held, Mapping):
        held = list(held.values())
    if isinstance(held, (list, tuple)):
        return next((loss for item in held if (loss := _loss(item)) is not None), None)
    return None


def _content(file: Any, path: str) -> bytes:
    """Return the bytes of a path or an open file. The encoder makes base64 of them."""
    try:
        content = _read(file)
    except Exception as error:
        raise FileValueError(
            f"the file at {_place(path)} cannot be read: {reason(error)}. Give a path that exists on the worker, or a "
            f"binary file that is still open; or leave the row out."
        ) from error
    if not content:
        raise FileValueError(
            f"the file at {_place(path)} holds no bytes{_shown(file)}. Fix the file, or leave the row out."
        )
    if len(content) > MAX_FILE_BYTES:
        raise FileValueError(
            f"the file at {_place(path)} has more than {MAX_FILE_BYTES:,} bytes{_shown(file)}, and a batch "
            f"holds at most {MAX_BYTES_PER_BATCH:,} in base64. Refer to large content by URL or file id."
        )
    return content


def _read(file: Any) -> bytes:
    if is_path(file):
        # A path's own open() knows object stores; another os.PathLike has none.
        path = file if hasattr(type(file), "open") else Path(os.fsdecode(file))
        with path.open("rb") as opened:
            return _rest(opened)
    if not (hasattr(file, "seekable") and file.seekable()):
        return _rest(file)
    start = file.tell()
    try:
        return _rest(file)
    finally:
        file.seek(start)  # several rows may share a file, and the same rows may be encoded again


def _rest(opened: Any) -> bytes:
    parts, size = [], 0
    while size <= MAX_FILE_BYTES and (part := opened.read(_CHUNK)):
        parts.append(part.encode() if isinstance(part, str) else part)
        size += len(parts[-1])
    return b"".join(parts)


def _is_file(value: object) -> bool:
    with suppress(Exception):  # an object that refuses the question is none
        return is_path(value) or callable(getattr(value, "read", None))
    return False


def is_path(value: object) -> bool:
    """Return whether a value is a path: of the standard library, of an object store, or another that can be opened."""
    kind = type(value)
    return isinstance(value, os.PathLike) or (hasattr(kind, "open") and hasattr(kind, "read_bytes"))


def _shown(file: object) -> str:
    return f" ({shortened(str(file))})" if is_path(file) else ""


def _place(path: str) -> str:
    return shortened(path, 120)
