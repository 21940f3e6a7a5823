"""What goes in comes out: a value of any type comes back as docs/values.md says, or its row and column are named."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jinja2.sandbox import SandboxedEnvironment

from anthropic_batches_provider.batches.invalid_rows import InvalidRow
from anthropic_batches_provider.batches.ledger import JobFolder, LocalStorage, Storage
from anthropic_batches_provider.batches.requests import PromptTemplate, Question
from anthropic_batches_provider.batches.rows import PreparedRow, RowColumns, prepare_rows, read_row_file
from anthropic_batches_provider.errors import InvalidRowError
from anthropic_batches_provider.simulator.server import SimulatorServer
from anthropic_batches_provider.simulator.service.service_settings import DEFAULT_WORKSPACE
from tests.properties.values_of_every_type import REFUSED, SAMPLES, Digits, Pairs, Sample, agrees, parsed
from tests.worlds.direct_service import DirectService
from tests.worlds.one_task_job import Arguments, OneTask
from tests.worlds.simulated_world import World

MODEL = "claude-haiku-4-5"
QUICK = settings(deadline=None, database=None, derandomize=True, print_blob=True, max_examples=150)
QUICK = settings(QUICK, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
THOROUGH = settings(QUICK, derandomize=False, max_examples=20_000)


def question(prompt: str) -> Question:
    return Question(prompt=PromptTemplate(prompt, SandboxedEnvironment(), {}), model=MODEL, max_tokens=9)


PRINTING = question("<{{ row.v }}>")
WRITING = question("{{ row | tojson }}")
ASKING = question("Hello{% set _ = row %}")


def prepared(value: Any, columns: RowColumns, asked: Question) -> PreparedRow | InvalidRow:
    """Return the second of two rows; the first is as it should be."""
    rows: list[dict[str, Any]] = [{"n": 0, "v": "good"}, {"n": 1, "v": value}]
    found = prepare_rows(rows, columns=columns, encode=asked.encode_params, spool_folder=Path("/nowhere"))
    first, second = found
    assert isinstance(first, PreparedRow)
    return second


def check_refused(row: PreparedRow | InvalidRow) -> None:
    assert isinstance(row, InvalidRow), f"it was not refused: {row}"
    assert "Row 1 (the first is 0)" in row.reason
    assert re.search(r"column '?v\b|\bv = ", row.reason), f"the column is not named: {row.reason}"
    parsed(bytes(row.columns))


def prompt_of(params: bytes) -> str:
    text = json.loads(params)["messages"][0]["content"]
    assert isinstance(text, str)
    return text


def check_printed(text: str, sample: Sample) -> None:
    if sample.printed is None:
        assert agrees(parsed(text), sample.kept), f"{text!r} is not {sample.kept}"
    else:
        assert text == sample.printed


def check_value(sample: Sample) -> None:
    for columns, expected in (
        (RowColumns(key="v"), [("v", sample.kept)]),
        (RowColumns(key="n", keep=["v"]), [("n", Digits("1")), ("v", sample.kept)]),
        (RowColumns(key="n", keep="*"), [("n", Digits("1")), ("v", sample.kept)]),
    ):
        row = prepared(sample.value, columns, ASKING)
        if sample.kept is REFUSED:
            check_refused(row)
        else:
            assert isinstance(row, PreparedRow), row
            assert agrees(parsed(row.columns), Pairs(expected)), f"{row.columns!r} is not {sample.kept}"
    row = prepared(sample.value, RowColumns(key="n"), WRITING)
    if sample.kept is REFUSED:
        assert isinstance(row, InvalidRow), row
    else:
        assert isinstance(row, PreparedRow), row
        assert agrees(parsed(prompt_of(row.params)), Pairs([("n", Digits("1")), ("v", sample.kept)]))
    row = prepared(sample.value, RowColumns(key="n"), PRINTING)
    if sample.printed is REFUSED or (sample.printed is None and sample.kept is REFUSED):
        check_refused(row)
    else:
        assert isinstance(row, PreparedRow), row
        check_printed(prompt_of(row.params)[1:-1], sample)


@QUICK
@given(sample=SAMPLES)
def test_a_value_of_any_type_comes_back_or_its_row_and_column_are_named(sample: Sample) -> None:
    check_value(sample)


@pytest.mark.long
@THOROUGH
@given(sample=SAMPLES)
def test_so_do_twenty_thousand_values(sample: Sample) -> None:
    check_value(sample)


# --------------------------------------------------------------------------------------------------- through the engine


@dataclass
class ValuesInOneTask(OneTask):
    """A task whose rows hold any values, as key, as kept column and in the prompt.

    :ivar samples: of each row, the value in all three places.
    """

    samples: list[Sample] = field(default_factory=list)

    def rows(self) -> Iterator[dict[str, Any]]:
        for number, sample in enumerate(self.samples):
            yield {"n": number, "k": sample.value, "v": sample.value}

    def _job(self, storage: Storage, spool: Path) -> JobFolder:
        columns = RowColumns(key=["n", "k"], keep="*")

        def rows() -> Iterable[PreparedRow | InvalidRow]:
            return prepare_rows(self.rows(), columns=columns, encode=PRINTING.encode_params, spool_folder=spool)

        return self.world.sealed(self._plan(), rows, storage=storage, spool=spool)


def check_task(samples: list[Sample], server: SimulatorServer, folder: Path) -> None:
    server.simulator.reset()
    (folder / "spool").mkdir()
    world = World(server, LocalStorage(folder / "storage"), folder / "spool")
    world.client.close()
    service: Any = DirectService(server.simulator)
    world.client = service
    lines: list[bytes] = []
    rows_in_xcom: list[dict[str, Any]] = []
    for destination in ("out", "xcom"):
        arguments = Arguments(
            destination=destination, rows_per_shard=2, max_failed_rows=0.99, unit=destination, keep_requests=True,
            owner=destination,
        )  # fmt: skip
        (folder / f"task-{destination}").mkdir()
        task = ValuesInOneTask(world, folder / f"task-{destination}", arguments, samples=samples)
        manifest = task.finish()
        assert manifest.counts.rows == len(samples)
        if destination == "out":
            parts = [(task.folder / "out" / part.name).read_bytes() for part in manifest.parts]
            lines = [line for part in parts for line in part.splitlines()]
        else:
            rows_in_xcom = task.rows_in_memory
    assert len(lines) == len(rows_in_xcom) == len(samples)
    sent = list(prompts_of(server, service))
    good = [sample for sample in samples if not is_refused(sample)]
    assert len(sent) == 2 * len(good), "an invalid row is never sent"
    for text, sample in zip(sent, good * 2, strict=True):
        check_printed(text[1:-1], sample)
    for number, (line, in_xcom, sample) in enumerate(zip(lines, rows_in_xcom, samples, strict=True)):
        check_output(number, parsed(line), sample)
        check_output(number, parsed(json.dumps(in_xcom)), sample)


def is_refused(sample: Sample) -> bool:
    return sample.kept is REFUSED or sample.printed is REFUSED


def prompts_of(server: SimulatorServer, service: DirectService) -> Iterator[str]:
    """Yield the prompts of all requests that the simulator has received, in their order."""
    for batch in reversed(list(service.list())):
        for request in server.simulator.batch(batch.id, DEFAULT_WORKSPACE).requests:
            yield prompt_of(bytes(request.params))


def check_output(number: int, row: Any, sample: Sample) -> None:
    columns = dict(row)
    assert [name for name, _ in row[:3]] == ["n", "k", "v"]
    assert columns["n"] == str(number)
    if is_refused(sample):
        assert columns["result_type"] == "invalid_row"
        assert columns["error_message"].startswith(f"Row {number} (the first is 0)")
        assert re.search(r"column '[kv]'", columns["error_message"])
    else:
        assert columns["result_type"] == "succeeded"
        assert agrees(columns["k"], sample.kept)
    for name in ("k", "v"):
        assert columns[name] is None if sample.kept is REFUSED else agrees(columns[name], sample.kept)


GOOD = Sample("good", "good", "good")


@settings(QUICK, max_examples=12)
@given(samples=st.lists(SAMPLES, max_size=6))
def test_rows_of_any_values_come_out_as_they_went_in(server: SimulatorServer, samples: list[Sample]) -> None:
    with TemporaryDirectory() as folder:
        check_task([GOOD, *samples], server, Path(folder))


@pytest.mark.long
@settings(THOROUGH, max_examples=2_000)
@given(samples=st.lists(SAMPLES, max_size=6))
def test_so_do_the_rows_of_two_thousand_jobs(server: SimulatorServer, samples: list[Sample]) -> None:
    with TemporaryDirectory() as folder:
        check_task([GOOD, *samples], server, Path(folder))


@settings(QUICK, max_examples=12)
@given(samples=st.lists(SAMPLES.filter(is_refused), min_size=1, max_size=3), data=st.data())
def test_a_job_with_a_refused_row_sends_nothing(
    server: SimulatorServer, samples: list[Sample], data: st.DataObject
) -> None:
    mixed = data.draw(st.permutations([GOOD, *samples]))
    with TemporaryDirectory() as name:
        folder = Path(name)
        server.simulator.reset()
        (folder / "spool").mkdir()
        world = World(server, LocalStorage(folder / "storage"), folder / "spool")
        world.client.close()
        service: Any = DirectService(server.simulator)
        world.client = service
        with pytest.raises(InvalidRowError, match=r"column '[kv]'"):
            ValuesInOneTask(world, folder, Arguments(), samples=mixed).finish()
        assert list(service.list()) == []


# ----------------------------------------------------------------------------------------------------------- JSON Lines


DIGITS = st.integers(0, 10**24).map(str)
FRACTIONS = st.just("") | st.text("0123456789", min_size=1, max_size=24).map(".{}".format)
EXPONENTS = st.just("") | st.builds(
    "{}{}{}".format, st.sampled_from("eE"), st.sampled_from(["", "+", "-"]), st.integers(0, 999)
)
NUMBERS = st.builds("{}{}{}{}".format, st.sampled_from(["", "-"]), DIGITS, FRACTIONS, EXPONENTS).filter(
    lambda digits: digits != "-0"  # the integer 0
) | st.sampled_from(["1E5", "12.10", "-0.0", "0e0", "1e-400", "1e400", "-1E+999", "12345678901234567890", "1.0e+05"])
SPACES = st.sampled_from(["", " ", "\t", "  "])
ESCAPED = {"v": ["v", "\\u0076"], "more": ["more", "\\u006dore"]}


@settings(QUICK, max_examples=100)
@given(
    numbers=st.lists(NUMBERS, min_size=6, max_size=6),
    spaces=st.lists(SPACES, min_size=3, max_size=3),
    names=st.tuples(*map(st.sampled_from, ESCAPED.values())),
    is_first=st.booleans(),
    reads_all=st.booleans(),
)
def test_a_number_of_a_file_keeps_its_digits(
    numbers: list[str], spaces: list[str], names: tuple[str, str], is_first: bool, reads_all: bool
) -> None:
    number, nested, *others = numbers
    one, two, three = spaces
    own = f'"{names[0]}"{one}:{two}{number}{three}'
    more = f'"{names[1]}": {{"v":{nested},"w":[{others[0]},{others[1]}]}}'
    also = f'"also":{{"v":{others[2]}}},"text":"\\"v\\":{others[3]}"'
    line = "{" + ",".join([own, more, also] if is_first else [also, more, own]) + "}\n"
    digits_of = None if reads_all else frozenset(("v", "more"))
    (row,) = read_row_file(io.BytesIO(line.encode()), name="rows.jsonl", digits_of=digits_of)
    for columns in (RowColumns(key=["v", "more"]), RowColumns(keep=["v", "more"])):
        found = dict(parsed(columns.columns_of(row, 0)))
        assert found["v"] == Digits(number)
        assert found["more"] == Pairs([("v", Digits(nested)), ("w", [Digits(others[0]), Digits(others[1])])])
    assert prompt_of(PRINTING.encode_params(row, 0)) == f"<{number}>"
    in_json = parsed(prompt_of(question("{{ row.more }}").encode_params(row, 0)))
    assert in_json == Pairs([("v", Digits(nested)), ("w", [Digits(others[0]), Digits(others[1])])])


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | st.text(max_size=5).filter(str.isprintable),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3).filter(str.isprintable), inner),
    max_leaves=6,
)


@settings(QUICK, max_examples=100)
@given(value=JSON_VALUES, indent=st.sampled_from([(",", ":"), (", ", ": ")]), escapes=st.booleans())
def test_what_json_dumps_wrote_comes_back_to_the_digit(value: Any, indent: tuple[str, str], escapes: bool) -> None:
    text = json.dumps({"v": value, "n": 1}, separators=indent, ensure_ascii=escapes)
    for digits_of in (None, frozenset("v")):
        (row,) = read_row_file(io.BytesIO(text.encode()), name="rows.jsonl", digits_of=digits_of)
        assert parsed(RowColumns(keep=["v"]).columns_of(row, 0))[1] == parsed(text)[0]
