"""The usage of jobs in a table of a real database: it is the manifest's to the last digit, whatever happens."""

from __future__ import annotations

import json
import re
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from anthropic_batches_provider.batches.collection import JobCollection, collect_batches, rows_for_xcom
from anthropic_batches_provider.batches.ledger import JobFolder, LocalStorage, PartRecord
from anthropic_batches_provider.batches.money import published_prices
from anthropic_batches_provider.batches.output.collection_settings import CollectionSettings
from anthropic_batches_provider.batches.output.destination import Destination
from anthropic_batches_provider.batches.output.manifest import Manifest
from anthropic_batches_provider.batches.output.usage_rows import PublishedUsage, UsageRow, decode_usage
from anthropic_batches_provider.batches.submission import NextLook
from anthropic_batches_provider.batches.usage import Usage
from anthropic_batches_provider.edge.sql_table import SqlTable
from anthropic_batches_provider.edge.sql_tables import drivers as table_drivers
from anthropic_batches_provider.edge.usage_tables import UsageLoad, check_usage_table
from anthropic_batches_provider.errors import ConfigurationError, CorruptLedgerError, SourceError
from tests.integration.test_costs import HAIKU, ROWS, SONNET, task_of_two_models
from tests.worlds.loaded_tables import SQLITE, databases_here, loaded_table
from tests.worlds.one_task_job import KilledError, OneTask
from tests.worlds.simulated_world import World
from tests.worlds.warehouse import Warehouse

PAGE = (Path(__file__).parents[2] / "docs" / "money.md").read_text()
OWNER = "dag/task/unit/-"
AMOUNTS = ("cost_usd", "live_usd", "saved_by_batch_usd", "saved_by_cache_usd")
COUNTS = tuple(Usage().as_dict())

pytestmark = pytest.mark.heavy


@dataclass
class UsageTable:
    """The table ``anthropic_usage`` of the page, in an empty database."""

    driver: str
    execute: Callable[..., list[tuple[Any, ...]]]
    table: SqlTable = field(default_factory=lambda: SqlTable("warehouse", "anthropic_usage"))

    @property
    def is_sqlite(self) -> bool:
        return self.driver == SQLITE

    def make(self, *, required: str = "") -> None:
        """Make the table.

        :param required: a column that may not be null, although the page allows it.
        """
        (statement,) = re.findall(r"```sql\n(CREATE TABLE anthropic_usage .+?;)\n```", PAGE, re.DOTALL)
        statement = statement.replace("NUMERIC(18, 12)", "TEXT") if self.is_sqlite else statement
        changed = re.sub(rf"^(    {required} .+),$", r"\1 NOT NULL,", statement, flags=re.MULTILINE)
        self.execute(changed if required else statement)

    def columns(self) -> list[str]:
        if self.is_sqlite:
            return [row[1] for row in self.execute("PRAGMA table_info(anthropic_usage)")]
        query = (
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'anthropic_usage' "
            "ORDER BY ordinal_position"
        )
        return [name for (name,) in self.execute(query)]

    def rows(self, owner: str | None = None) -> list[dict[str, Any]]:
        """Return the rows of an owner, or all."""
        names = self.columns()
        found = self.execute(f"SELECT {', '.join(names)} FROM anthropic_usage ORDER BY batch_id, model")
        rows = [dict(zip(names, row, strict=True)) for row in found]
        return [row for row in rows if owner in (None, row["anthropic_batches_unit"])]

    def tables(self) -> set[str]:
        query = "SELECT name FROM sqlite_master WHERE type = 'table'"
        if not self.is_sqlite:
            query = "SELECT tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        return {name for (name,) in self.execute(query)}

    def load(self, usage: PublishedUsage, manifest: Manifest, owner: str = OWNER) -> None:
        """Load as a task does that has announced its output."""
        loading = UsageLoad(self.table, owner)
        loading.take(usage)
        loading.load(manifest)
        loading.check({"ti": Pushed()}, "the value")  # type: ignore[typeddict-item]


class Pushed:
    """The task instance of a context.

    :ivar values: what was pushed to XCom.
    """

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def xcom_push(self, *, key: str, value: Any) -> None:
        self.values[key] = value


@pytest.fixture(scope="module")
def warehouse(request: pytest.FixtureRequest) -> Warehouse:
    return Warehouse.on(request.getfixturevalue("databases"), "usage_tables")


