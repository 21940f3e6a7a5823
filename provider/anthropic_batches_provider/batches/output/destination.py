"""The output folder and its owner.

Invariant: a folder has one owner. Its marker names the owner before anything is spent, and its manifest names the owner
too. If either names another owner or cannot be read, nothing is written.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from anthropic_batches_provider.batches.ledger import Storage
from anthropic_batches_provider.batches.output.formats import DEFAULT_FORMAT, OutputFormat, find_format
from anthropic_batches_provider.batches.output.manifest import Manifest, decode_manifest
from anthropic_batches_provider.batches.undecodable import UNDECODABLE
from anthropic_batches_provider.errors import ConfigurationError, DestinationOwnedError

if TYPE_CHECKING:  # for tables alone
    from anthropic_batches_provider.batches.output.target_table import TargetTable

MANIFEST_NAME = "_manifest.json"
OWNER_NAME = "_owner.json"
WRITE_CHECK_NAME = "_write_check"


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where output goes.

    :param storage: the folder.
    :param owner: the unit of work that may write there, e.g. :attr:`UnitOfWork.owner`.
    :param output_format: a name in :data:`~formats.FORMATS`.
    :param table: the table that the parts in the folder are loaded into when they are published; None for files.
    :raises ConfigurationError: the format is unknown.
    """

    storage: Storage
    owner: str
    output_format: str = DEFAULT_FORMAT
    table: TargetTable | None = None

    def __post_init__(self) -> None:
        find_format(self.output_format)

    @property
    def format(self) -> OutputFormat:
        """How files are written there."""
        return find_format(self.output_format)

    @property
    def uri(self) -> str:
        """The URI of the folder, without a slash at the end."""
        return self.storage.uri.rstrip("/")

    @property
    def published_at(self) -> str:
        """Where readers find the rows: the URI of the folder, or of the table."""
        return self.uri if self.table is None else self.table.uri


def check_destination(destination: Destination) -> Manifest | None:
    """Return the previous manifest of the same owner; None if the folder has none. Call it before spending as well.

    :raises DestinationOwnedError: the marker or the manifest names another owner, or cannot be read.
    :raises ConfigurationError: the folder cannot be read.
    """
    _check_marker(destination)
    content = _read(destination, MANIFEST_NAME)
    if content is None:
        return None
    try:
        manifest = decode_manifest(content)
    except ValueError as error:
        raise _unreadable(destination, MANIFEST_NAME, error) from error
    if manifest.owner != destination.owner:
        raise DestinationOwnedError(
            f"The output in {destination.uri} belongs to {manifest.owner!r} (see its {MANIFEST_NAME}), so "
            f"{destination.owner!r} must not replace it. {_WHAT_TO_DO} {_UNTOUCHED}"
        )
    return manifest


def claim_destination(destination: Destination) -> Manifest | None:
    """Claim the folder for its owner, and return the previous manifest of the same owner, if there is one.

    Call it before anything is spent: every other owner is refused from then on, even before anything is published. On
    a store without exclusive creation, two owners at the same moment may both continue. One of them is then refused
    when it publishes.

    Raises the same errors as :func:`check_destination`.
    """
    manifest = check_destination(destination)
    if not _check_marker(destination):
        with _explained(destination, "written"):
            try:
                destination.storage.create(OWNER_NAME, msgspec.json.encode(_Marker(owner=destination.owner)) + b"\n")
            except FileExistsError:
                if not _check_marker(destination):
                    raise
        _check_marker(destination)
    return manifest


def check_writable(destination: Destination) -> None:
    """Write a small object to the folder and remove it again. Call it before spending as well.

    :raises ConfigurationError: the object cannot be written or removed.
    """
    with _explained(destination, "written"):
        name = f"{WRITE_CHECK_NAME}-{secrets.token_hex(4)}"
        destination.storage.create(name, b"")
        destination.storage.remove(name)


# A retry would only meet these again; any other error of a store may be temporary.
_LASTING = (PermissionError, NotADirectoryError, IsADirectoryError, FileExistsError)

_UNTOUCHED = "Nothing was written or spent by this check. Results stay at Anthropic for 29 days after submission."


_WHAT_TO_DO = (
    "Give each task and each run its own folder, e.g. with {{ ds }} in destination=. To give this folder to another "
    "owner, wait until no task works on it and nobody needs its output. Then remove the folder, or at least its "
    f"{OWNER_NAME} and {MANIFEST_NAME}, and run the task again."
)


class _Marker(msgspec.Struct, frozen=True, kw_only=True):
    """The owner of a destination, recorded before anything is spent for it."""

    version: int = 1
    owner: str


def _check_marker(destination: Destination) -> bool:
    """Return whether there is a marker; it is then a marker of the same owner."""
    content = _read(destination, OWNER_NAME)
    if content is None:
        return False
    try:
        owner = msgspec.json.decode(content, type=_Marker).owner
    except UNDECODABLE as error:
        raise _unreadable(destination, OWNER_NAME, error) from error
    if owner != destination.owner:
        raise DestinationOwnedError(
            f"The destination {destination.uri} is claimed by {owner!r} (see its {OWNER_NAME}), so "
            f"{destination.owner!r} must not write there. {_WHAT_TO_DO} {_UNTOUCHED} The task of that owner may be "
            "running or may have failed."
        )
    return True


def _read(destination: Destination, name: str) -> bytes | None:
    try:
        with _explained(destination, "read"):
            return destination.storage.read(name)
    except FileNotFoundError:
        return None


def _unreadable(destination: Destination, name: str, error: Exception) -> DestinationOwnedError:
    return DestinationOwnedError(
        f"{destination.uri}/{name} exists but cannot be read ({error}), so nothing proves that {destination.owner!r} "
        "owns this destination. Set destination= to another folder; or, if nobody needs the output in this one, remove "
        f"that output together with its {OWNER_NAME} and {MANIFEST_NAME}. {_UNTOUCHED}"
    )


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
        "No results were fetched or lost. Those of submitted batches stay at Anthropic for 29 days after submission, "
        "and collecting them again costs nothing."
    )
