"""Numbers with their nouns, for messages and log lines."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return a count with its noun in the right number: ``1 batch``, ``3 batches``, ``12,000 rows``.

    :param noun: in the singular, with a regular plural. Further words may come first: ``"failed row"``.
    """
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun}{'es' if noun.endswith(('s', 'x', 'ch', 'sh')) else 's'}"
