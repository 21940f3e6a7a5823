"""The page of an output: of the store's own console where the store is what it seems, else the task's XComs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from anthropic_batches_provider.edge import object_storage
from anthropic_batches_provider.edge.output_pages import output_page, xcom_page
from anthropic_batches_provider.errors import ConfigurationError

XCOM_PAGE = "dags/d/runs/r/tasks/t/xcom"
ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "STORAGE_EMULATOR_HOST")


def task(map_index: int | None = -1, run_id: str = "r") -> Any:
    return SimpleNamespace(dag_id="d", run_id=run_id, task_id="t", map_index=map_index)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Return the file system that every URI opens, at first one of the cloud itself."""
    for name in ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    fs = SimpleNamespace(endpoint_url=None, _endpoint=None)
    monkeypatch.setattr(object_storage, "object_path", lambda uri: SimpleNamespace(fs=fs))
    return fs


@pytest.mark.parametrize(
    ("destination", "page"),
    [
        (
            "s3://aws_default@bucket/out/a day/",
            "https://console.aws.amazon.com/s3/buckets/bucket?prefix=out/a%20day/",
        ),
        ("s3a://bucket/out&x=1", "https://console.aws.amazon.com/s3/buckets/bucket?prefix=out%26x%3D1/"),
        ("s3://bucket", "https://console.aws.amazon.com/s3/buckets/bucket?prefix="),
        ("gs://google@bucket/out/2026", "https://console.cloud.google.com/storage/browser/bucket/out/2026/"),
        ("gcs://bucket/out", "https://console.cloud.google.com/storage/browser/bucket/out/"),
        ("abfs://container/out", XCOM_PAGE),
        ("file:///data/out", XCOM_PAGE),
        ("/data/out", XCOM_PAGE),
        ("xcom", XCOM_PAGE),
    ],
)
def test_a_destination_has_a_page(destination: str, page: str, store: SimpleNamespace) -> None:
    assert output_page(destination, task()) == page


def test_a_mapped_task_has_its_own_folder_and_its_own_xcoms(store: SimpleNamespace) -> None:
    page = output_page("s3://bucket/out/", task(map_index=7))
    assert page == "https://console.aws.amazon.com/s3/buckets/bucket?prefix=out/map_index%3D7/"
    assert xcom_page(task(map_index=0)) == "dags/d/runs/r/tasks/t/mapped/0/xcom"
    assert xcom_page(task(map_index=None)) == XCOM_PAGE


def test_a_run_id_is_quoted() -> None:
    page = xcom_page(task(run_id="manual__2026-03-14T00:00:00+00:00/a"))
    assert page == "dags/d/runs/manual__2026-03-14T00%3A00%3A00%2B00%3A00%2Fa/tasks/t/xcom"


@pytest.mark.parametrize("attribute", ["endpoint_url", "_endpoint"])
@pytest.mark.parametrize("destination", ["s3://bucket/out", "gs://bucket/out"])
def test_a_store_that_only_speaks_the_language_has_no_page_there(
    destination: str, attribute: str, store: SimpleNamespace
) -> None:
    setattr(store, attribute, "http://127.0.0.1:9000")
    assert output_page(destination, task()) == XCOM_PAGE


@pytest.mark.parametrize("name", ENDPOINTS)
def test_so_does_one_that_the_environment_names(
    name: str, store: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:9000")
    assert output_page("s3://bucket/out", task()) == XCOM_PAGE


def test_a_store_that_cannot_be_opened_fails_no_task(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(uri: str) -> None:
        raise ConfigurationError("no provider")

    monkeypatch.setattr(object_storage, "object_path", refuse)
    assert output_page("s3://bucket/out", task()) == XCOM_PAGE
