"""Which keys were seen: two rows with one key could not be told apart in the output."""

from __future__ import annotations

import hashlib


class DuplicateKeys:
    """The keys seen so far, as digests of 16 bytes: about 100 bytes of memory a row, however long the keys are.

    Two different keys share a digest with a probability below 10**-24 for ten million rows.
    """

    def __init__(self) -> None:
        self._digests: set[bytes] = set()

    def add(self, key_json: bytes) -> bool:
        """Remember a key.

        :param key_json: its JSON bytes.
        :returns: False if it was there already.
        """
        before = len(self._digests)
        self._digests.add(hashlib.blake2b(key_json, digest_size=16).digest())
        return len(self._digests) > before
