"""The folder that rows are written to, and whose it is.

Invariant: a folder has one owner, named by its manifest; another owner's is never written to, and a manifest that
cannot be read counts as another's.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, get_args

from anthropic_batches_provider.batches.collection.manifest import Manifest, decode_manifest
from anthropic_batches_provider.batches.ledger import Storage
from anthropic_batches_provider.errors import ConfigurationError, DestinationOwnedError

MANIFEST_NAME = "_manifest.json"
WRITE_CHECK_NAME = "_write_check"

OutputFormat = Literal["jsonl", "jsonl.gz"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where output goes.

    :param storage: the folder.
    :param owner: the unit of work that may write there, e.g. :attr:`UnitOfWork.owner`.
    :param output_format: JSON Lines, plain or gzip.
    :raises ConfigurationError: the format is unknown.
    """

    storage: Storage
    owner: str
    output_format: OutputFormat = "jsonl"

    def __post_init__(self) -> None:
        if self.output_format not in get_args(OutputFormat):
            known = " or ".join(map(repr, get_args(OutputFormat)))
            raise ConfigurationError(f"output_format= must be {known}, not {self.output_format!r}. Nothing was spent.")

    @property
    def uri(self) -> str:
        """Where it is, without a slash at its end."""
        return self.storage.uri.rstrip("/")


def check_destination(destination: Destination) -> Manifest | None:
    """Return the previous manifest of the same owner; None if the folder has none. Call it before spending, too.

    :raises DestinationOwnedError: another owner's manifest is there, or one that cannot be read.
    :raises ConfigurationError: the folder cannot be looked at.
    """
    try:
        with _explained(destination, "read"):
            content = destination.storage.read(MANIFEST_NAME)
    except FileNotFoundError:
        return None
    where = f"{destination.uri}/{MANIFEST_NAME}"
    try:
        manifest = decode_manifest(content)
    except ValueError as error:
        raise DestinationOwnedError(
            f"{where} exists and cannot be read ({error}), so that {destination.owner!r} cannot be shown to own this "
            f"destination. {_UNTOUCHED} Give destination= another folder; or, if nobody needs the output in this one, "
            "remove it together with its manifest."
        ) from error
    if manifest.owner != destination.owner:
        raise DestinationOwnedError(
            f"The output in {destination.uri} belongs to {manifest.owner!r} (by its {MANIFEST_NAME}), and "
            f"{destination.owner!r} must not replace it. {_UNTOUCHED} Give each task and each run its own folder, e.g. "
            "by {{ ds }} in destination=; or, if that output is no longer needed, remove the folder."
        )
    return manifest


def check_writable(destination: Destination) -> None:
    """Write a small object to the folder and remove it again. Call it before spending, too.

    :raises ConfigurationError: that failed.
    """
    with _explained(destination, "written"):
        name = f"{WRITE_CHECK_NAME}-{secrets.token_hex(4)}"
        destination.storage.create(name, b"")
        destination.storage.remove(name)


# What a retry would only meet again; any other error of a store may pass by itself.
_LASTING = (PermissionError, NotADirectoryError, IsADirectoryError, FileExistsError)

_UNTOUCHED = "Nothing was written or spent by this check, and results stay at Anthropic for 29 days after submission."


@contextmanager
def _explained(destination: Destination, done: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        if done == "read":
            raise
        raise _unusable(destination, done, error) from error
    except _LASTING as error:
        raise _unusable(destination, done, error) from error


def _unusable(destination: Destination, done: str, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"The destination {destination.uri} cannot be {done}: {type(error).__name__}: {error}. Correct destination= or "
        "the permissions of the store's connection (it needs to read, list, write and remove), then clear the task. "
        "No results were fetched or lost: those of submitted batches stay at Anthropic for 29 days after submission, "
        "and collecting them again costs nothing."
    )
