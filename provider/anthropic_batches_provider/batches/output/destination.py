"""The folder that rows are written to, and whose it is.

Invariant: a folder has one owner, named by its marker from before anything is spent, and by its manifest; where either
names another owner, or cannot be read, nothing is written.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from anthropic_batches_provider.batches.ledger import Storage
from anthropic_batches_provider.batches.output.formats import DEFAULT_FORMAT, OutputFormat, find_format
from anthropic_batches_provider.batches.output.manifest import Manifest, decode_manifest
from anthropic_batches_provider.errors import ConfigurationError, DestinationOwnedError

MANIFEST_NAME = "_manifest.json"
OWNER_NAME = "_owner.json"
WRITE_CHECK_NAME = "_write_check"


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where output goes.

    :param storage: the folder.
    :param owner: the unit of work that may write there, e.g. :attr:`UnitOfWork.owner`.
    :param output_format: a name of :data:`~formats.FORMATS`.
    :raises ConfigurationError: the format is unknown.
    """

    storage: Storage
    owner: str
    output_format: str = DEFAULT_FORMAT

    def __post_init__(self) -> None:
        find_format(self.output_format)

    @property
    def format(self) -> OutputFormat:
        """How files are written there."""
        return find_format(self.output_format)

    @property
    def uri(self) -> str:
        """Where it is, without a slash at its end."""
        return self.storage.uri.rstrip("/")


def check_destination(destination: Destination) -> Manifest | None:
    """Return the previous manifest of the same owner; None if the folder has none. Call it before spending, too.

    :raises DestinationOwnedError: it is another owner's, by its marker or its manifest, or one of them cannot be read.
    :raises ConfigurationError: the folder cannot be looked at.
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
            f"The output in {destination.uri} belongs to {manifest.owner!r} (by its {MANIFEST_NAME}), and "
            f"{destination.owner!r} must not replace it. {_UNTOUCHED} {_WHAT_TO_DO}"
        )
    return manifest


def claim_destination(destination: Destination) -> Manifest | None:
    """Take the folder for its owner, and return the previous manifest of the same owner, if there is one.

    Call it before anything is spent: from then on every other owner is refused, though nothing is published yet. On a
    store that does not create exclusively, of two owners at one moment both may go on; one is then refused when it
    publishes.

    Raises as :func:`check_destination` does.
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


_WHAT_TO_DO = (
    "Give each task and each run its own folder, e.g. by {{ ds }} in destination=. Or give this one to another owner: "
    f"once nothing works on it and its output is no longer needed, remove the folder, or at least its {OWNER_NAME} and "
    f"{MANIFEST_NAME}, and run the task again."
)


class _Marker(msgspec.Struct, frozen=True, kw_only=True):
    """Whose a destination is, from before anything is spent for it."""

    version: int = 1
    owner: str


def _check_marker(destination: Destination) -> bool:
    """Return whether there is a marker, which is then of the same owner."""
    content = _read(destination, OWNER_NAME)
    if content is None:
        return False
    try:
        owner = msgspec.json.decode(content, type=_Marker).owner
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _unreadable(destination, OWNER_NAME, error) from error
    if owner != destination.owner:
        raise DestinationOwnedError(
            f"The destination {destination.uri} was taken by {owner!r} (by its {OWNER_NAME}), which may be at work or "
            f"have failed; {destination.owner!r} must not write there. {_UNTOUCHED} {_WHAT_TO_DO}"
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
        f"{destination.uri}/{name} exists and cannot be read ({error}), so that {destination.owner!r} cannot be shown "
        f"to own this destination. {_UNTOUCHED} Give destination= another folder; or, if nobody needs the output in "
        f"this one, remove it together with its {OWNER_NAME} and {MANIFEST_NAME}."
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
        "No results were fetched or lost: those of submitted batches stay at Anthropic for 29 days after submission, "
        "and collecting them again costs nothing."
    )
