"""Values go through a whole task: as they are, or refused before anything is sent."""

from __future__ import annotations

import json
from pathlib import Path

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import DagRunner


def test_values_come_out_as_they_went_in_and_a_missing_one_is_refused_before_it_is_paid(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    lines = [
        '{"id":12.10,"note":"a","tags":{"b":["é",1E5]}}',
        '{"id":123456789012345678.91,"note":null,"tags":[]}',
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    run = dags.run("values", {"folder": str(tmp_path)})
    assert run.tasks == {"strict": "failed", "lenient": "success"}
    assert message_batch_simulator.control.billing().rows_billed == 2
    (part,) = (tmp_path / "lenient").glob("part-*.jsonl")
    written = part.read_text(encoding="utf-8").splitlines()
    assert written[0].startswith('{"id":12.10,"tags":{"b":["é",1E5]},"custom_id":')
    assert written[1].startswith('{"id":123456789012345678.91,"tags":[],"custom_id":')
    assert [json.loads(row)["result_type"] for row in written] == ["succeeded", "succeeded"]
    assert not (tmp_path / "strict" / "_manifest.json").exists()
    job = json.loads((tmp_path / "lenient" / "_manifest.json").read_text())["job"]
    sealed = json.loads(Path(job.removeprefix("file://"), "sealed.json").read_text())
    assert sealed["columns"] == [{"name": "id", "type": "json"}, {"name": "tags", "type": "json"}]
