"""Mistakes of a DAG's author, each corrected where it was made and run again for the same date.

No correction needs an ``edition``, and in the end each row was billed once: whatever the first run did cost nothing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pytest

from anthropic_batches_provider.errors import ConfigurationError
from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from anthropic_batches_provider.sources import read_rows
from tests.dags.conftest import DagRunner, Run

DAG_FILE = """
from pathlib import Path
from typing import Any

import pendulum
from airflow.sdk import DAG

from anthropic_batches_provider.operators import MessageBatchOperator

HERE = Path({here!r})


def asked(row: dict[str, Any]) -> dict[str, Any]:
    return {{"messages": [{{"role": "user", "content": row["text"]}}]}}


with DAG("mistakes", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")) as dag:
    MessageBatchOperator(
        task_id="label",
{arguments}
    )
"""


class Code(str):
    """An expression of the DAG's file."""

    __repr__ = str.__str__


ROWS = [{"id": number, "items": "kettle", "text": text} for number, text in enumerate(["one", "two", "three", "four"])]
RIGHT: dict[str, Any] = {
    "rows": Code('HERE / "rows.jsonl"'),
    "key": "id",
    "model": "claude-haiku-5-5",
    "prompt": "Label: {{ row.text }}",
    "max_tokens": 10,
    "destination": Code('HERE / "out"'),
}
MESSAGES = [{"messages": [{"role": "user", "content": row["text"]}]} for row in ROWS]
ASKED = {"model": "claude-haiku-5-5", "max_tokens": 10}
REQUESTS = [{"custom_id": number, "params": {**ASKED, **messages}} for number, messages in enumerate(MESSAGES)]
OF_OPENAI = [
    {"custom_id": str(number), "method": "POST", "url": "/v1/chat/completions", "body": {**ASKED, **messages}}
    for number, messages in enumerate(MESSAGES)
]
SCORE = {"type": "number"}
OMITTED: Any = None  # as an argument: the DAG's file does not have it
BUILT = {"prompt": OMITTED, "request_builder": Code("asked")}
TOP_K_IN_ROW_3 = Code('lambda row: {**asked(row), **({"top_k": 5} if row["id"] == 3 else {})}')
READY = dict.fromkeys(("rows", "key", "model", "prompt", "max_tokens"), OMITTED)


def lines(*rows: Mapping[str, Any] | str) -> str:
    """Return a file of rows, one a line; a text stands for itself."""
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)


def schema(**changes: Any) -> dict[str, Any]:
    """Return an output_config whose schema is a closed object, with changes."""
    closed = {"type": "object", "properties": {"score": SCORE}, "required": ["score"], "additionalProperties": False}
    whole = {name: value for name, value in {**closed, **changes}.items() if value is not OMITTED}
    return {"output_config": {"format": {"type": "json_schema", "schema": whole}}}


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A mistake and its correction.

    :ivar says: words of the error.
    :ivar wrong: arguments of the operator in the first run, other than :data:`RIGHT`.
    :ivar right: these arguments after the correction, where they are not those of :data:`RIGHT`.
    :ivar rows: the file of the rows in the first run.
    :ivar env: variables of the environment in the first run; HERE is the test's folder.
    :ivar shows: when the mistake shows: as the DAG's file is imported, before anything is sent, or in the answers.
    :ivar billed: how many rows the first run was billed for.
    :ivar failed: how many rows have no answer after the correction, which allows for them.
    """

    says: Sequence[str]
    wrong: Mapping[str, Any] = field(default_factory=dict)
    right: Mapping[str, Any] = field(default_factory=dict)
    rows: str = lines(*ROWS)
    env: Mapping[str, str] = field(default_factory=dict)
    shows: Literal["import", "start", "answers"] = "start"
    billed: int = 0
    failed: int = 0


def imported(*says: str, **wrong: Any) -> Mistake:
    """Return a mistake that fails the import of the DAG's file."""
    return Mistake(wrong=wrong, says=says, shows="import")


