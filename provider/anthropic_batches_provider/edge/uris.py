"""The texts that name a file or a folder: how they are given, what they may be, and how an error shows them."""

from __future__ import annotations

import copy
import os
import re
from pathlib import Path, PurePath
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath
from airflow.sdk.definitions._internal.mixins import ResolveMixin

from anthropic_batches_provider.errors import ConfigurationError

Uri = str | os.PathLike[str] | ObjectStoragePath
"""A URI or an absolute path, as the author of a DAG may give it."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*\Z")
_LIKE_A_NAME = re.compile(r"[^\s'\"{}<>]{1,200}\Z")
_BEGINS_LIKE_DATA = re.compile(r"\s*[\[{(\"'<]")


def as_uri(value: Any, argument: str) -> Any:
    """Return the text of a path; what is a text already, None, or known only when the task runs, stays as it is.

    :param value: as a DAG's author gave it, or as Airflow resolved it.
    :param argument: its name, for errors.
    :raises ConfigurationError: a path that is relative, or that may have lost its connection; a value of another type.
    """
    if value is None or isinstance(value, (str, ResolveMixin)):
        return value
    if isinstance(value, ObjectStoragePath):
        text = str(value)
        if not _names_a_connection(text) and _copies_lose_the_connection():
            raise ConfigurationError(
                f"{argument}= is the path {text!r} without a connection, and this version of Airflow loses a path's "
                f"connection when it copies the path. Give the URI as text: {argument}="
                f"{text.replace('://', '://conn_id@', 1)!r}, or without a connection {argument}={text!r}."
            )
        return text
    if isinstance(value, PurePath) or (isinstance(value, os.PathLike) and isinstance(os.fspath(value), str)):
        text = os.fspath(value)
        if not Path(text).is_absolute():
            raise ConfigurationError(
                f"{argument}= is the relative path {text!r}, whose meaning would depend on the worker. Make it "
                f"absolute: Path(__file__).parent / {text!r}."
            )
        return text
    raise ConfigurationError(
        f"{argument}= has type {type(value).__name__}. Give a URI or an absolute path: as text, as a pathlib.Path or "
        "as an ObjectStoragePath."
    )


def is_path(value: object) -> bool:
    """Return whether a value is a path object of some kind, not a text."""
    return isinstance(value, (ObjectStoragePath, os.PathLike))


def _names_a_connection(uri: str) -> bool:
    scheme, _, rest = uri.partition("://")
    return not rest or scheme == "file" or "@" in rest.partition("/")[0]


def _copies_lose_the_connection() -> bool:
    """Return whether a path's connection is lost when the path is copied, as Airflow does with default arguments."""
    return not _names_a_connection(str(copy.deepcopy(ObjectStoragePath("s3://conn_id@bucket/key"))))


def split_scheme(uri: str) -> tuple[str, str]:
    """Return the scheme of a URI ("" for a path), and what follows it."""
    scheme, separator, rest = uri.partition("://")
    return (scheme, rest) if separator and _SCHEME.match(scheme) else ("", uri)


def local_path(uri: str) -> Path | None:
    """Return the local path that a URI names; None if it names an object store.

    :raises ConfigurationError: it is no URI and no absolute path. A relative path would depend on the worker.
    """
    scheme, rest = split_scheme(uri)
    if scheme not in ("", "file"):
        return None
    path = Path(rest)
    if not path.is_absolute() or "\0" in rest:
        raise ConfigurationError(
            f"{shown_uri(uri)} is not an absolute path. Give a URI such as file:///data/rows.jsonl or "
            "s3://conn_id@bucket/key, or an absolute path."
        )
    return path


def shown_uri(uri: str) -> str:
    """Return a text that should be a URI, as an error may show it: never data, which a template may have rendered."""
    if _LIKE_A_NAME.match(uri) and not _BEGINS_LIKE_DATA.match(uri):
        return repr(uri)
    return f"A text of {len(uri):,} characters"
