"""The dates of a backfill, and the runs that a DAG would have on them.

No run is made, and none is looked up: the dates say what is asked, and the DAG's timetable says the data intervals.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, TypeVar

from anthropic_batches_provider.errors import ConfigurationError

if TYPE_CHECKING:
    import pendulum

MOST_DATES = 10_000
"""Dates of one estimate at most: a mistyped year must not read a source a million times."""

_FORMS = 'a list of dates such as ["2026-01-01", "2026-01-02"], or {"from": "2026-01-01", "to": "2026-01-31"}'
_ENDS = ("from", "to")
_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """A run that a DAG would have.

    :param logical_date: in UTC, as Airflow has the dates of all runs, and as are the others.
    """

    logical_date: pendulum.DateTime
    data_interval_start: pendulum.DateTime
    data_interval_end: pendulum.DateTime

    @property
    def name(self) -> str:
        """The date to show: without the time if that is midnight in UTC."""
        return self.logical_date.isoformat().replace("T00:00:00+00:00", "").replace("+00:00", "Z")


def check_dates(value: Any) -> None:
    """Check dates as far as that needs no DAG.

    :param value: dates as :func:`planned_runs` takes them, or a rendered text of them.
    :raises ConfigurationError: they are none.
    """
    _moments(value)


def planned_runs(value: Any, dag: Any) -> list[PlannedRun]:
    """Return the runs that a DAG would have on the given dates, in the given order.

    :param value: a list of dates (``date``, ``datetime``, or ISO 8601 text); a dict with ``from`` and ``to``, both
        included, for all logical dates of the DAG's schedule between them, as Airflow's backfill takes them, and for
        each day if it has no schedule; or the text that a template rendered for one of these. A date without a time is
        midnight; without a zone, it is in the DAG's.
    :param dag: has the timetable.
    :raises ConfigurationError: they are no dates, there are none, or too many.
    """
    found = _moments(value)
    if isinstance(found, Mapping):
        first, last = (_in_zone(found[end], dag) for end in _ENDS)
        if last < first:
            raise _error(value, "ends before it begins")
        runs = list(_until_too_many(_runs_between(first, last, dag), value))
    else:
        runs = [_run_on(_in_zone(moment, dag), dag) for moment in _until_too_many(iter(found), value)]
    if not runs:
        raise ConfigurationError(
            f"dates= is {value!r:.200}, and the schedule of DAG {dag.dag_id} has no logical date between these. Give "
            "other dates, or list them one by one. Nothing was sent."
        )
    return runs


def _moments(value: Any) -> list[datetime | date] | dict[str, datetime | date]:
    """Return the dates as they are given: listed, or the two ends of them."""
    given = _decoded(value) if isinstance(value, str) else value
    if isinstance(given, Mapping):
        if set(given) != set(_ENDS):
            raise _error(value, 'has other keys than "from" and "to"')
        return {end: _moment(given[end], value) for end in _ENDS}
    if not isinstance(given, (list, tuple)):
        raise _error(value, "is neither")
    if not given:
        raise _error(value, "holds no date")
    return [_moment(each, value) for each in given]


def _decoded(text: str) -> Any:
    """Return what a template rendered: dates separated by commas, or a list or a dict in Python or JSON notation."""
    text = text.strip()
    if text[:1] not in ("[", "(", "{"):
        return [each.strip() for each in text.split(",") if each.strip()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None


def _moment(given: Any, value: Any) -> datetime | date:
    if isinstance(given, date):  # a datetime is one, too
        return given
    try:
        return datetime.fromisoformat(given.strip())
    except (AttributeError, ValueError):
        raise _error(value, f"has {given!r:.80}, which is no date in ISO 8601") from None


def _in_zone(moment: datetime | date, dag: Any) -> pendulum.DateTime:
    import pendulum

    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    return pendulum.instance(moment, tz=moment.tzinfo or dag.timezone)


def _runs_between(first: pendulum.DateTime, last: pendulum.DateTime, dag: Any) -> Iterator[PlannedRun]:
    timetable = _timetable_of(dag)
    if not timetable.can_be_scheduled:
        while first <= last:
            yield _run_of(first, first, first)
            first = first.add(days=1)
        return
    from airflow.timetables.base import TimeRestriction

    restriction, info = TimeRestriction(first, last, catchup=True), None
    while (info := _next_info(timetable, info, restriction)) is not None and info.data_interval is not None:
        yield _run_of(info.logical_date, info.data_interval.start, info.data_interval.end)


def _run_on(moment: pendulum.DateTime, dag: Any) -> PlannedRun:
    """Return the run of a logical date: that of the schedule, or else a manual one."""
    timetable = _timetable_of(dag)
    if timetable.can_be_scheduled:
        for run in _runs_between(moment, moment, dag):
            if run.logical_date == moment:
                return run
            break
    interval = timetable.infer_manual_data_interval(run_after=moment)
    return _run_of(moment, interval.start, interval.end)


def _run_of(logical_date: pendulum.DateTime, start: pendulum.DateTime, end: pendulum.DateTime) -> PlannedRun:
    logical_date, start, end = (moment.in_timezone("UTC") for moment in (logical_date, start, end))
    return PlannedRun(logical_date=logical_date, data_interval_start=start, data_interval_end=end)


def _timetable_of(dag: Any) -> Any:
    """Return the timetable that can be asked for runs; since Airflow 3.2, a DAG holds a description of it."""
    try:
        from airflow.serialization.encoders import coerce_to_core_timetable
    except ImportError:
        return dag.timetable
    return coerce_to_core_timetable(dag.timetable)


def _next_info(timetable: Any, last: Any, restriction: Any) -> Any:
    """Return the information on the next run; since Airflow 3.2, a timetable takes that on the last one whole."""
    if hasattr(timetable, "next_dagrun_info_v2"):
        return timetable.next_dagrun_info_v2(last_dagrun_info=last, restriction=restriction)
    interval = None if last is None else last.data_interval
    return timetable.next_dagrun_info(last_automated_data_interval=interval, restriction=restriction)


def _until_too_many(found: Iterator[_Found], value: Any) -> Iterator[_Found]:
    for count, each in enumerate(found, 1):
        if count > MOST_DATES:
            raise _error(value, f"has more than {MOST_DATES:,} dates")
        yield each


def _error(value: Any, what: str) -> ConfigurationError:
    return ConfigurationError(f"dates= is {value!r:.200}, which {what}. Give {_FORMS}. Nothing was sent.")