@pytest.fixture(params=databases_here())
def table(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[UsageTable]:
    server = None if request.param == SQLITE else request.getfixturevalue("warehouse")
    with ExitStack() as stack:
        found = stack.enter_context(loaded_table(request.param, tmp_path, server))
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", found.connection)
        found.execute("DROP TABLE labels")
        yield UsageTable(request.param, found.execute)
        assert found.tables() <= {"anthropic_usage"}


@pytest.fixture
def usages() -> list[PublishedUsage]:
    return []


@pytest.fixture
def task(world: World, tmp_path: Path, usages: list[PublishedUsage]) -> OneTask:
    return task_of_two_models(world, tmp_path, told_usage=usages.append)


def total(rows: list[dict[str, Any]], name: str) -> Decimal:
    return sum((Decimal(str(row[name])) for row in rows if row[name] is not None), Decimal(0))


def check_sums(rows: list[dict[str, Any]], manifest: Manifest) -> None:
    """Check that rows add up to the usage and the cost of a manifest, of each model and of all."""
    usage, cost = manifest.usage, manifest.cost
    assert cost is not None
    assert {row["model"] for row in rows} == usage.keys() | cost.models.keys()
    for model in {row["model"] for row in rows}:
        of_model = [row for row in rows if row["model"] == model]
        expected = usage.get(model, Usage().as_dict())
        assert {name: total(of_model, name) for name in COUNTS} == expected
        figures = cost.models.get(model)
        assert {name: total(of_model, name) for name in AMOUNTS} == {
            name: Decimal(getattr(figures, name, 0)) for name in AMOUNTS
        }
        assert total(of_model, "unknown_requests") == getattr(figures, "unknown_requests", 0)
        assert any(row["at_least"] for row in of_model) == getattr(figures, "at_least", False)
    assert {name: total(rows, name) for name in AMOUNTS} == {name: Decimal(getattr(cost, name)) for name in AMOUNTS}
    assert len({(row["batch_id"], row["model"]) for row in rows}) == len(rows)


def as_dicts(rows: tuple[UsageRow, ...]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = msgspec.to_builtins(rows)
    return found


def out(task: OneTask) -> Path:
    return task.folder / task.arguments.destination


def times_of(task: OneTask) -> Mapping[str, tuple[str, str]]:
    return {
        batch.id: (batch.created_at.isoformat(), batch.ended_at.isoformat())
        for batch in task.world.client.list()
        if batch.created_at is not None and batch.ended_at is not None
    }


def test_the_file_beside_the_manifest_has_the_usage_of_each_batch(task: OneTask, usages: list[PublishedUsage]) -> None:
    manifest = task.finish()
    content = (out(task) / "_usage.json").read_bytes()
    assert decode_usage(content) == usages[-1].rows
    rows = json.loads(content)
    check_sums(rows, manifest)
    assert manifest.cost is not None
    assert manifest.repairs["truncated"].requests == 2
    assert total(rows, "cost_usd") > 0
    assert {row["model"] for row in rows} == {HAIKU, SONNET}
    assert {row["batch_id"] for row in rows} == set(manifest.batch_ids)
    assert {row["job"] for row in rows} == {manifest.job}
    assert "_usage.json" not in {part.name for part in manifest.parts}
    for row in rows:
        moments = tuple(row[name].replace("Z", "+00:00") for name in ("created_at", "ended_at"))
        assert moments == times_of(task)[row["batch_id"]]


def test_each_round_tells_its_usage_before_the_next_is_sent(task: OneTask, usages: list[PublishedUsage]) -> None:
    manifest = task.finish()
    assert len(usages) >= 2
    sums = [sum(row.requests for row in usage.rows) for usage in usages]
    assert sums == sorted(sums)
    assert sums[0] < sums[-1] == task.world.control.billing().rows_billed
    check_sums(as_dicts(usages[-1].rows), manifest)


@pytest.mark.parametrize("create", [False, True])
def test_the_rows_of_a_repaired_job_add_up_to_its_manifest(
    table: UsageTable, task: OneTask, usages: list[PublishedUsage], create: bool
) -> None:
    table.table = SqlTable("warehouse", "anthropic_usage", create=create)
    if not create:
        table.make()
    check_usage_table(table.table, OWNER)
    manifest = task.finish()
    rows: list[dict[str, Any]] = []
    for _ in range(2):
        table.load(usages[-1], manifest)
        rows = table.rows(f"{OWNER}/job-0001")
        assert rows == table.rows()
        check_sums(rows, manifest)
    if table.is_sqlite:
        by_key = {(row.batch_id, row.model): row for row in usages[-1].rows}
        for row in rows:
            of_file = by_key[row["batch_id"], row["model"]]
            assert {name: row[name] for name in UsageRow.__struct_fields__} == msgspec.to_builtins(of_file)
    else:
        created = {row["batch_id"]: (row["created_at"].timestamp(), row["ended_at"].timestamp()) for row in rows}
        times = {batch.id: (batch.created_at, batch.ended_at) for batch in task.world.client.list()}
        for batch_id, moments in created.items():
            assert moments == tuple(each.timestamp() for each in times[batch_id] if each is not None)


def test_the_query_of_the_page_tells_the_cost_by_month_and_model(
    table: UsageTable, task: OneTask, usages: list[PublishedUsage]
) -> None:
    table.make()
    manifest = task.finish()
    table.load(usages[-1], manifest)
    (query,) = re.findall(r"```sql\n(SELECT to_char.+?;)\n```", PAGE, re.DOTALL)
    if table.is_sqlite:
        query = query.replace("to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM')", "substr(created_at, 1, 7)")
        query = query.replace("bool_or", "MAX")
    found = {(month, model): rest for month, model, *rest in table.execute(query)}
    month = min(batch.created_at for batch in task.world.client.list() if batch.created_at is not None).isoformat()[:7]
    assert manifest.cost is not None
    assert set(found) == {(month, model) for model in (HAIKU, SONNET)}
    for model, figures in manifest.cost.models.items():
        requests, cost, saved, at_least = found[month, model]
        assert (int(requests), bool(at_least)) == (manifest.usage[model]["requests"], False)
        told = (Decimal(figures.cost_usd), Decimal(figures.saved_by_batch_usd))
        assert (cost, saved) == (pytest.approx(tuple(map(float, told))) if table.is_sqlite else told)


def test_two_jobs_and_two_units_share_a_table(
    table: UsageTable, task: OneTask, usages: list[PublishedUsage], tmp_path: Path
) -> None:
    table.make()
    first = task.finish()
    table.load(usages[-1], first)
    second = task.finish(unit="another", destination="other", repair={})
    table.load(usages[-1], second, "dag/task/another/-")
    third = task.finish(edition="2", destination="third")
    assert third.job is not None
    assert third.job.endswith("job-0002")
    table.load(usages[-1], third, "dag/task/another/-")
    owners = [f"{OWNER}/job-0001", "dag/task/another/-/job-0001", "dag/task/another/-/job-0002"]
    for owner, manifest in zip(owners, (first, second, third), strict=True):
        check_sums(table.rows(owner), manifest)
    bill = task.world.control.billing()
    assert total(table.rows(), "requests") == bill.rows_billed
    assert total(table.rows(), "output_tokens") == bill.tokens.output_tokens


def test_after_a_kill_between_publish_and_load_the_next_attempt_loads(
    table: UsageTable, task: OneTask, usages: list[PublishedUsage]
) -> None:
    table.make()
    kills: list[PublishedUsage] = []

    def dies(usage: PublishedUsage) -> None:
        kills.append(usage)
        if sum(row.requests for row in usage.rows) > ROWS:  # the last round
            raise KilledError

    task.told_usage = dies
    with pytest.raises(KilledError):
        task.finish()
    billed = task.world.control.billing().rows_billed
    assert table.rows() == []
    task.told_usage = usages.append
    manifest = task.finish()
    assert usages[-1].rows == kills[-1].rows
    table.load(usages[-1], manifest)
    check_sums(table.rows(), manifest)
    assert task.world.control.billing().rows_billed == billed


def test_an_attempt_that_was_overtaken_loads_what_the_other_published(
    table: UsageTable, task: OneTask, usages: list[PublishedUsage]
) -> None:
    table.make()
    assert isinstance(task.stint(max_rounds=1), NextLook)
    task.world.control.end_batches()
    task.world.control.advance_clock(60)
    (task.folder / "stale").mkdir()
    stale = task.collection(task.job(), task.folder / "stale")
    assert isinstance(stale, JobCollection)
    task.told_usage = lambda _: None  # the other dies before it loads
    published = task.finish()
    assert usages == []
    manifest = stale.publish()
    assert manifest.parts == published.parts
    table.load(usages[-1], manifest)
    check_sums(table.rows(), published)


def test_an_overtaken_attempt_finds_no_usage_that_an_older_version_published(
    task: OneTask, usages: list[PublishedUsage], caplog: pytest.LogCaptureFixture
) -> None:
    assert isinstance(task.stint(max_rounds=1), NextLook)
    task.world.control.end_batches()
    task.world.control.advance_clock(60)
    (task.folder / "stale").mkdir()
    stale = task.collection(task.job(), task.folder / "stale")
    task.told_usage = lambda _: None
    task.finish()
    (out(task) / "_usage.json").unlink()
    assert stale.publish().counts.rows == ROWS
    assert usages == []
    assert "cannot be read from _usage.json" in caplog.text


def test_usage_is_not_loaded_by_an_attempt_that_another_has_gone_beyond(
    table: UsageTable, task: OneTask, usages: list[PublishedUsage]
) -> None:
    table.make()
    manifest = task.finish()
    first, last = usages[0], usages[-1]
    table.load(last, manifest)
    table.load(first, manifest)  # of the first round, after which others were sealed
    check_sums(table.rows(), manifest)


def test_a_damaged_ledger_is_not_taken_for_another_attempt(
    task: OneTask, table: UsageTable, usages: list[PublishedUsage]
) -> None:
    def damaged() -> None:
        raise CorruptLedgerError("a record cannot be read")

    table.make()
    manifest = task.finish()
    with pytest.raises(CorruptLedgerError, match="a record cannot be read"):
        table.load(replace(usages[-1], check_current=damaged), manifest)
    table.load(usages[-1], manifest)
    check_sums(table.rows(), manifest)


def test_parts_of_older_versions_are_rows_without_a_batch(
    table: UsageTable, task: OneTask, usages: list[PublishedUsage], monkeypatch: pytest.MonkeyPatch
) -> None:
    table.make()
    record_part = JobFolder.record_part

    def as_before(job: JobFolder, part: PartRecord) -> PartRecord:
        """Record parts as a version that did not count by batch did; the first one as one that knew no costs."""
        tally = msgspec.structs.replace(part.tally, batches={})
        if part.shard == 0:
            tally = msgspec.structs.replace(tally, costs=None)
        return record_part(job, msgspec.structs.replace(part, tally=tally))

    monkeypatch.setattr(JobFolder, "record_part", as_before)
    manifest = task.finish()
    table.load(usages[-1], manifest)
    rows = table.rows()
    assert {(row["batch_id"], row["created_at"], row["ended_at"]) for row in rows} == {(None, None, None)}
    assert {row["model"] for row in rows} == {HAIKU, SONNET}
    check_sums(rows, manifest)


def test_answers_that_cannot_be_read_are_rows_of_the_model_unknown(
    table: UsageTable, task: OneTask, usages: list[PublishedUsage]
) -> None:
    table.make()
    task.world.control.add_outcome("unreadable", text_matches=r"contract 7$")
    manifest = task.finish()
    table.load(usages[-1], manifest)
    check_sums(table.rows(), manifest)
    unknown = [row for row in table.rows() if row["model"] == "unknown"]
    assert unknown
    assert {(row["cost_usd"], bool(row["at_least"])) for row in unknown} == {(None, True)}


def test_without_prices_the_tokens_are_there_and_no_amount(
    table: UsageTable, task: OneTask, usages: list[PublishedUsage], monkeypatch: pytest.MonkeyPatch
) -> None:
    table.make()
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    published_prices._library.cache_clear()
    try:
        manifest = task.finish()
    finally:
        published_prices._library.cache_clear()
    assert manifest.cost is None
    table.load(usages[-1], manifest)
    rows = table.rows()
    assert {row[name] for row in rows for name in (*AMOUNTS, "unknown_requests", "prices")} == {None}
    assert total(rows, "input_tokens") == sum(usage["input_tokens"] for usage in manifest.usage.values()) > 0


def test_xcom_and_batches_that_something_else_submitted_tell_their_usage(
    table: UsageTable, task: OneTask, usages: list[PublishedUsage], tmp_path: Path
) -> None:
    table.make()
    manifest = task.finish(destination="xcom")
    table.load(usages[-1], manifest)
    check_sums(table.rows(f"{OWNER}/job-0001"), manifest)
    ids = [batch.id for batch in task.world.client.list()]
    settings = CollectionSettings(spool_folder=tmp_path / "plain", clock=task.world.clock(), told_usage=usages.append)
    for plain in (
        collect_batches(ids, task.world.client, Destination(storage=LocalStorage(tmp_path / "p"), owner="o"), settings),
        rows_for_xcom(ids, task.world.client, settings, max_bytes=1_000_000).manifest,
    ):
        table.load(usages[-1], plain, "dag/collect/unit/-")
        rows = table.rows("dag/collect/unit/-")
        check_sums(rows, plain)
        assert {row["job"] for row in rows} == {None}
        assert {row["batch_id"] for row in rows} == set(ids)


def test_a_load_that_fails_waits_until_all_is_done_and_a_retry_loads(
    table: UsageTable, task: OneTask, usages: list[PublishedUsage], monkeypatch: pytest.MonkeyPatch
) -> None:
    table.make()
    manifest = task.finish()
    monkeypatch.setattr(table_drivers, "LOCK_WAIT_SECONDS", 0.05)
    loading, pushed = UsageLoad(table.table, OWNER), Pushed()
    loading.take(usages[-1])
    table.execute("ALTER TABLE anthropic_usage RENAME TO elsewhere")
    loading.load(manifest)
    with pytest.raises(ConfigurationError, match=r"no such table.*The output is published .* only its usage") as error:
        loading.check({"ti": pushed}, "the value")  # type: ignore[typeddict-item]
    assert str(error.value).startswith("usage_table=SqlTable on 'warehouse', table 'anthropic_usage'")
    assert "Nothing was sent" not in str(error.value)
    assert pushed.values == {"return_value": "the value"}
    table.execute("ALTER TABLE elsewhere RENAME TO anthropic_usage")
    loading.take(usages[-1])
    loading.load(manifest)
    loading.check({"ti": pushed}, None)  # type: ignore[typeddict-item]
    check_sums(table.rows(), manifest)


def test_a_database_that_is_down_is_an_error_that_a_retry_passes(
    table: UsageTable, task: OneTask, usages: list[PublishedUsage], monkeypatch: pytest.MonkeyPatch
) -> None:
    table.make()
    manifest = task.finish()
    with monkeypatch.context() as context:
        gone = {"conn_type": "postgres", "host": "127.0.0.1", "port": 1}
        if not table.is_sqlite:
            context.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(gone))
        else:
            context.setattr(table_drivers, "LOCK_WAIT_SECONDS", 0.05)
            context.setattr(table_drivers.Sqlite, "begin", _locked)
        with pytest.raises(SourceError, match=r"only its usage is not in this table\. A retry loads them"):
            table.load(usages[-1], manifest)
    table.load(usages[-1], manifest)
    check_sums(table.rows(), manifest)


def _locked(*_: Any, **__: Any) -> None:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorname = "SQLITE_BUSY"
    raise error


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("ALTER TABLE anthropic_usage DROP COLUMN live_usd", r"no column 'live_usd': ALTER TABLE .* ADD COLUMN"),
        ("ALTER TABLE anthropic_usage RENAME COLUMN cost_usd TO cost", r"no column 'cost_usd'"),
        ("ALTER TABLE anthropic_usage RENAME COLUMN anthropic_batches_unit TO unit", r"says which rows belong"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_before_a_row_is_read(
    table: UsageTable, change: str, expected: str
) -> None:
    table.make()
    table.execute(change)
    with pytest.raises(ConfigurationError, match=rf"(?s){expected}.*docs/money\.md lists its columns") as error:
        check_usage_table(table.table, OWNER)
    assert "`columns`, `key` and `keep`" not in str(error.value)


def test_columns_that_may_be_null_must_allow_it(table: UsageTable) -> None:
    table.make(required="cost_usd")
    with pytest.raises(ConfigurationError, match="column 'cost_usd' may not be null, but is null in some rows"):
        check_usage_table(table.table, OWNER)


def test_the_narrowest_amounts_are_kept_to_the_last_digit(table: UsageTable, task: OneTask) -> None:
    table.make()
    manifest = task.finish(rows=1, repair={})
    row = UsageRow(
        job=manifest.job, batch_id="b", model="m", created_at=None, ended_at=None, unknown_requests=0,
        cost_usd="0.000000000001", live_usd="999999.999999999999", saved_by_batch_usd="0",
        saved_by_cache_usd="-0.0000001", at_least=False, prices=None, **Usage().as_dict(),
    )  # fmt: skip
    table.load(PublishedUsage((row,), lambda: None), manifest)
    (found,) = table.rows()
    assert {name: Decimal(found[name]) for name in AMOUNTS} == {name: Decimal(getattr(row, name)) for name in AMOUNTS}
    if table.is_sqlite:
        assert {name: found[name] for name in AMOUNTS} == {name: getattr(row, name) for name in AMOUNTS}
