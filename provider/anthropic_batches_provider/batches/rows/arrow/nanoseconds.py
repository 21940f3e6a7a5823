"""Moments and times of day with nanoseconds, as Arrow holds them: Python's own end at microseconds."""

from __future__ import annotations

import datetime
from typing import Any, Self


class NanosecondDatetime(datetime.datetime):
    """A datetime with nanoseconds, which its text, its comparisons and its arithmetic keep, as pandas' Timestamp does.

    :ivar nanosecond: the nanoseconds that follow its microseconds, 0 to 999.
    """

    nanosecond: int = 0

    @classmethod
    def of(cls, moment: datetime.datetime, nanosecond: int) -> Self:
        """Add nanoseconds to a datetime."""
        self = cls.combine(moment.date(), moment.timetz()).replace(fold=moment.fold)
        self.nanosecond = nanosecond
        return self

    def isoformat(self, sep: str = "T", timespec: str = "auto") -> str:
        if timespec not in ("auto", "nanoseconds"):
            return super().isoformat(sep, timespec)
        return _with_nanoseconds(super().isoformat(sep, "microseconds"), self.nanosecond)

    def __str__(self) -> str:
        return self.isoformat(" ")

    def __repr__(self) -> str:
        return f"NanosecondDatetime({self.isoformat()})"

    def __format__(self, spec: str) -> str:
        return super().__format__(spec) if spec else str(self)

    def replace(self, *args: Any, **kwargs: Any) -> Self:
        return self._kept(super().replace(*args, **kwargs))

    def astimezone(self, tz: datetime.tzinfo | None = None) -> Self:
        return self._kept(super().astimezone(tz))

    def __add__(self, other: datetime.timedelta) -> Self:
        return self._kept(super().__add__(other))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        found = super().__sub__(other)
        return self._kept(found) if isinstance(found, NanosecondDatetime) else found

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) is True and self.nanosecond == getattr(other, "nanosecond", 0)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __lt__(self, other: Any) -> bool:
        is_same = super().__eq__(other) is True
        return self.nanosecond < getattr(other, "nanosecond", 0) if is_same else super().__lt__(other)

    def __le__(self, other: Any) -> bool:
        return self.__lt__(other) or self.__eq__(other)

    def __gt__(self, other: Any) -> bool:
        return not self.__le__(other)

    def __ge__(self, other: Any) -> bool:
        return not self.__lt__(other)

    def __hash__(self) -> int:
        return hash((super().__hash__(), self.nanosecond)) if self.nanosecond else super().__hash__()

    def __reduce__(self) -> tuple[Any, ...]:
        plain = datetime.datetime.combine(self.date(), self.timetz()).replace(fold=self.fold)
        return NanosecondDatetime.of, (plain, self.nanosecond)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return self.__reduce__()

    def _kept(self, moved: Self) -> Self:
        moved.nanosecond = self.nanosecond
        return moved


class NanosecondTime(datetime.time):
    """A time of day with nanoseconds, which its text and its comparisons for equality keep.

    :ivar nanosecond: the nanoseconds that follow its microseconds, 0 to 999.
    """

    nanosecond: int = 0

    @classmethod
    def of(cls, time: datetime.time, nanosecond: int) -> Self:
        """Add nanoseconds to a time without a zone."""
        self = cls(time.hour, time.minute, time.second, time.microsecond)
        self.nanosecond = nanosecond
        return self

    def isoformat(self, timespec: str = "auto") -> str:
        if timespec not in ("auto", "nanoseconds"):
            return super().isoformat(timespec)
        return _with_nanoseconds(super().isoformat("microseconds"), self.nanosecond)

    def __str__(self) -> str:
        return self.isoformat()

    def __repr__(self) -> str:
        return f"NanosecondTime({self.isoformat()})"

    def __format__(self, spec: str) -> str:
        return super().__format__(spec) if spec else str(self)

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) is True and self.nanosecond == getattr(other, "nanosecond", 0)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((super().__hash__(), self.nanosecond)) if self.nanosecond else super().__hash__()

    def __reduce__(self) -> tuple[Any, ...]:
        plain = datetime.time(self.hour, self.minute, self.second, self.microsecond)
        return NanosecondTime.of, (plain, self.nanosecond)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return self.__reduce__()


def _with_nanoseconds(text: str, nanosecond: int) -> str:
    """Return a text of ISO 8601 with nine digits of the second in place of six."""
    end = text.rindex(".") + 7
    return f"{text[:end]}{nanosecond:03d}{text[end:]}"
