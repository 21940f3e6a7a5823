from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from anthropic_batches_provider.batches.repairs import Repair

PARAMS = b'{"model":"a","max_tokens":64,"messages":[{"role":"user","content":"12.10"}],"top_p":0.90}'


def after(changes: dict[str, dict[str, Any]], *verdicts: str, params: bytes = PARAMS) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Repair(changes).params_after(params, verdicts))
    return found


def test_what_no_repair_names_keeps_its_bytes() -> None:
    assert Repair({"truncated": {"max_tokens": 99}}).params_after(PARAMS, ["truncated"]) == PARAMS.replace(b"64", b"99")
    assert Repair({}).params_after(PARAMS, ["truncated", "refusal"]) == PARAMS


@pytest.mark.parametrize(("own", "asked", "sent"), [(64, 512, 512), (512, 64, 512), (64, 64, 64)])
def test_a_cut_answer_never_gets_less_room(own: int, asked: int, sent: int) -> None:
    params = PARAMS.replace(b"64", b"%d" % own)
    assert after({"truncated": {"max_tokens": asked}}, "truncated", params=params)["max_tokens"] == sent


def test_changes_add_up_in_the_order_of_the_verdicts() -> None:
    changes: dict[str, dict[str, Any]] = {
        "truncated": {"max_tokens": 512}, "refusal": {"model": "b"}, "invalid_output": {"model": "c"}
    }  # fmt: skip
    assert (after(changes, "truncated", "refusal")["max_tokens"], after(changes, "truncated", "refusal")["model"]) == (
        512,
        "b",
    )
    assert after(changes, "refusal", "invalid_output")["model"] == "c"
    assert after(changes, "invalid_output", "refusal")["model"] == "b"
    assert after({"invalid_output": {"max_tokens": 8}}, "invalid_output")["max_tokens"] == 8


def test_output_config_keeps_its_other_keys() -> None:
    params = msgspec.json.encode({**json.loads(PARAMS), "output_config": {"format": {"type": "x"}, "effort": "low"}})
    found = after({"invalid_output": {"output_config": {"effort": "high"}}}, "invalid_output", params=params)
    assert found["output_config"] == {"format": {"type": "x"}, "effort": "high"}
    assert after({"refusal": {"output_config": {"effort": "high"}}}, "refusal")["output_config"] == {"effort": "high"}


def test_turns_follow_the_rows_own_messages() -> None:
    turn = msgspec.Raw(b'{"role":"assistant","content":[{"type":"text","text":"1.50"}]}')
    assert Repair({}).params_after(PARAMS, [], [turn]) == PARAMS.replace(b'12.10"}]', b'12.10"},' + bytes(turn) + b"]")


def test_the_container_of_a_paused_answer_is_named() -> None:
    assert json.loads(Repair({}).params_after(PARAMS, [], [], "c_1"))["container"] == "c_1"
    own = PARAMS[:-1] + b',"container":{"skills":[1]}}'
    assert json.loads(Repair({}).params_after(own, [], [], "c_1"))["container"] == {"skills": [1], "id": "c_1"}


def test_a_later_repair_keeps_what_it_does_not_name() -> None:
    later = Repair({"refusal": {"model": "c"}}).after(
        Repair({"refusal": {"model": "b"}, "truncated": {"max_tokens": 9}})
    )
    assert later == Repair({"refusal": {"model": "c"}, "truncated": {"max_tokens": 9}})
