import math
from typing import Any

import pytest

from anthropic_batches_provider.simulator.service.outcomes import OutcomeRules, Row, parse_rule


def row(custom_id: str = "a", text: str = "hello", content: bytes = b"x", occurrence: int = 1, **params: Any) -> Any:
    params = {"messages": [{"role": "user", "content": text}], **params}
    return Row(custom_id, params, content, occurrence)


def rules(*values: Any, seed: int = 1) -> Any:
    made = OutcomeRules(seed)
    for value in values:
        made.add(parse_rule(value))
    return made


@pytest.mark.parametrize(
    ("rule", "matching", "other"),
    [
        ({"custom_id": "-7$"}, row("r-7"), row("r-71")),
        ({"contains": "ell"}, row(text="hello"), row(text="goodbye")),
        ({"text_matches": "^h.*o$"}, row(text="hello"), row(text="hello!")),
        ({"model": "a-1"}, row(model="a-1"), row(model="a-1-x")),
        ({"max_tokens_below": 8}, row(max_tokens=7), row(max_tokens=8)),
        ({"max_tokens_below": 8}, row(max_tokens=7), row()),
        ({"custom_id": "^a$", "contains": "x"}, row("a", "x"), row("a", "y")),
    ],
)
def test_a_rule_chooses_rows_by_all_its_conditions(rule: Any, matching: Any, other: Any) -> None:
    decided = rules({"result": "expired"} | rule)
    assert decided.decide(matching).result == "expired"
    assert decided.decide(other) is None


def test_the_first_rule_that_matches_decides() -> None:
    decided = rules({"result": "expired", "contains": "hello"}, {"result": "canceled"})
    assert decided.decide(row()).result == "expired"
    assert decided.decide(row(text="bye")).result == "canceled"


def test_a_share_is_met_roughly_and_is_the_same_for_the_same_seed() -> Any:
    def ends(seed: int) -> Any:
        decided = rules({"result": "errored", "share": 0.05}, seed=seed)
        return [decided.decide(row(content=str(n).encode())) is not None for n in range(2000)]

    assert ends(1) == ends(1) != ends(2)
    assert 60 <= sum(ends(1)) <= 140


def test_a_rule_can_be_for_the_first_submission_of_a_content_only() -> None:
    decided = rules({"result": "errored", "error_type": "overloaded_error", "first_submissions": 1})
    first, again = decided.decide(row("n-1")), decided.decide(row("m-1"))
    assert (first.error_type, first.message) == ("overloaded_error", "Overloaded")
    assert again is None
    assert decided.decide(row("n-2", content=b"y")) is not None


def test_other_params_are_a_first_submission_of_their_own_and_times_counts_both() -> None:
    by_content, by_rows = (
        rules({"result": "max_tokens", "first_submissions": 1}),
        rules({"result": "max_tokens", "times": 1}),
    )
    first, repaired = row(content=b"max_tokens 64"), row(content=b"max_tokens 4096")
    assert [by_content.decide(each) is not None for each in (first, repaired, first)] == [True, True, False]
    assert [by_rows.decide(each) is not None for each in (first, repaired, first)] == [True, False, False]


def test_a_rule_can_be_for_so_many_rows() -> None:
    decided = rules({"result": "refusal", "times": 2})
    assert [decided.decide(row(str(n))) is not None for n in range(4)] == [True, True, False, False]
    assert decided.described()[0]["applied"] == 2


def test_a_rule_gives_answers_of_a_median_length() -> None:
    decided = rules({"output_tokens": 300, "output_spread": 0.5}, seed=1)
    tokens = sorted(decided.decide(row(content=str(n).encode(), max_tokens=100_000)).output_tokens for n in range(2000))
    assert 285 <= tokens[1000] <= 315
    logarithms = [math.log(each / 300) for each in tokens]
    assert 0.47 <= math.sqrt(sum(each**2 for each in logarithms) / 2000) <= 0.53
    assert rules({"output_tokens": 300}).decide(row(max_tokens=301)).output_tokens == 300


def test_equal_rows_of_a_batch_have_answers_of_their_own_length_and_the_same_at_each_try() -> None:
    decided = rules({"output_tokens": 300, "output_spread": 0.5})
    first, second, again = (
        decided.decide(row(max_tokens=100_000, occurrence=occurrence)).output_tokens for occurrence in (1, 2, 1)
    )
    assert first == again != second


def test_an_answer_that_would_be_too_long_is_cut_off() -> None:
    decided = rules({"output_tokens": 300})
    assert decided.decide(row(max_tokens=300)).result == "max_tokens"
    assert decided.decide(row(max_tokens=301)).result == "succeeded"


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"result": "failed"}, "no such result: failed; use one of succeeded, errored"),
        ({"result": "errored", "error_type": "oops"}, "no such error_type: oops; use one of invalid_request_error"),
        ({"result": "invalid_output", "text": "{}"}, "invalid_output makes its own text"),
        ({"share": 2}, "between 0 and 1"),
        ({"output_spread": 1}, "output_spread needs output_tokens"),
        ({"output_tokens": 9, "result": "refusal"}, "output_tokens is for succeeded, not for refusal"),
        ({"output_tokens": 0}, "output_tokens is 0; it must be 1 or more"),
        ({"output_tokens": 9, "output_spread": 5.5}, "output_spread is 5.5; it must be between 0 and 5"),
        ({"output_tokens": 9, "output_spread": -1}, "output_spread is -1.0; it must be between 0 and 5"),
        ({"custom_id": "("}, "not a regular expression"),
        ({"regex": "x"}, "unknown field `regex`.*the fields of an outcome rule are result"),
    ],
)
def test_a_wrong_rule_is_refused_with_what_is_allowed(rule: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_rule(rule)
