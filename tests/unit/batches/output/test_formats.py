"""The list of output formats is the only one: other formats are refused, and listed formats work everywhere."""

from __future__ import annotations

import re
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path

import pytest

from anthropic_batches_provider.batches.collection import collect_job
from anthropic_batches_provider.batches.output import formats
from anthropic_batches_provider.batches.output.answered_row import AnsweredRow
from anthropic_batches_provider.batches.output.formats import FORMATS, OutputFormat, find_format, format_names
from anthropic_batches_provider.batches.output.manifest import Manifest
from anthropic_batches_provider.batches.output.row_sink import CountedRows
from anthropic_batches_provider.batches.output.tally import Tally
from anthropic_batches_provider.batches.results import missing_result
from anthropic_batches_provider.errors import ConfigurationError
from anthropic_batches_provider.operators import MessageBatchOperator, MessageBatchResultsOperator
from tests.worlds.ended_jobs import EndedJob, ended_job, errored, succeeded

ROOT = Path(__file__).parents[4]
NONCE = "0123456789ab"
TAB_SEPARATED = OutputFormat(
    name="tsv", suffix=".tsv", writer="tests.unit.batches.output.tab_separated:open_tab_separated"
)


@pytest.fixture
def job(tmp_path: Path) -> EndedJob:
    results = [[errored(f"{NONCE}-0-1"), succeeded(f"{NONCE}-0-0", "yes")], [succeeded(f"{NONCE}-1-2", "no")]]
    columns = [[b'{"id":"a"}', b'{"id":"b"}'], [b'{"id":"c"}']]
    return ended_job(tmp_path, results, columns, column_prefix="answer_")


@pytest.fixture
def tsv(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add one entry to the list, and nothing else."""
    monkeypatch.setattr(formats, "FORMATS", (*FORMATS, TAB_SEPARATED))


def collect(job: EndedJob) -> Manifest:
    return collect_job(job.folder, job.service, job.destination(output_format="tsv"), job.settings)


@pytest.mark.usefixtures("tsv")
def test_a_further_format_is_one_file_and_one_entry(job: EndedJob) -> None:
    MessageBatchOperator(task_id="one", requests=[], destination="/out", output_format="tsv")
    MessageBatchResultsOperator(task_id="results", batch_ids="b", destination="/out", output_format="tsv")
    manifest = collect(job)
    assert (manifest.output_format, manifest.counts.rows, manifest.counts.errored) == ("tsv", 3, 1)
    assert [job.files()[part.name].decode() for part in manifest.parts] == [
        "own columns\tanswer_text\na\tmsgbatch_0\tsucceeded\tyes\nb\tmsgbatch_0\terrored\tNone\n",
        "own columns\tanswer_text\nc\tmsgbatch_1\tsucceeded\tno\n",
    ]
    assert [part.name for part in manifest.parts] == ["part-00000-01234567.tsv", "part-00001-01234567.tsv"]
    assert [part.bytes for part in manifest.parts] == [len(job.files()[part.name]) for part in manifest.parts]


@pytest.mark.usefixtures("tsv")
def test_files_of_a_format_are_replaced_by_those_of_another(job: EndedJob) -> None:
    collect(job)
    plain = collect_job(job.folder, job.service, job.destination(), job.settings)
    assert {name for name in job.files() if name.startswith("part")} == {part.name for part in plain.parts}


def test_what_is_not_on_the_list_is_refused_before_anything_is_spent(job: EndedJob) -> None:
    with pytest.raises(ConfigurationError, match=r"'jsonl' or .*'csv', not 'tsv'. Nothing was spent"):
        collect(job)
    with pytest.raises(ConfigurationError, match=r'output_format= must be "jsonl" or .*"csv", not .tsv.'):
        MessageBatchResultsOperator(task_id="results", batch_ids="b", output_format="tsv")
    with pytest.raises(ConfigurationError, match=r'output_format= must be "jsonl" or .*"csv", not .tsv.'):
        MessageBatchOperator(task_id="one", requests=[], output_format="tsv")


@pytest.mark.parametrize("output_format", FORMATS, ids=lambda each: each.name)
def test_every_format_has_its_writer_and_is_described(output_format: OutputFormat) -> None:
    module, _, function = output_format.writer.partition(":")
    assert callable(getattr(import_module(module), function))
    assert find_format(output_format.name) is output_format
    for operator in (MessageBatchOperator, MessageBatchResultsOperator):
        (described,) = re.findall(r":param output_format:(.*?)(?=\n    :)", operator.__doc__ or "", re.DOTALL)
        assert f'``"{output_format.name}"``' in described
    for page in ("docs/operators.md", "docs/output.md"):
        assert f'"{output_format.name}"`' in (ROOT / page).read_text()
    assert output_format.name in format_names()


def test_a_sink_sees_one_row_at_a_time_and_each_is_counted() -> None:
    seen: list[AnsweredRow] = []

    class Sink:
        def add(self, row: AnsweredRow) -> None:
            seen.append(row)

    tally = Tally()
    with nullcontext(CountedRows(Sink(), tally)) as rows:
        for number in range(3):
            rows.add(AnsweredRow(b"{}", "msgbatch_1", missing_result(str(number))))
            assert (len(seen), tally.rows) == (number + 1, number + 1)
        rows.count_strays("msgbatch_1", foreign=2, duplicates=1)
    assert (tally.record().foreign_results, tally.record().duplicate_results) == (2, 1)
