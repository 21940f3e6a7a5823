"""From a table to a table in a real Airflow: a worker dies in the middle of a publish, and readers never see half."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from decimal import Decimal

import psycopg2
import pytest

from airflow_stack.simulator_process import SimulatorProcess
from airflow_stack.stack import AirflowStack
from tests.e2e.postgres import Databases
from tests.worlds.warehouse import Warehouse

pytestmark = pytest.mark.e2e

FIRST, SECOND = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
ROWS = 12
A_WAITING_SESSION = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'labels'::regclass"


@pytest.fixture
def reviews(airflow_stack: AirflowStack, databases: Databases) -> Warehouse:
    """Return a database with the reviews of two months; its connection is ``reviews``."""
    warehouse = Warehouse.on(databases, "reviews")
    warehouse.execute("CREATE TABLE reviews (id bigint PRIMARY KEY, month date, price numeric(9, 2), text text)")
    for month, first in ((FIRST, 0), (SECOND, 100)):
        warehouse.execute(
            "INSERT INTO reviews SELECT n, %s, n + 0.10, 'Review ' || n FROM generate_series(%s, %s) AS n",
            (month.date(), first, first + ROWS - 1),
        )
    airflow_stack.api.call(
        "POST", "/api/v2/connections", {"connection_id": "reviews", **json.loads(warehouse.connection()), "extra": None}
    )
    return warehouse


@contextmanager
def locked(warehouse: Warehouse) -> Iterator[None]:
    """Keep every other session from the table of labels."""
    with closing(psycopg2.connect(host=warehouse.host, dbname=warehouse.name, user="postgres")) as connection:
        connection.cursor().execute("LOCK TABLE labels IN ACCESS EXCLUSIVE MODE")
        yield


def labels(warehouse: Warehouse) -> list[tuple[int, Decimal, str]]:
    return warehouse.execute("SELECT id, price, verdict FROM labels ORDER BY id")


def expected(first: int) -> list[tuple[int, Decimal, str]]:
    return [(number, number + Decimal("0.10"), "fits") for number in range(first, first + ROWS)]


def test_a_worker_that_is_killed_in_the_middle_of_a_publish_leaves_no_half_and_pays_nothing_twice(
    airflow_stack: AirflowStack, simulator_process: SimulatorProcess, reviews: Warehouse
) -> None:
    api, control = airflow_stack.api, simulator_process.control
    control.reset()
    first = api.trigger("table_to_table", logical_date=FIRST)
    api.wait_for_run(first)
    assert labels(reviews) == expected(0)

    control.change_settings(batch_duration=36_000.0)
    second = api.trigger("table_to_table", logical_date=SECOND)
    api.wait_for_task(second, "label", "deferred", timeout=90)
    with locked(reviews):
        control.end_batches()
        api.wait_until("a load that waits", lambda: reviews.execute(A_WAITING_SESSION) or None, timeout=90)
        airflow_stack.kill_scheduler()
    assert labels(reviews) == expected(0), "nothing of the second month is to be seen yet"
    airflow_stack.start_scheduler()
    api.wait_for_run(second, timeout=300)

    assert labels(reviews) == expected(0) + expected(100)
    owners = reviews.execute("SELECT anthropic_batches_unit, count(*) FROM labels GROUP BY 1 ORDER BY 1")
    assert [count for _, count in owners] == [ROWS, ROWS]
    tables = reviews.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    assert tables == [("labels",), ("reviews",)], "no staging table is left"
    billing = control.billing()
    assert (billing.rows_billed, billing.max_times_billed) == (2 * ROWS, 1)
    assert api.task_instances(second)[0].try_number > 1, "the worker died in the first try"
    manifest = api.xcom(second, "label")
    assert (manifest["table"]["table"], manifest["parts"], manifest["counts"]["rows"]) == ("labels", [], ROWS)
    log = "\n".join(api.task_log(second, "label", number) for number in (1, 2))
    assert "Review 1" not in log
