"""Rows on their way to a shard."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import pytest
from jinja2.sandbox import SandboxedEnvironment

from anthropic_batches_provider.batches.invalid_rows import InvalidRow
from anthropic_batches_provider.batches.requests import PromptTemplate, Question
from anthropic_batches_provider.batches.requests.exact_values import FileFloat
from anthropic_batches_provider.batches.rows import PreparedRow, RowColumns, prepare_requests, prepare_rows
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError
from tests.worlds.strict_rows import valid_rows

SPOOL = Path(tempfile.gettempdir())  # too few rows here for anything to be written
PARAMS = {"model": "m", "max_tokens": 8, "messages": [{"role": "user", "content": "Hello"}]}


def encode(row: Mapping[str, Any], number: int) -> bytes:
    return b'{"n":%d}' % number


def prepare(rows: Any, **columns: Any) -> list[PreparedRow]:
    return list(valid_rows(prepare_rows(rows, columns=RowColumns(**columns), encode=encode, spool_folder=SPOOL)))


def test_rows_become_columns_and_params_in_order() -> None:
    assert prepare([{"id": "a"}, MappingProxyType({"id": "b"})], key="id") == [
        PreparedRow(0, b'{"id":"a"}', b'{"n":0}'),
        PreparedRow(1, b'{"id":"b"}', b'{"n":1}'),
    ]


def test_a_question_encodes_rows() -> None:
    prompt = PromptTemplate("Label: {{ row.text }}", SandboxedEnvironment(), {})
    asked = Question(prompt=prompt, model="m", max_tokens=8)
    (row,) = prepare_rows([{"text": "a"}], columns=RowColumns(), encode=asked.encode_params, spool_folder=SPOOL)
    assert row == PreparedRow(
        0,
        b'{"row_number":0}',
        b'{"model":"m","max_tokens":8,"messages":[{"role":"user","content":"Label: a"}]}',
    )


def test_no_rows_give_nothing() -> None:
    assert prepare([]) == []
    assert list(prepare_requests([], spool_folder=SPOOL)) == []


def test_rows_are_taken_one_at_a_time() -> None:
    taken: list[int] = []

    def endless() -> Iterator[dict[str, int]]:
        while True:
            taken.append(len(taken))
            yield {"id": len(taken)}

    rows = prepare_rows(endless(), columns=RowColumns(key="id"), encode=encode, spool_folder=SPOOL)
    next(rows)
    next(rows)
    assert taken == [0, 1]


@pytest.mark.parametrize(
    ("row", "named"),
    [("text", "has type str"), (None, "has type NoneType"), ([("a", 1)], "has type list"), (5, "has type int")],
)
def test_a_row_that_is_no_mapping_is_named(row: Any, named: str) -> None:
    with pytest.raises(InvalidRowError, match=f"Row 1 .*{named}") as caught:
        prepare([{"a": 1}, row])
    assert caught.value.row_number == 1


def test_a_repeated_key_is_named_with_its_row() -> None:
    with pytest.raises(InvalidRowError, match=r'Row 2 .*\{"id":"a"\}.*which row 0 has too') as caught:
        prepare([{"id": "a"}, {"id": "b"}, {"id": "a"}], key="id")
    assert caught.value.row_number == 2


def test_rows_without_a_key_may_be_equal() -> None:
    assert len(prepare([{"id": "a"}, {"id": "a"}])) == 2


def test_a_clash_in_a_later_row_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="column_prefix"):
        prepare([{"id": 1}, {"id": 2, "model": "m"}], key="id", keep="*")


def test_ready_requests_keep_their_custom_id_in_a_column_of_its_own() -> None:
    requests: list[dict[str, Any]] = [{"custom_id": "a/1", "params": PARAMS}, {"custom_id": 5, "params": PARAMS}]
    rows = list(valid_rows(prepare_requests(requests, spool_folder=SPOOL)))
    assert [row.columns for row in rows] == [b'{"key":"a/1"}', b'{"key":5}']
    assert rows[1].number == 1
    assert rows[0].params == (b'{"model":"m","max_tokens":8,"messages":[{"role":"user","content":"Hello"}]}')


def test_a_repeated_custom_id_is_named() -> None:
    with pytest.raises(InvalidRowError, match=r'Row 1 .*"a".*custom_id of its own'):
        list(prepare_requests([{"custom_id": "a", "params": PARAMS}] * 2, spool_folder=SPOOL))


def test_a_custom_id_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(InvalidRowError, match="surrogate"):
        list(valid_rows(prepare_requests([{"custom_id": "\ud800", "params": PARAMS}], spool_folder=SPOOL)))


_PATHS = Path(__file__).parents[4], Path(__file__).parents[4] / "provider"
_VARIED = """
import dataclasses, datetime, decimal, enum, itertools, secrets, sys, types, typing
from pathlib import Path
from jinja2.sandbox import SandboxedEnvironment
import msgspec

