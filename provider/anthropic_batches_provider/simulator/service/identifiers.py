"""Ids in the service's form, drawn from a seed so that a test sees the same ids each time."""

from __future__ import annotations

from hashlib import blake2b

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def digest_number(*parts: object, size: int = 8) -> int:
    """Return a number of ``size`` bytes that depends on all of ``parts`` and on nothing else."""
    text = "\x1f".join(map(str, parts)).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=size).digest(), "big")


def lottery(*parts: object) -> float:
    """Return a number in [0, 1) that depends on all of ``parts`` and on nothing else."""
    return digest_number(*parts) / 2**64


def make_id(prefix: str, *parts: object) -> str:
    """Return ``prefix``, ``01``, and 22 characters of base 58."""
    number = digest_number(prefix, *parts, size=20)
    letters = []
    for _ in range(22):
        number, rest = divmod(number, 58)
        letters.append(_BASE58[rest])
    return f"{prefix}01{''.join(letters)}"
