"""The file of dead letters beside an output: rows that stay without a usable result, ready to be asked again.

Invariant: the file is in place before a manifest names it, and is removed after one that does not.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from anthropic_batches_provider.batches.ledger import Storage
from anthropic_batches_provider.batches.output.manifest import DeadLetters, Manifest
from anthropic_batches_provider.batches.plurals import counted

log = logging.getLogger(__name__)

DEAD_LETTERS_NAME = "_dead_letters.jsonl"
"""Readers of folders skip names that begin with ``_``."""

_BUFFER_BYTES = 1 << 20


def put_dead_letters(
    letters: Iterable[bytes],
    storage: Storage,
    path: str,
    spool: Path,
    *,
    before_put: Callable[[], None] = lambda: None,
) -> DeadLetters | None:
    """Write dead letters to a store, and return what the manifest says of them; None if there are none.

    :param letters: lines of JSON.
    :param path: of the file, in the storage.
    :param spool: local folder with room for the file.
    :param before_put: called when all letters are known; if it raises, those in the store stay as they are.
    """
    local, rows = spool / "dead_letters", 0
    try:
        with local.open("wb", buffering=_BUFFER_BYTES) as file:
            for line in letters:
                file.write(line)
                rows += 1
        before_put()
        if not rows:
            return None
        storage.put_file(local, path)
    finally:
        local.unlink(missing_ok=True)
    return DeadLetters(uri=f"{storage.uri.rstrip('/')}/{path}", rows=rows)


def tell_dead_letters(manifest: Manifest) -> None:
    """Say in the log where the dead letters are, and how many rows are not among them because their requests are gone.

    :param manifest: of a collection that was to write them.
    """
    letters = manifest.dead_letters
    if letters is not None:
        log.info(
            "%s without a usable answer, with the requests, for requests=: %s",
            counted(letters.rows, "row"),
            letters.uri,
        )
    if gone := manifest.rows_without_letter:
        log.warning(
            "%s without a usable answer cannot be among the dead letters: the requests are gone. To ask about them, "
            "give the rows again.", counted(gone, "row"),
        )  # fmt: skip