numbers = itertools.count()
secrets.token_hex = lambda size: f"{next(numbers):0{2 * size}x}"

from anthropic_batches_provider.batches.account import Account
from anthropic_batches_provider.batches.ledger import LocalStorage, UnitOfWork
from anthropic_batches_provider.batches.requests import PromptTemplate, Question
from anthropic_batches_provider.batches.rows import RowColumns, prepare_requests, prepare_rows
from anthropic_batches_provider.batches.sharding import ShardLimits
from anthropic_batches_provider.batches.submission import JobPlan, sealed_job
from tests.worlds.ended_jobs import Service, StillClock

class Color(enum.Enum):
    RED = "red"

class Names(enum.Enum):
    ALL = frozenset(("a", "b", "c", "d"))

@dataclasses.dataclass(frozen=True)
class Point:
    x: typing.Any

class Block(msgspec.Struct, tag=True):
    tags: typing.Any

names = [f"name {number}" for number in range(20)]
mixed = {frozenset(names), frozenset(names[:3]), (1, 2), 1, 2.5, "1", Point(frozenset(names))}
values = {
    "tags": set(names), "mixed": mixed, "nested": {"sets": [set(names), mixed], "day": datetime.date(2026, 1, 1)},
    "color": Color.RED, "all": Names.ALL, "price": decimal.Decimal("1.10"), "point": Point({"b": mixed, "a": 1}),
    "block": Block(mixed), 7: "by a number",
}
rows = [
    {"id": frozenset(names), **values}, {"id": 1, **values, "tags": None}, {"id": 2, **values, "point": object},
    {"id": 3, **values, "more": float("nan")}, "no row", types.MappingProxyType({"id": 4, **values}),
]
root = Path(sys.argv[1])
spool = root.with_name(root.name + "-spool")
spool.mkdir()

def build(row):
    source = {"type": "text", "text": "\\n".join(sorted(row["tags"]))}
    return {"messages": [{"role": "user", "content": [source]}], "stop_sequences": row["tags"], "metadata": values}

prompt = PromptTemplate("{{ row.tags }} {{ row | tojson }} {{ row.nested }}", SandboxedEnvironment(), {})
defaults = {"model": "m", "max_tokens": 1, "params": {"stop_sequences": set(names)}}
ready = [
    {"custom_id": number, "params": {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "a"}],
                                     "stop_sequences": set(names), "metadata": {"of": mixed}}}
    for number in range(3)
]
columns = RowColumns(key="id", keep="*")

def prepared(asked):
    if asked.ready_requests:
        return prepare_requests([*ready, {"custom_id": set(names)}], spool_folder=spool)
    return prepare_rows(rows, columns=columns, encode=asked.encode_params, spool_folder=spool)

for unit, asked in {
    "prompt": Question(prompt=prompt, **defaults), "builder": Question(request_builder=build, **defaults),
    "ready": Question(ready_requests=True),
}.items():
    plan = JobPlan(
        unit=UnitOfWork(dag_id="dag", task_id="task", unit=unit), question=asked.fingerprint(), conn_id="c", run_id="r",
        limits=ShardLimits(max_requests=2), max_failed_rows=0.99,
    )
    sealed_job(
        LocalStorage(root), plan, read_rows=lambda: prepared(asked), account=Account(base_url="http://here"),
        service=Service(), clock=StillClock(), spool_folder=spool,
    )