def started(*says: str, **wrong: Any) -> Mistake:
    """Return a mistake that fails the task before anything is sent."""
    return Mistake(wrong=wrong, says=says)


def answered(*says: str, **wrong: Any) -> Mistake:
    """Return a mistake because of which every row errors."""
    return Mistake(wrong=wrong, says=says, shows="answers")


def in_a_row(*says: str, **changes: Any) -> Mistake:
    """Return a mistake in the file of rows: in its third row."""
    return Mistake(says=says, rows=lines(*ROWS[:2], {**ROWS[2], **changes}, ROWS[3]))


def built(builder: str, *says: str) -> Mistake:
    """Return a mistake in a builder, which shows before anything is sent."""
    return Mistake(says=says, wrong={**BUILT, "request_builder": Code(builder)}, right=BUILT)


def connection(**changes: str) -> str:
    """Return a connection to a service."""
    return json.dumps(
        {"conn_type": "anthropic_batches", "host": "SIMULATOR", "password": "sk-ant-simulator", **changes}
    )


HAIKU = "claude-haiku-4-5"
MISTAKES = {
    # the import of the DAG
    "no max_tokens": imported("`max_tokens` is missing; give `max_tokens=`", max_tokens=OMITTED),
    "max_tokens as text": imported("`max_tokens` is '10'; it must be a whole number", max_tokens="10"),
    "a relative path": imported("rows=", "Give a URI", "or an absolute path", rows="rows.jsonl"),
    "a brace too few": imported("prompt", prompt="Label: {{ row.text }"),
    "a column of the output kept": imported(
        "Set `column_prefix=`", "or name other columns in `key` and `keep`", keep=["model"]
    ),
    "Messages params as params": imported("Give Messages params as message_params=", params={"temperature": 1}),
    "prices without output": imported(
        "`prices`['claude-haiku-5-5']: `output` is missing", prices={"claude-haiku-5-5": {"input": "0.1"}}
    ),
    "a stream": imported("a batch cannot stream. Leave it out", message_params={"stream": True}),
    # the start of the task: the question
    "a misspelled model": started("Correct `model`", "claude-haiku-5-5", model="claude-hiaku-5-5"),
    "a retired model": started("does not know the model", "retired", model="claude-3-haiku-20240307"),
    "another vendor's model": started("does not know the model 'gpt-5-mini'", model="gpt-5-mini"),
    "an open object": started(
        "`additionalProperties` is not false (set it to false on each object)",
        message_params=schema(additionalProperties=OMITTED),
    ),
    "minimum": started(
        "at $.properties.score, `minimum` is not supported (leave it out",
        message_params=schema(properties={"score": {**SCORE, "minimum": 0}}),
    ),
    "maxLength": started(
        "`maxLength` is not supported (leave it out",
        message_params=schema(properties={"score": {"type": "string", "maxLength": 5}}),
    ),
    "a wrong prompt file": Mistake(
        says=["'questions.jinja' was not found", "Correct the name"],
        wrong={"prompt": "questions.jinja"},
        right={"prompt": "question.jinja"},
    ),
    # the start of the task: the rows
    "an unknown key column": started(
        "no column 'review_id'", "Correct `key`", "Its columns are: id, items, text", key="review_id"
    ),
    "a key that is none": started('has the key {"items":"kettle"}', "Name further columns in `key`", key="items"),
    "an unknown column in the prompt": started(
        "'txt' is not among id, items, text", "Fix the row or the prompt", prompt="Label: {{ row.txt }}"
    ),
    "a missing value": in_a_row("Row 2 ", "in column 'text'", "allow for it: {{ row.text | default('') }}", text=None),
    "a prompt of nothing": started(
        "its prompt is empty", "Fix the row or the prompt", prompt="{{ row.note | default('') }}"
    ),
    "a prompt of nothing in one row": Mistake(
        says=["1 of 4 rows", "Row 3 ", "its prompt is empty"],
        wrong={"prompt": "{{ row.text }}"},
        right={"prompt": "{{ row.text }}"},
        rows=lines(*ROWS[:3], {**ROWS[3], "text": ""}),
    ),
    "one line that is no JSON": Mistake(says=["rows.jsonl, line 5", "max_failed_rows"], rows=lines(*ROWS, "END")),
    "no file": started("There is no file", "row.jsonl'", "Check the path", rows=Code('HERE / "row.jsonl"')),
    "no file of a pattern": started("*.ndjson: There are no rows", 'on_empty="skip"', rows=Code('HERE / "*.ndjson"')),
    "CSV under another name": started(
        "seems to be a CSV file", 'files(uri, format="csv")', rows=Code('HERE / "rows.txt"')
    ),
    "rows inside a JSON object": started("jq -c '.data[]'", rows=Code('HERE / "data.json"')),
    "no rows": started("There are no rows", 'on_empty="skip"', rows=[]),
    "a row above the limit": started("at most 100. Raise max_bytes_per_shard=", max_bytes_per_shard=100),
    "columns above the limit of XCom": Mistake(
        says=["xcom_max_bytes", "destination="],
        wrong={"destination": "xcom", "keep": ["items"], "xcom_max_bytes": 50},
        right={"keep": ["items"]},
    ),
    "a builder that raises": built(
        'lambda row: asked(row) if row["id"] != 2 else row["review"]',
        "Row 2 (the first is 0): request_builder raised KeyError: 'review'",
    ),
    "a builder that returns text": built('lambda row: row["text"]', "Row 0", "dict"),
    "a builder without messages": built('lambda row: {"system": row["text"]}', "Row 0", "messages"),
    "requests for another service": Mistake(
        says=["is a line of an OpenAI batch file", "turn body into params"],
        wrong={**READY, "requests": Code('HERE / "openai.jsonl"')},
        right={**READY, "requests": Code('HERE / "requests.jsonl"')},
    ),
    # the start of the task: what is around it
    "another task's destination": Mistake(
        says=["is claimed by 'another_task'", "its own folder"],
        wrong={"destination": Code('HERE / "theirs"')},
    ),
    "a destination that is a file": started("Correct destination=", destination=Code('HERE / "rows.txt" / "out"')),
    "no storage": Mistake(
        says=["storage is not set", "AIRFLOW__ANTHROPIC_BATCHES__STORAGE"],
        env={"AIRFLOW__ANTHROPIC_BATCHES__STORAGE": "", "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor"},
    ),
    "a storage that is a file": Mistake(
        says=["The storage file://", "cannot be used", "Correct `storage=`"],
        env={"AIRFLOW__ANTHROPIC_BATCHES__STORAGE": "HERE/rows.txt/storage"},
    ),
    "no connection": started("There is no connection anthropic", "the API key as its password", conn_id="anthropic"),
    "a connection without a key": Mistake(
        says=["Connection anthropic_default", "Put the API key into the connection's password"],
        env={"AIRFLOW_CONN_ANTHROPIC_DEFAULT": '{"conn_type": "anthropic_batches"}'},
    ),
    "a wrong key": Mistake(
        says=["status 401", "Check the API key in the connection's password"],
        env={"AIRFLOW_CONN_ANTHROPIC_DEFAULT": connection(password="wrong")},
    ),
    "prices in the connection without output": Mistake(
        says=["Connection anthropic_default: `prices` of its extra['m']: `output` is missing"],
        env={"AIRFLOW_CONN_ANTHROPIC_DEFAULT": connection(extra='{"prices": {"m": {"input": 1}}}')},
    ),
    "a wrong host": Mistake(
        says=["http://127.0.0.1:9", "Check the connection's host"],
        env={"AIRFLOW_CONN_ANTHROPIC_DEFAULT": connection(host="http://127.0.0.1:9")},
    ),
    # the answers
    "max_tokens above the limit": answered("max_tokens: 1000000 > 128000", max_tokens=1_000_000),
    "a beta that is missing": replace(
        answered("max_tokens: 200000 > 128000", max_tokens=200_000),
        right={"max_tokens": 200_000, "betas": ["output-300k-2026-03-24"]},
    ),
    "temperature": answered("temperature", "parameters change", "no new edition", message_params={"temperature": 0.5}),
    "a thinking budget": replace(
        answered("thinking.type.adaptive", message_params={"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        right={"message_params": {"thinking": {"type": "adaptive"}}},
    ),
    "effort": replace(
        answered("effort", model=HAIKU, message_params={"output_config": {"effort": "low"}}), right={"model": HAIKU}
    ),
    "a row that the API refuses": Mistake(
        says=["top_k", "raise max_failed_rows"],
        wrong={**BUILT, "request_builder": TOP_K_IN_ROW_3},
        right={**BUILT, "request_builder": TOP_K_IN_ROW_3, "max_failed_rows": 1},
        shows="answers",
        billed=3,
        failed=1,
    ),
    "answers above the limit of XCom": Mistake(
        says=["xcom_max_bytes=", "Set destination= to the URI of a folder"],
        wrong={"destination": "xcom", "xcom_max_bytes": 200},
        shows="answers",
        billed=4,
    ),
}


@dataclass(frozen=True)
class Author:
    """Writes the file of a DAG, and runs it.

    :ivar home: a folder with the files that the DAG reads.
    """

    dags: DagRunner
    home: Path

    def run(self, arguments: Mapping[str, Any]) -> Run:
        """Run the DAG with these arguments in place of :data:`RIGHT`."""
        given = {name: value for name, value in {**RIGHT, **arguments}.items() if value is not OMITTED}
        text = "\n".join(f"        {name}={value!r}," for name, value in given.items())
        (self.dags.folder / "mistakes.py").write_text(DAG_FILE.format(here=str(self.home), arguments=text))
        return self.dags.run("mistakes")

    def write_rows(self, text: str) -> None:
        (self.home / "rows.jsonl").write_text(text)


@pytest.fixture
def author(dags: DagRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Author:
    """Return an author whose folder has files of rows and requests in several forms."""
    # Python tells a changed file by its size and second alone: it would take the mistake for its correction.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "rows.txt").write_text("id,language,text\n0,en,one\n")
    (tmp_path / "data.json").write_text(json.dumps({"data": ROWS}, indent=1))
    (tmp_path / "openai.jsonl").write_text(lines(*OF_OPENAI))
    (tmp_path / "requests.jsonl").write_text(lines(*REQUESTS))
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "_owner.json").write_text('{"version":1,"owner":"another_task"}')
    return Author(dags, tmp_path)


# Airflow's own: dag.test() finds two versions of the DAG.
@pytest.mark.filterwarnings("ignore:Multiple rows returned with uselist=False:sqlalchemy.exc.SAWarning")
@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_corrected_and_run_again_for_one_bill(
    mistake: Mistake,
    author: Author,
    message_batch_simulator: MessageBatchSimulator,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    control = message_batch_simulator.control
    author.write_rows(mistake.rows)
    with monkeypatch.context() as first:
        for name, value in mistake.env.items():
            first.setenv(
                name, value.replace("HERE", str(author.home)).replace("SIMULATOR", message_batch_simulator.base_url)
            )
        if mistake.shows == "import":
            with pytest.raises(ConfigurationError) as error:
                author.run(mistake.wrong)
            said = str(error.value)
        else:
            assert author.run(mistake.wrong).tasks == {"label": "failed"}
            said = caplog.text + "".join(capsys.readouterr())
    assert [words for words in mistake.says if words not in said] == []
    assert bool(control.received().creates) == (mistake.shows == "answers")
    assert control.billing().rows_billed == mistake.billed

    author.write_rows(lines(*ROWS))
    run = author.run(mistake.right)
    assert run.tasks == {"label": "success"}
    rows = list(read_rows(run.xcom("label")))
    assert [row["id"] if "id" in row else row["key"] for row in rows] == [row["id"] for row in ROWS]
    answered = sum(row["result_type"] == "succeeded" for row in rows)
    assert answered == len(ROWS) - mistake.failed
    billing = control.billing()
    assert (billing.rows_billed, billing.max_times_billed) == (answered, 1)
