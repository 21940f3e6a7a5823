"""Paths and URIs are taken as text or as path objects; what cannot be meant is refused, and data is not shown."""

from __future__ import annotations

import copy
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from anthropic_batches_provider.edge import uris
from anthropic_batches_provider.edge.uris import as_uri, local_path, shown_uri, split_scheme
from anthropic_batches_provider.errors import ConfigurationError
from anthropic_batches_provider.operators import MessageBatchOperator, MessageBatchResultsOperator


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("s3://c@bucket/a", "s3://c@bucket/a"),
        ("{{ params.folder }}", "{{ params.folder }}"),
        (None, None),
        (Path("/data/out"), "/data/out"),
        (PurePosixPath("/data/out"), "/data/out"),
        (ObjectStoragePath("s3://conn@bucket/a"), "s3://conn@bucket/a"),
        (ObjectStoragePath("s3://bucket/a", conn_id="conn") / "b", "s3://conn@bucket/a/b"),
        (ObjectStoragePath("file:///data/a b"), "file:///data/a b"),
    ],
)
def test_a_path_becomes_its_text(given: Any, text: str | None) -> None:
    assert as_uri(given, "destination") == text


@pytest.mark.parametrize("given", [5, b"/data", ["/data"], {"uri": "/data"}])
def test_another_type_is_refused(given: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"destination= has type \w+\. Give a URI or an absolute path"):
        as_uri(given, "destination")


def test_a_relative_path_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"storage= is the relative path 'jobs'"):
        as_uri(Path("jobs"), "storage")


def test_a_path_that_may_have_lost_its_connection_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = ObjectStoragePath("s3://bucket/a")
    monkeypatch.setattr(uris, "_copies_lose_the_connection", lambda: False)
    assert as_uri(bare, "rows") == "s3://bucket/a"
    monkeypatch.setattr(uris, "_copies_lose_the_connection", lambda: True)
    with pytest.raises(ConfigurationError, match=r"Give the URI as text: rows='s3://conn_id@bucket/a'"):
        as_uri(bare, "rows")


def test_a_copied_path_keeps_its_connection_or_is_refused() -> None:
    copied = copy.deepcopy(ObjectStoragePath("s3://conn@bucket/a"))
    if str(copied) == "s3://conn@bucket/a":
        assert as_uri(copied, "rows") == "s3://conn@bucket/a"
    else:
        with pytest.raises(ConfigurationError, match="loses a path's connection"):
            as_uri(copied, "rows")


def test_operators_take_paths_and_refuse_others_when_the_dag_is_parsed(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"model": "m", "prompt": "p", "max_tokens": 1}
    job = "/jobs/dag/task/unit/-/job-0001"
    operator = MessageBatchOperator(
        task_id="t", rows=tmp_path / "rows.jsonl", destination=tmp_path / "out", storage=tmp_path / "jobs", **asked
    )
    assert operator.rows.source == str(tmp_path / "rows.jsonl")
    assert (operator.destination, operator.storage) == (str(tmp_path / "out"), str(tmp_path / "jobs"))
    assert MessageBatchResultsOperator(task_id="r", job=job, destination=tmp_path).destination == str(tmp_path)
    with pytest.raises(ConfigurationError, match=r"destination= has type int"):
        MessageBatchResultsOperator(task_id="s", job=job, destination=5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("s3://a/b", ("s3", "a/b")),
        ("file:///a", ("file", "/a")),
        ("/a/b", ("", "/a/b")),
        ("/a/x://b", ("", "/a/x://b")),
        ("[{'u': 'https://b'}]", ("", "[{'u': 'https://b'}]")),
    ],
)
def test_only_a_scheme_is_one(uri: str, parts: tuple[str, str]) -> None:
    assert split_scheme(uri) == parts


def test_a_local_path_is_absolute() -> None:
    assert local_path("/a/b") == local_path("file:///a/b") == Path("/a/b")
    assert local_path("s3://a/b") is None
    for text in ("a/b", "", "file://a", "/a\0b"):
        with pytest.raises(ConfigurationError, match="is not an absolute path"):
            local_path(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rows.jsonl", "'rows.jsonl'"),
        ("None", "'None'"),
        ("[1,2]", "A text of 5 characters"),
        ("two words", "A text of 9 characters"),
        ("x" * 201, "A text of 201 characters"),
        ("", "A text of 0 characters"),
    ],
)
def test_data_is_not_shown(text: str, shown: str) -> None:
    assert shown_uri(text) == shown