"""


@pytest.mark.heavy
def test_equal_rows_are_equal_job_folders_in_every_process(tmp_path: Path) -> None:
    def job_folders(seed: str) -> dict[str, bytes]:
        root = tmp_path / seed
        paths = os.pathsep.join([*map(str, _PATHS), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": paths}
        subprocess.run([sys.executable, "-c", _VARIED, str(root)], env=environment, check=True)
        files = sorted(path for path in root.rglob("*") if path.is_file())
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}

    first, *others = [job_folders(seed) for seed in ("0", "1", "2")]
    for unit, shards in {"prompt": 1, "builder": 1, "ready": 2}.items():
        of_unit = {name: content for name, content in first.items() if f"/{unit}" in name}
        assert sum("/requests/" in name for name in of_unit) == shards
        assert any(b"name 7" in content for content in of_unit.values())
        assert any(content[:1] == b"[" or b"\n[" in content for content in of_unit.values()), "an invalid row"
    assert others[0] == first
    assert others[1] == first


def test_what_a_builder_does_to_a_row_changes_nothing_in_the_output(tmp_path: Path) -> None:
    def build(row: dict[str, Any]) -> dict[str, Any]:
        row["kept"].append("more")
        row["id"] = "another"
        return {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "a"}]}

    asked = Question(request_builder=build)
    rows = ({"id": number, "kept": ["as read"]} for number in range(2))
    columns = RowColumns(key="id", keep=["kept"])
    found = [
        each.columns for each in prepare_rows(rows, columns=columns, encode=asked.encode_params, spool_folder=tmp_path)
    ]
    assert found == [b'{"id":0,"kept":["as read"]}', b'{"id":1,"kept":["as read"]}']


def test_a_builder_computes_with_plain_floats(tmp_path: Path) -> None:
    def build(row: dict[str, Any]) -> dict[str, Any]:
        text = msgspec.json.encode(row).decode()
        return {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": text}]}

    asked = Question(request_builder=build)
    rows = [{"id": FileFloat("1.10"), "more": [FileFloat("2.20"), {"a": FileFloat("3.30")}]}]
    columns = RowColumns(key="id", keep=["more"])
    (found,) = valid_rows(prepare_rows(rows, columns=columns, encode=asked.encode_params, spool_folder=tmp_path))
    assert found.columns == b'{"id":1.10,"more":[2.20,{"a":3.30}]}'
    assert rb"{\"id\":1.1,\"more\":[2.2,{\"a\":3.3}]}" in found.params


@pytest.mark.parametrize("depth", [300, 5000])
def test_a_column_that_is_nested_too_deeply_is_refused_by_row(depth: int, tmp_path: Path) -> None:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    columns = RowColumns(keep=["v"])
    rows = prepare_rows([{"v": value}], columns=columns, encode=encode, spool_folder=tmp_path)
    if depth < 500:
        assert len(list(rows)) == 1
    else:
        with pytest.raises(InvalidRowError, match="nested too deeply"):
            list(valid_rows(rows))


def test_names_that_are_no_text_are_kept_as_text_unless_they_clash(tmp_path: Path) -> None:
    assert RowColumns(keep="*").columns_of({0: "a", "x": 1}, 0) == b'{"row_number":0,"0":"a","x":1}'  # type: ignore[dict-item]
    with pytest.raises(InvalidRowError, match="both '0'"):
        RowColumns(keep="*").columns_of({0: "a", "0": 1}, 0)  # type: ignore[dict-item]


def test_a_generator_may_yield_one_dict_again_and_again(tmp_path: Path) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        row: dict[str, Any] = {}
        for number in range(3):
            row.clear()
            row.update(id=number, words=f"words {number}")
            yield row

    columns = RowColumns(key="id", keep="*")
    prepared = prepare_rows(
        rows(), columns=columns, encode=lambda row, number: row["words"].encode(), spool_folder=tmp_path
    )
    found = list(valid_rows(prepared))
    assert [each.params for each in found] == [b"words 0", b"words 1", b"words 2"]
    assert [each.columns for each in found] == [
        b'{"id":%d,"words":"words %d"}' % (number, number) for number in range(3)
    ]


def both(rows: Any, **columns: Any) -> list[tuple[int, bytes, str | None]]:
    """Return number, columns and the reason of each row that is prepared; the builder refuses rows with ``bad``."""

    def picky(row: Mapping[str, Any], number: int) -> bytes:
        if "bad" in row:
            raise InvalidRowError(f"Row {number} is bad", row_number=number)
        return b"{}"

    prepared = prepare_rows(rows, columns=RowColumns(**columns), encode=picky, spool_folder=SPOOL)
    return [(row.number, bytes(row.columns), row.reason if isinstance(row, InvalidRow) else None) for row in prepared]


def test_an_invalid_row_keeps_its_place_and_the_columns_that_it_has() -> None:
    rows = [{"id": 1, "a": "x"}, {"id": 2, "a": "y", "bad": 1}, {"a": "z"}, {"id": object(), "a": 3}, "text", {"id": 4}]
    found = both(rows, key="id", keep=["a"])
    assert [(number, columns) for number, columns, _ in found] == [
        (0, b'{"id":1,"a":"x"}'),
        (1, b'{"id":2,"a":"y"}'),
        (2, b'{"id":null,"a":"z"}'),
        (3, b'{"id":null,"a":3}'),
        (4, b'{"id":null,"a":null}'),
        (5, b'{"id":4,"a":null}'),
    ]
    reasons = [reason for _, _, reason in found]
    assert reasons[0] is None
    assert reasons[1] == "Row 1 is bad"
    assert [reason and reason.partition(" (")[0] for reason in reasons[2:]] == ["Row 2", "Row 3", "Row 4", "Row 5"]


def test_an_invalid_row_without_a_key_is_known_by_its_number() -> None:
    assert both([{"a": 1}, 5]) == [
        (0, b'{"row_number":0}', None),
        (1, b'{"row_number":1}', both([5, 5])[1][2]),
    ]


def test_an_invalid_row_keeps_all_columns_that_can_be_kept() -> None:
    row = {"id": object(), 0: "n", "a": object(), "b": float("nan"), "\ud800": 1, "c": [1]}
    ((_, columns, _),) = both([row], key="id", keep="*")
    assert columns == b'{"id":null,"0":"n","a":null,"b":null,"c":[1]}'


def test_what_a_reader_could_not_read_is_an_invalid_row() -> None:
    error = InvalidRowError("rows.jsonl, line 2: no", row_number=0)
    assert both([error, {"id": 1}], key="id") == [(0, b'{"id":null}', str(error)), (1, b'{"id":1}', None)]
    ((request),) = prepare_requests([error], spool_folder=SPOOL)
    assert isinstance(request, InvalidRow)
    assert (bytes(request.columns), request.reason) == (b'{"key":null}', str(error))


def test_invalid_rows_have_no_part_in_repeated_keys_unless_they_have_one() -> None:
    assert len(both([5, 6, {"id": 1}, {"x": 1}], key="id")) == 4
    with pytest.raises(InvalidRowError, match=r"Row 3 .*which row 1 has too"):
        both([5, {"id": 1, "bad": 1}, 6, {"id": 1}], key="id")


def test_an_invalid_request_keeps_a_custom_id_that_can_be_kept() -> None:
    given = [{"custom_id": "a"}, {"custom_id": True, "params": PARAMS}, {"custom_id": "\ud800", "params": PARAMS}, 7]
    found = list(prepare_requests(given, spool_folder=SPOOL))  # type: ignore[arg-type]
    assert all(isinstance(row, InvalidRow) for row in found)
    assert [bytes(row.columns) for row in found] == [b'{"key":"a"}', *[b'{"key":null}'] * 3]
    with pytest.raises(InvalidRowError, match=r"Row 1 .*which row 0 has too"):
        list(prepare_requests([{"custom_id": "a"}, {"custom_id": "a", "params": PARAMS}], spool_folder=SPOOL))
