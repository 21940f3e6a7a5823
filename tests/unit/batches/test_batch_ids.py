"""The ids that are accepted, and the message about each other kind of value."""

from __future__ import annotations

from typing import Any

import pytest

from anthropic_batches_provider.batches.batch_ids import check_batch_id, is_batch_id
from anthropic_batches_provider.errors import ConfigurationError


@pytest.mark.parametrize(
    "batch_id", ["msgbatch_01HkcTjaV5uDC8jWR4ZsDV8d", "a", "7", "batch-1.eu_2", "none_1", "a..b", "x" * 128]
)
def test_an_id_of_the_api_or_a_gateway_is_returned_as_it_is(batch_id: str) -> None:
    assert is_batch_id(batch_id)
    assert check_batch_id(batch_id, "batch_ids=") == batch_id


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        *((word, "a template prints None") for word in ("None", "null", "nan", "NaT", "NULL", "undefined", "False")),
        *((value, "it is of type") for value in (None, 7, 1.5, True, float("nan"), b"msgbatch_1", ["msgbatch_1"])),
        *((text, "it is empty") for text in ("", " ", "\n")),
        *(
            (text, "a URL or a path")
            for text in (
                "https://api.anthropic.com/v1/messages/batches/msgbatch_1",
                "msgbatch_1/results",
                "../models",
                "..%2Fmodels",
                "msgbatch_1?limit=1",
                "msgbatch_1#x",
                "a\\b",
            )
        ),
        *((text, "1 to 128 letters") for text in (".", "..", ".a", "a b", "a\n", "é", "x" * 129, "a:b", "{'job':")),
    ],
)
def test_another_value_is_named_with_its_fault(value: Any, fault: str) -> None:
    assert not is_batch_id(value)
    with pytest.raises(ConfigurationError, match=f"^batch_ids= holds .*{fault}") as caught:
        check_batch_id(value, "batch_ids=")
    assert repr(value)[:200] in str(caught.value)
