"""Where a job is stored: under human-readable names that no unit of work can escape from."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

_UNSAFE = re.compile(r"[^A-Za-z0-9._+=@-]+")
_SLUG_LENGTH = 80


def slug(text: str) -> str:
    """Return a safe name of a single folder for any text.

    Letters, digits and ``._+=@-`` are kept. If the slug loses anything, 8 hex digits of the text's hash
    distinguish it from other texts.

    :param text: free text, such as a unit of work; may hold ``/`` or be ``..``.
    """
    safe = _UNSAFE.sub("-", text)[:_SLUG_LENGTH].lstrip(".")
    if safe == text and safe:
        return safe
    return f"{safe}-{hashlib.sha256(text.encode()).hexdigest()[:8]}".lstrip("-")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitOfWork:
    """The identity that a retry, a clear and a backfill's reprocess share.

    :param unit: the user's ``unit=``, else the partition key, else the logical date, else the run id.
    :param map_index: index of a mapped task, from 0; -1 otherwise.
    """

    dag_id: str
    task_id: str
    unit: str
    map_index: int = -1

    @property
    def owner(self) -> str:
        """The unit as a person would write it."""
        return "/".join((self.dag_id, self.task_id, self.unit, self._map_index))

    @property
    def folder(self) -> str:
        """The path of the unit's jobs under the storage."""
        return "/".join((slug(self.dag_id), slug(self.task_id), slug(self.unit), self._map_index))

    @property
    def _map_index(self) -> str:
        return "-" if self.map_index < 0 else str(self.map_index)


def seal_name(number: int) -> str:
    """Return the file name of a round's seal; rounds are numbered from 1."""
    return "sealed.json" if number == 1 else f"sealed-{number:02d}.json"
