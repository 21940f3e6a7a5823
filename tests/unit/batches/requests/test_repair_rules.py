from __future__ import annotations

from typing import Any

import pytest

from anthropic_batches_provider.batches.requests.repair_rules import check_repair
from anthropic_batches_provider.errors import ConfigurationError

KNOWN = {"model": "a", "max_tokens": 64, "top_k": 5}


@pytest.mark.parametrize(
    "repair",
    [
        {},
        {"truncated": {"max_tokens": 65}},
        {"truncated": {"thinking": {"type": "disabled"}}},
        {"truncated": {"max_tokens": 8, "model": "b"}},
        {"invalid_output": {}, "unfinished": {}},
        {"invalid_output": {"output_config": {"effort": "high"}}},
        {"refusal": {"model": "b"}},
    ],
)
def test_what_can_be_repaired(repair: dict[str, Any]) -> None:
    check_repair(repair, max_rounds=2, known=KNOWN)


@pytest.mark.parametrize(
    ("repair", "said"),
    [
        (["truncated"], "must be a dict of verdicts"),
        ({1: {}}, "must be a dict of verdicts"),
        ({"truncate": {}}, "Did you mean 'truncated'?"),
        ({"errored": {}}, "sent again without it"),
        ({"fits": {}}, "only these verdicts can be repaired"),
        ({"truncated": 4096}, "must be a dict of the Messages params"),
        ({"truncated": {1: 2}}, "must be a dict of the Messages params"),
        ({"truncated": {}}, "changes nothing: the same request would be cut"),
        ({"refusal": {}}, "changes nothing: the same request would be refused"),
        ({"truncated": {"max_tokens": 64}}, "each row has 64 already"),
        ({"truncated": {"model": "a"}}, "changes nothing, because each row has model as it says"),
        ({"refusal": {"model": "a", "top_k": 5}}, "changes nothing, because each row has model, top_k as it says"),
        ({"invalid_output": {"system": 5}}, "`system` has type int"),
        ({"truncated": {"max_tokens": "64"}}, "`max_tokens` is '64'"),
        ({"truncated": {"max_tokens": 0}}, "a whole number of 1 or more"),
        ({"invalid_output": {"messages": []}}, "each row keeps its own"),
        ({"invalid_output": {"stream": True}}, "cannot stream"),
        ({"invalid_output": {"betas": ["x"]}}, "it is a header"),
        ({"invalid_output": {"model": ""}}, "the id of a model"),
        ({"invalid_output": {"output_config": {"format": {}}}}, "every row of a job asks for the same form"),
        ({"invalid_output": {"output_config": 1}}, "it must be a dict"),
    ],
)
def test_what_cannot_be_repaired_is_refused_with_the_reason(repair: Any, said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        check_repair(repair, max_rounds=2, known=KNOWN)
    assert said in str(raised.value)


def test_what_a_builder_may_change_is_not_known() -> None:
    check_repair({"truncated": {"max_tokens": 64}, "refusal": {"model": "a"}}, max_rounds=2, known={})


def test_a_repair_needs_a_second_round() -> None:
    with pytest.raises(ConfigurationError, match=r"max_rounds is 1\. Set max_rounds=2 or more"):
        check_repair({"invalid_output": {}}, max_rounds=1, known=KNOWN)
