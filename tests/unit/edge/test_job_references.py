"""The values that ``job=`` and ``batch_ids=`` accept, and what they name."""

from __future__ import annotations

from typing import Any

import pytest

from anthropic_batches_provider.edge.job_references import batch_ids_in, find_job, known_batch_ids
from anthropic_batches_provider.errors import ConfigurationError


@pytest.mark.parametrize("job", [None, "", 7, "file:///too/short", {"no": "job"}, {"job": None}, ["a"]])
def test_what_names_no_job_is_refused(job: Any) -> None:
    with pytest.raises(ConfigurationError, match="names no job"):
        find_job(job)


def test_a_reference_leads_to_its_folder() -> None:
    job = find_job({"job": "file:///data/store/dag/task/unit/-/job-0001"})
    assert (job.storage.uri, job.path) == ("file:///data/store", "dag/task/unit/-/job-0001")


def test_batches_are_named_by_a_reference_several_or_plain_ids() -> None:
    reference = {"job": "file:///x", "batch_ids": ["a", "b"]}
    assert known_batch_ids(reference, None) == ["a", "b"]
    assert known_batch_ids([reference, {"job": "file:///y", "batch_ids": ["c"]}], None) == ["a", "b", "c"]
    assert known_batch_ids(None, ["a", "b", "a"]) == ["a", "b"]
    assert known_batch_ids(None, "a") == ["a"]


@pytest.mark.parametrize(
    ("job", "batch_ids"), [(None, None), ({"job": "x"}, ["a"]), (None, []), (None, [7]), (None, [""])]
)
def test_nothing_or_too_much_to_wait_for_is_refused(job: Any, batch_ids: Any) -> None:
    with pytest.raises(ConfigurationError):
        known_batch_ids(job, batch_ids)


@pytest.mark.parametrize(
    "rendered",
    [
        ["a", "b"],
        ("a", "b"),
        "['a', 'b']",
        '["a", "b"]',
        "('a', 'b')",
        " a b ",
        "a,b",
        "a, b, a",
        "a\nb\n",
    ],
)
def test_whatever_a_template_makes_of_ids_is_read(rendered: Any) -> None:
    assert batch_ids_in(rendered) == ["a", "b"]


def test_one_id_is_a_list_of_one() -> None:
    assert batch_ids_in("msgbatch_1") == ["msgbatch_1"]


@pytest.mark.parametrize(
    "rendered", ["", " ", "[]", "['a'", "[a, b]", [], None, 7, {"job": "file:///x"}, '["a", null]']
)
def test_what_names_no_ids_is_refused(rendered: Any) -> None:
    with pytest.raises(ConfigurationError, match="must be ids of message batches"):
        batch_ids_in(rendered)


@pytest.mark.parametrize(
    ("rendered", "entry"),
    [
        ("None", "'None'"),
        ("a,null", "'null'"),
        ("['a', None]", "None"),
        ("[1]", "1"),
        (["a", ""], "''"),
        (["a", 7], "7"),
        (["a", float("nan")], "nan"),
        ("https://api.anthropic.com/v1/messages/batches/a/results", "'https://api.anthropic.com/v1/messages/batches/a/results'"),
        ("../../models", "'../../models'"),
        (["a", "b?limit=1"], r"'b\?limit=1'"),
        ("{'job': 'file:///x', 'batch_ids': ['a']}", '"{\'job\':"'),
    ],
)  # fmt: skip
def test_an_entry_that_can_be_no_id_is_named_wherever_ids_come_from(rendered: Any, entry: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^batch_ids= holds {entry}, which is not the id of a message batch"):
        batch_ids_in(rendered)
    with pytest.raises(ConfigurationError, match=f"^the batch_ids of job= holds {entry}, which is not"):
        known_batch_ids({"job": "file:///x", "batch_ids": rendered}, None)
