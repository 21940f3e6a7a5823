"""The runs that a DAG would have on given dates, by its own schedule."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pendulum
import pytest
from airflow.sdk import DAG
from airflow.timetables.interval import CronDataIntervalTimetable

from anthropic_batches_provider.edge.run_dates import MOST_DATES, check_dates, planned_runs
from anthropic_batches_provider.errors import ConfigurationError

BERLIN = "Europe/Berlin"


def dag(schedule: Any = "@daily", tz: str = "UTC") -> DAG:
    return DAG("labels", schedule=schedule, start_date=pendulum.datetime(2020, 1, 1, tz=tz))


def names(dates: Any, of: DAG) -> list[str]:
    return [run.name for run in planned_runs(dates, of)]


@pytest.mark.parametrize(
    "dates",
    [
        ["2026-01-02", "2026-01-01"],
        ("2026-01-02", dt.date(2026, 1, 1)),
        [dt.datetime(2026, 1, 2, tzinfo=dt.UTC), pendulum.datetime(2026, 1, 1)],
        "2026-01-02, 2026-01-01",
        "['2026-01-02', '2026-01-01']",
        '["2026-01-02","2026-01-01"]',
    ],
)
def test_dates_are_taken_in_every_form_and_in_their_order(dates: Any) -> None:
    check_dates(dates)
    assert names(dates, dag()) == ["2026-01-02", "2026-01-01"]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("@daily", ["2026-01-30", "2026-01-31", "2026-02-01"]),
        (None, ["2026-01-30", "2026-01-31", "2026-02-01"]),  # no schedule: each day
        ("0 6 * * 6", ["2026-01-31T06:00:00Z"]),  # a Saturday
        ("0 */16 * * *", ["2026-01-30", "2026-01-30T16:00:00Z", "2026-01-31", "2026-01-31T16:00:00Z", "2026-02-01"]),
    ],
)
@pytest.mark.parametrize(
    "dates", [{"from": "2026-01-30", "to": "2026-02-01"}, "{'from': '2026-01-30', 'to': '2026-02-01'}"]
)
def test_between_two_ends_the_schedule_decides_and_both_are_included(
    schedule: str | None, expected: list[str], dates: Any
) -> None:
    assert names(dates, dag(schedule)) == expected


def test_a_date_without_a_zone_is_in_that_of_the_dag() -> None:
    (run,) = planned_runs(["2026-03-29"], dag(None, BERLIN))
    assert run.logical_date == pendulum.datetime(2026, 3, 29, tz=BERLIN)
    assert run.name == "2026-03-28T23:00:00Z"
    (run,) = planned_runs(["2026-03-29T12:00:00+09:00"], dag(None, BERLIN))
    assert run.name == "2026-03-29T03:00:00Z"


@pytest.mark.parametrize("schedule", [None, "@daily"])
def test_templates_see_the_dates_in_utc_as_in_a_run(schedule: str | None) -> None:
    runs = planned_runs({"from": "2026-03-28", "to": "2026-03-30"}, dag(schedule, BERLIN))
    assert [run.logical_date.to_date_string() for run in runs] == ["2026-03-27", "2026-03-28", "2026-03-29"]
    moments = [(run.logical_date, run.data_interval_start, run.data_interval_end) for run in runs]
    assert {moment.timezone_name for run in moments for moment in run} == {"UTC"}


def test_each_day_across_a_change_of_the_clock_is_one_day() -> None:
    runs = planned_runs({"from": "2026-03-28", "to": "2026-03-30"}, dag(None, BERLIN))
    assert [run.logical_date.in_timezone(BERLIN).to_date_string() for run in runs] == [
        "2026-03-28",
        "2026-03-29",
        "2026-03-30",
    ]
    assert {run.logical_date.in_timezone(BERLIN).hour for run in runs} == {0}


def test_a_data_interval_is_that_of_the_scheduled_run() -> None:
    daily = dag(CronDataIntervalTimetable("0 0 * * *", "UTC"))
    (run,) = planned_runs(["2026-01-05"], daily)
    assert (run.data_interval_start, run.data_interval_end) == (
        pendulum.datetime(2026, 1, 5),
        pendulum.datetime(2026, 1, 6),
    )


def test_a_date_beside_the_schedule_has_the_interval_of_a_manual_run() -> None:
    daily = dag(CronDataIntervalTimetable("0 0 * * *", "UTC"))
    (run,) = planned_runs(["2026-01-05T13:00:00"], daily)
    assert run.logical_date == pendulum.datetime(2026, 1, 5, 13)
    assert (run.data_interval_start, run.data_interval_end) == (
        pendulum.datetime(2026, 1, 4),
        pendulum.datetime(2026, 1, 5),
    )


@pytest.mark.parametrize(
    ("dates", "problem"),
    [
        (["2026-13-01"], "'2026-13-01', which is no date in ISO 8601"),
        (["yesterday"], "'yesterday', which is no date"),
        ([20260101], "20260101, which is no date"),
        ([], "holds no date"),
        ("{{ nothing }}", "is neither"),
        (7, "is neither"),
        ({"from": "2026-01-01"}, 'other keys than "from" and "to"'),
        ({"from": "2026-01-01", "until": "2026-01-02"}, 'other keys than "from" and "to"'),
    ],
)
def test_what_is_no_date_is_refused_without_a_dag(dates: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        check_dates(dates)
    assert problem in str(refused.value)
    assert str(refused.value).startswith("dates= is ")
    assert str(refused.value).endswith("Nothing was sent.")


@pytest.mark.parametrize(
    ("dates", "schedule", "problem"),
    [
        ({"from": "2026-01-02", "to": "2026-01-01"}, None, "ends before it begins"),
        ({"from": "1026-01-01", "to": "2026-01-01"}, None, f"more than {MOST_DATES:,} dates"),
        ({"from": "2006-01-01", "to": "2026-01-01"}, "@hourly", f"more than {MOST_DATES:,} dates"),
        ({"from": "2026-01-01", "to": "2026-01-02"}, "0 0 31 12 *", "has no logical date between these"),
    ],
)
def test_ends_that_hold_no_run_or_too_many_are_refused(dates: Any, schedule: str | None, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        planned_runs(dates, dag(schedule))
