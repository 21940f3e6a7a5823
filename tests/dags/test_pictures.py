"""Images and documents go through whole tasks: from the disk to the requests that the service receives."""

from __future__ import annotations

import base64
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import DagRunner, rows_in
from tests.worlds.pictures import jpeg, pdf, png

PHOTOS = {"one.png": png(30, 20), "scan.jpg": b"II*\0\x08\0\0\0", "three.PNG": jpeg(), "two.jpg": jpeg(40, 30)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    for name, content in PHOTOS.items():
        (tmp_path / "photos" / name).write_bytes(content)
    (tmp_path / "paper.pdf").write_bytes(pdf())
    (tmp_path / "paper.txt").write_text("naïve")
    return tmp_path


def contents_of(storage: Path, task: str) -> list[list[dict[str, Any]]]:
    """Return the content of the user's message of each request of a task's job, in order."""
    return [
        json.loads(line)["params"]["messages"][0]["content"]
        for file in sorted(storage.glob(f"pictures/{task}/**/requests/*.jsonl"))
        for line in file.read_text().splitlines()
    ]


def image(media_type: str, content: bytes) -> dict[str, Any]:
    return {"type": "image", "source": base64_of(media_type, content)}


def base64_of(media_type: str, content: bytes) -> dict[str, str]:
    return {"type": "base64", "media_type": media_type, "data": base64.b64encode(content).decode()}


def test_images_and_documents_are_sent_from_tasks_of_every_form_and_a_bad_one_is_told(
    dags: DagRunner,
    message_batch_simulator: MessageBatchSimulator,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    control = message_batch_simulator.control
    control.add_outcome("errored", contains="two.jpg", error_type="overloaded_error", first_submissions=1)
    with caplog.at_level(logging.INFO):
        run = dags.run("pictures", {"folder": str(folder)})
    assert {name: state for name, state in run.tasks.items() if state != "success"} == {
        "strict": "failed", "printed": "failed"
    }  # fmt: skip
    billing = control.billing()
    assert (billing.rows_billed, billing.max_times_billed) == (3 + 2 + 2, 1)
    _check_one_task(folder)
    assert contents_of(folder / "storage", "decorated") == [
        [
            {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
            {"type": "document", "source": base64_of("application/pdf", pdf())},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "naïve"}},
            {"type": "text", "text": "Sum up both"},
        ],
        [{"type": "text", "text": "Sum up none"}],
    ]
    assert contents_of(folder / "storage", "mapped") == [
        [image("image/png", PHOTOS["one.png"]), {"type": "text", "text": "What is this?"}],
        [image("image/jpeg", PHOTOS["two.jpg"]), {"type": "text", "text": "What is this?"}],
    ]
    assert "The requests hold 3 images and 0 documents, with " in caplog.text
    assert run.xcom("one_task", "progress")["first_prompt"]["characters"] == len("What is on one.png?")
    assert "1 of 4 rows cannot be sent" in "".join(capfd.readouterr())


def _check_one_task(folder: Path) -> None:
    """Check the output, and that the row that failed was sent again with its image."""
    rows = rows_in(folder / "one_task")
    assert [(row["name"], row["size"], row["result_type"]) for row in rows] == [
        (name, len(content), "invalid_row" if name == "scan.jpg" else "succeeded") for name, content in PHOTOS.items()
    ]
    assert rows[1]["error_message"] == (
        f"Row 1 (the first is 0): column 'path' ({folder}/photos/scan.jpg) seems to be a TIFF image; the API takes "
        "images in JPEG, PNG, GIF and WebP. Convert it to PNG or JPEG."
    )
    again = [image("image/jpeg", PHOTOS["two.jpg"]), {"type": "text", "text": "What is on two.jpg?"}]
    assert contents_of(folder / "storage", "one_task") == [
        [image("image/png", PHOTOS["one.png"]), {"type": "text", "text": "What is on one.png?"}],
        [image("image/jpeg", PHOTOS["three.PNG"]), {"type": "text", "text": "What is on three.PNG?"}],
        again,
        again,
    ]


def test_a_second_run_finds_the_same_rows_and_a_changed_image_is_a_changed_row(
    dags: DagRunner,
    message_batch_simulator: MessageBatchSimulator,
    folder: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    conf = {"folder": str(folder)}
    dags.run("pictures", conf)
    assert dags.run("pictures", conf).tasks["one_task"] == "success"
    billing = message_batch_simulator.control.billing()
    assert (billing.rows_billed, billing.max_times_billed) == (3 + 2 + 2, 1)
    (folder / "photos" / "one.png").write_bytes(PHOTOS["one.png"].replace(PHOTOS["one.png"][-20:], b"\1" * 20))
    assert dags.run("pictures", conf).tasks["one_task"] == "failed"
    assert "was submitted, the rows changed" in "".join(capfd.readouterr())
