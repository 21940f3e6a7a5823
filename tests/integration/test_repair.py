"""Answers that were paid for and cannot be used are asked for again only if ``repair=`` says so; what each row cost."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, BaseModel, BeforeValidator

from anthropic_batches_provider.batches.collection.row_history import CORRECTION
from anthropic_batches_provider.batches.judging import judge
from anthropic_batches_provider.batches.output.manifest import Manifest, RepairCounts
from anthropic_batches_provider.batches.requests import OutputSchema, json_schema_of
from anthropic_batches_provider.batches.requests.repair_rules import REPAIRABLE
from anthropic_batches_provider.errors import ConfigurationError, JobStoppedError
from tests.worlds.one_task_job import KilledError, OneTask, before_each, dies_at
from tests.worlds.simulated_world import World

MODEL, OTHER_MODEL = "claude-haiku-4-5", "claude-sonnet-4-6"
FEW, MORE, MOST = 64, 512, 1024
SCHEMA = OutputSchema(
    {
        "type": "object",
        "properties": {"label": {"type": "string"}, "score": {"type": "integer"}},
        "required": ["label", "score"],
        "additionalProperties": False,
    }
)
REPAIR: dict[str, dict[str, Any]] = {
    "truncated": {"max_tokens": MORE},
    "invalid_output": {},
    "refusal": {"model": OTHER_MODEL},
    "unfinished": {},
}
Rule = dict[str, Any]


def rule(result: str, **conditions: Any) -> Rule:
    return {"result": result, **conditions}


def once(*results: str | Rule) -> tuple[Rule, ...]:
    """Return rules that strike one after the other, each once."""
    rules = (rule(result) if isinstance(result, str) else result for result in results)
    return tuple({**each, "times": 1} for each in rules)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of row, and what becomes of it with :data:`REPAIR` within four rounds.

    :param rules: of the simulator, for rows of this kind.
    :param brings: the results of its rounds: the verdict of an answer, or what came in place of one.
    :param max_tokens: as the row is first sent.
    """

    rules: tuple[Rule, ...]
    brings: tuple[str, ...]
    max_tokens: int = FEW


def paid(brings: Sequence[str]) -> int:
    """Return how often a row with these results is paid for in all; missing and unreadable ones are."""
    return sum(not result.endswith("_error") and result != "expired" for result in brings)


SHORT = rule("max_tokens", max_tokens_below=MORE)
REFUSES = rule("refusal", model=MODEL)
OVERLOADED = rule("errored", error_type="overloaded_error")
BAD = rule("errored", error_type="invalid_request_error")
# Its line names another request, so that the row's own has none.
MISSING = rule("unreadable", line='{"custom_id":"strange-0-0","result":{"type":"canceled"}}')

KINDS = {
    "fits": Kind(rules=(), brings=("fits",)),
    "in a fence": Kind(rules=(rule("fenced"),), brings=("fits",)),
    "behind a preface": Kind(rules=(rule("preface"),), brings=("fits",)),
    "cut": Kind(rules=(SHORT,), brings=("truncated", "fits")),
    "cut whatever its room": Kind(rules=(rule("max_tokens"),), brings=("truncated", "truncated")),
    "cut with more room than a repair gives": Kind(rules=(rule("max_tokens"),), brings=("truncated",), max_tokens=MOST),
    "invalid once": Kind(rules=once("invalid_output"), brings=("invalid_output", "fits")),
    "invalid in the same way": Kind(rules=(rule("invalid_output"),), brings=("invalid_output",) * 3),
    "invalid in other ways": Kind(
        rules=once(*(rule("succeeded", text=text) for text in ("a", "b", "c", "d"))), brings=("invalid_output",) * 4
    ),
    "no JSON": Kind(rules=once(rule("succeeded", text="I think it is fine.")), brings=("invalid_output", "fits")),
    "refused by the model": Kind(rules=(REFUSES,), brings=("refusal", "fits")),
    "refused by all models": Kind(rules=(rule("refusal"),), brings=("refusal", "refusal")),
    "paused once": Kind(rules=once("pause_turn"), brings=("unfinished", "fits")),
    "paused twice": Kind(rules=once("pause_turn", "pause_turn"), brings=("unfinished", "unfinished", "fits")),
    "paused, then overloaded": Kind(
        rules=once("pause_turn", OVERLOADED), brings=("unfinished", "overloaded_error", "fits")
    ),
    "context full": Kind(rules=(rule("context_window"),), brings=("unfinished",)),
    "overloaded, then cut": Kind(
        rules=(*once(OVERLOADED), SHORT),
        brings=("overloaded_error", "truncated", "fits"),
    ),
    "cut, then overloaded": Kind(
        rules=once("max_tokens", OVERLOADED), brings=("truncated", "overloaded_error", "fits")
    ),
    "cut, then a bad request": Kind(rules=once("max_tokens", BAD), brings=("truncated", "invalid_request_error")),
    "cut, then missing": Kind(rules=once("max_tokens", MISSING), brings=("truncated", "missing")),
    "cut, then unreadable": Kind(rules=once("max_tokens", "unreadable"), brings=("truncated", "unreadable")),
    "cut, then invalid": Kind(
        rules=(*once(SHORT, "invalid_output"), SHORT), brings=("truncated", "invalid_output", "fits")
    ),
    "invalid, then cut": Kind(rules=(*once("invalid_output"), SHORT), brings=("invalid_output", "truncated", "fits")),
    "refused, then invalid": Kind(
        rules=(REFUSES, *once("invalid_output")), brings=("refusal", "invalid_output", "fits")
    ),
    "invalid, then paused": Kind(
        rules=once("invalid_output", "pause_turn"), brings=("invalid_output", "unfinished", "fits")
    ),
    "invalid, then cut with more room than a repair gives": Kind(
        rules=once("invalid_output", "max_tokens"), brings=("invalid_output", "truncated"), max_tokens=MOST
    ),
    "invalid, then context full": Kind(
        rules=once("invalid_output", "context_window"), brings=("invalid_output", "unfinished")
    ),
    "invalid in two ways by turns": Kind(
        rules=once(*(rule("succeeded", text=text) for text in "abab")), brings=("invalid_output",) * 3
    ),
    "cut, then refused": Kind(rules=(SHORT, REFUSES), brings=("truncated", "refusal", "fits")),
    "cut, then refused by all models": Kind(rules=(SHORT, rule("refusal")), brings=("truncated", "refusal", "refusal")),
    "paused, then refused": Kind(rules=(*once("pause_turn"), REFUSES), brings=("unfinished", "refusal", "fits")),
    "a bad request": Kind(rules=(BAD,), brings=("invalid_request_error",)),
    "expired": Kind(rules=once("expired"), brings=("expired", "fits")),
    "missing": Kind(rules=(MISSING,), brings=("missing",)),
}
NAMES = tuple(KINDS)


def params_of(number: int) -> dict[str, Any]:
    return {
        "model": MODEL,
        "max_tokens": KINDS[NAMES[number]].max_tokens,
        "messages": [{"role": "user", "content": f"Kind {number}: {NAMES[number]}"}],
        "output_config": SCHEMA.added_to(None),
    }


@pytest.fixture
def asking(world: World, task: OneTask) -> OneTask:
    """Return a task with one row of each kind."""
    for number, kind in enumerate(KINDS.values()):
        for each in kind.rules:
            options = {"text_matches": f"Kind {number}:", **each}
            world.control.add_outcome(options.pop("result"), **options)
    task.arguments = replace(
        task.arguments, rows=len(KINDS), params_of=params_of, output_schema=SCHEMA, max_rounds=4, keep_requests=True
    )
    return task


def brought(row: Mapping[str, Any]) -> str:
    return str(row["verdict"] or row["error_type"] or row["result_type"])


def results_of(row: dict[str, Any]) -> list[str]:
    """Return what a row of the output tells of its rounds: the result that counts first, then the others in order."""
    others = [other["verdict"] or other["result_type"] for other in row["earlier_rounds"] or ()]
    return [brought(row), *others]


def as_told(brings: Sequence[str]) -> list[str]:
    """Return what a row of the output should tell of its rounds."""
    others = list(brings)
    answers = [n for n, result in enumerate(brings) if result == "fits" or result in REPAIRABLE]
    no_refusals = [n for n in answers if brings[n] != "refusal"]
    counting = others.pop((no_refusals or answers or [-1])[-1])
    return [counting, *("errored" if other.endswith("_error") else other for other in others)]


def sent(task: OneTask) -> dict[str, list[dict[str, Any]]]:
    """Return the params that were sent for each kind of row, in order of the rounds."""
    found = defaultdict(list)
    for seal in task.job().rounds():
        for shard in seal.shards:
            for line in task.job().lines_of(shard.requests_file):
                request = json.loads(line)
                found[NAMES[int(request["custom_id"].rpartition("-")[2])]].append(request["params"])
    return found


def repairs_in(brings: Sequence[str]) -> list[str]:
    """Return the verdict that each request of a row was to repair."""
    repairs, last = [], None
    for result in brings:
        if last is not None:
            repairs.append(last)
        last = result if result in REPAIRABLE else last
    return repairs


def check_told(world: World, task: OneTask, manifest: Manifest, results: Mapping[str, Sequence[str]]) -> None:
    """Check that the output, the manifest and the ledger tell what each row brought, and what it was paid."""
    rows = task.output()
    assert [row["key"] for row in rows] == list(range(len(KINDS)))
    told = {name: results_of(row) for name, row in zip(NAMES, rows, strict=True)}
    assert told == {name: as_told(results[name]) for name in NAMES}
    billing = world.control.billing()
    assert billing.rows_billed == sum(paid(brings) for brings in results.values())
    assert billing.max_times_billed == 1, "the same request was paid twice"
    reported = sum(usage["requests"] for usage in manifest.usage.values())
    assert reported == billing.rows_billed - sum("missing" in brings for brings in results.values())
    asked = Counter(verdict for brings in results.values() for verdict in repairs_in(brings))
    assert {verdict: counts.requests for verdict, counts in manifest.repairs.items()} == asked
    assert sum((Counter(seal.repaired) for seal in task.job().rounds()), Counter()) == asked
    fits = Counter(
        repairs[-1] for brings in results.values() if (repairs := repairs_in(brings)) and brings[-1] == "fits"
    )
    assert {verdict: counts.fits for verdict, counts in manifest.repairs.items() if counts.fits} == fits
    usages = [usage for row in rows for usage in (row["usage"], *(o["usage"] for o in row["earlier_rounds"] or ()))]
    output_tokens = sum(usage["output_tokens"] for usage in usages if usage is not None)
    assert output_tokens == sum(usage["output_tokens"] for usage in manifest.usage.values())


def test_each_kind_of_row_is_repaired_and_costs_what_is_told(world: World, asking: OneTask) -> None:
    manifest = asking.finish(repair=REPAIR)
    check_told(world, asking, manifest, {name: kind.brings for name, kind in KINDS.items()})
    assert manifest.verdicts["fits"] == sum(kind.brings[-1] == "fits" for kind in KINDS.values())


@pytest.mark.parametrize("repair", [{}, *({verdict: changes} for verdict, changes in REPAIR.items())], ids=list)
def test_nothing_is_repaired_that_was_not_asked_for(
    world: World, asking: OneTask, repair: dict[str, dict[str, Any]]
) -> None:
    manifest = asking.finish(repair=repair)
    results: dict[str, tuple[str, ...]] = {}
    for name, kind in KINDS.items():
        ends = [n for n, result in enumerate(kind.brings) if result in REPAIRABLE and result not in repair]
        results[name] = kind.brings[: ends[0] + 1] if ends else kind.brings
    check_told(world, asking, manifest, results)


class TestWhatIsSent:
    """The requests of repairs, as the service got them."""

    @pytest.fixture
    def requests(self, asking: OneTask) -> dict[str, list[dict[str, Any]]]:
        asking.finish(repair=REPAIR)
        found = sent(asking)
        assert {name: len(requests) for name, requests in found.items()} == {
            name: len(kind.brings) for name, kind in KINDS.items()
        }
        return found

    def test_what_a_repair_does_not_name_stays_as_it_was(self, requests: dict[str, list[dict[str, Any]]]) -> None:
        for name, (first, *further) in requests.items():
            assert first == params_of(NAMES.index(name))
            for request in further:
                changed = {key for key in request if request[key] != first[key]}
                assert changed <= {"max_tokens", "model", "messages"}
                assert request["messages"][0] == first["messages"][0]

    def test_a_cut_answer_gets_more_room_and_keeps_it(self, requests: dict[str, list[dict[str, Any]]]) -> None:
        for name in ("cut", "cut, then invalid"):
            assert [request["max_tokens"] for request in requests[name]][1:] == [MORE] * (len(requests[name]) - 1)
        assert [request["max_tokens"] for request in requests["invalid, then cut"]] == [FEW, FEW, MORE]

    def test_another_model_stays_the_one_that_is_asked(self, requests: dict[str, list[dict[str, Any]]]) -> None:
        models = [request["model"] for request in requests["refused, then invalid"]]
        assert models == [MODEL, OTHER_MODEL, OTHER_MODEL]

    def test_an_invalid_answer_is_shown_with_the_reason(self, requests: dict[str, list[dict[str, Any]]]) -> None:
        first, second = requests["no JSON"]
        assert second["messages"] == [
            *first["messages"],
            {"role": "assistant", "content": "I think it is fine."},
            {"role": "user", "content": CORRECTION.format(reason="the answer holds no JSON")},
        ]
        for request, shown in zip(requests["invalid in other ways"][1:], "abc", strict=True):
            assert request["messages"][1]["content"] == shown
            assert [message["role"] for message in request["messages"]] == ["user", "assistant", "user"]

    def test_a_request_after_a_cut_begins_anew(self, requests: dict[str, list[dict[str, Any]]]) -> None:
        first, second, third = requests["invalid, then cut"]
        assert (len(second["messages"]), third["messages"]) == (3, first["messages"])

    def test_a_paused_answer_is_continued_with_all_it_had(self, requests: dict[str, list[dict[str, Any]]]) -> None:
        first, second, third = requests["paused twice"]
        assert second["messages"][:-1] == third["messages"][:-1] == first["messages"]
        assert [request["messages"][-1]["role"] for request in (second, third)] == ["assistant"] * 2
        begun = second["messages"][-1]["content"]
        assert third["messages"][-1]["content"][: len(begun)] == begun
        assert len(third["messages"][-1]["content"]) == len(begun) + 1
        assert requests["paused, then overloaded"][1] == requests["paused, then overloaded"][2]

    def test_what_was_shown_stays_before_an_answer_that_paused(self, requests: dict[str, list[dict[str, Any]]]) -> None:
        _, second, third = requests["invalid, then paused"]
        assert third["messages"][:-1] == second["messages"]
        assert third["messages"][-1]["role"] == "assistant"


def test_a_continued_answer_is_whole_in_the_output(asking: OneTask) -> None:
    asking.finish(repair=REPAIR, include_message=True)
    rows = dict(zip(NAMES, asking.output(), strict=True))
    for name in ("paused once", "paused twice", "invalid, then paused"):
        row = rows[name]
        assert json.loads(row["text"]) == row["parsed"]
        assert row["text"] != "".join(block["text"] for block in row["message"]["content"])


def test_a_repair_may_be_asked_for_when_the_output_is_seen(world: World, asking: OneTask) -> None:
    asking.finish(keep_requests=False)
    once_only = world.control.billing().rows_billed
    manifest = asking.finish(repair={"refusal": {"model": OTHER_MODEL}})
    assert manifest.repairs == {"refusal": RepairCounts(requests=3, fits=1)}
    assert world.control.billing().rows_billed == once_only + 3
    assert asking.finish().repairs == manifest.repairs, "a finished job is not repaired again by itself"
    assert world.control.billing().rows_billed == once_only + 3


def test_a_repair_that_changes_more_goes_again_and_the_same_does_not(world: World, asking: OneTask) -> None:
    asking.finish(repair={"truncated": {"max_tokens": MORE}})
    billed = world.control.billing().rows_billed
    asking.finish(repair={"truncated": {"max_tokens": MORE}})
    assert world.control.billing().rows_billed == billed
    manifest = asking.finish(repair={"truncated": {"max_tokens": 2 * MOST}})
    rows = dict(zip(NAMES, asking.output(), strict=True))
    assert len(results_of(rows["cut whatever its room"])) == 3
    assert len(results_of(rows["cut with more room than a repair gives"])) == 2
    assert manifest.repairs["truncated"].requests > 0


def one_row(world: World, task: OneTask, *rules: Rule, **changes: Any) -> OneTask:
    """Return a task with one row, whose answers end by these rules."""
    for each in rules:
        world.control.add_outcome(**each)
    task.arguments = replace(
        task.arguments, rows=1, params_of=lambda _: params_of(0), output_schema=SCHEMA, max_rounds=6, **changes
    )
    return task


@pytest.mark.parametrize(
    ("first", "repair", "changed"),
    [
        ("max_tokens", {"truncated": {"max_tokens": MORE}}, {"truncated": {"max_tokens": FEW}}),
        ("refusal", {"refusal": {"model": OTHER_MODEL}}, {"refusal": {"model": MODEL}}),
    ],
)
def test_a_request_that_was_answered_is_not_sent_again_after_one_that_was_not(
    world: World, task: OneTask, first: str, repair: dict[str, Any], changed: dict[str, Any]
) -> None:
    one_row(world, task, *once(first, "expired")).finish(repair=repair, max_rounds=2)
    task.finish(repair=changed, max_rounds=6)
    assert [len(task.job().rounds()), world.control.billing().max_times_billed] == [2, 1]
    assert task.finish(repair=repair).verdicts == {"fits": 1}, "the repair that expired was not paid for"


def test_a_repair_that_names_less_undoes_nothing(world: World, task: OneTask) -> None:
    one_row(world, task, SHORT, *once("invalid_output")).finish(repair={"truncated": {"max_tokens": MORE}})
    manifest = task.finish(repair={"invalid_output": {}}, keep_requests=True)
    assert manifest.verdicts == {"fits": 1}
    assert [seal.repair for seal in task.job().rounds()[1:]] == [
        {"truncated": {"max_tokens": MORE}},
        {"invalid_output": {}},
    ]


def test_changes_that_are_too_large_keep_no_other_row_from_being_repaired(
    world: World, task: OneTask, caplog: pytest.LogCaptureFixture
) -> None:
    for number, text in enumerate(("short", "long " * 60)):
        world.control.add_outcome("invalid_output", contains=f"{number} {text}"[:20], times=1)

    def params(number: int) -> dict[str, Any]:
        text = f"{number} {('short', 'long ' * 60)[number]}"
        return {**params_of(0), "messages": [{"role": "user", "content": text}]}

    task.arguments = replace(task.arguments, rows=2, params_of=params, output_schema=SCHEMA, max_bytes=900)
    manifest = task.finish(repair={"invalid_output": {"system": "Be brief. " * 15}})
    assert manifest.verdicts == {"fits": 1, "invalid_output": 1}
    assert manifest.repairs == {"invalid_output": RepairCounts(requests=1, fits=1)}
    assert "with what the repair changes" in caplog.text


def test_an_exhausted_credit_stops_repairs_too(world: World, task: OneTask) -> None:
    one_row(world, task, *once("max_tokens", rule("errored", error_type="billing_error")))
    with pytest.raises(JobStoppedError, match="1 with billing_error"):
        task.finish(repair={"truncated": {"max_tokens": MORE}})
    assert len(task.job().rounds()) == 2
    assert [other["error_type"] for other in task.output()[0]["earlier_rounds"]] == ["billing_error"]
    assert task.finish().verdicts == {"fits": 1}


def test_a_repair_that_the_api_refuses_is_told_and_not_repeated(world: World, task: OneTask) -> None:
    one_row(world, task, *once("max_tokens", {**BAD, "message": "max_tokens: too many"}))
    manifest = task.finish(repair={"truncated": {"max_tokens": MORE}})
    assert (manifest.verdicts, manifest.errors) == ({"truncated": 1}, {})
    assert manifest.repair_errors == {"invalid_request_error": 1}
    assert manifest.error_examples == {"invalid_request_error": "max_tokens: too many"}
    assert task.finish(repair={"truncated": {"max_tokens": MORE + 1}}).verdicts == {"fits": 1}


def test_a_model_of_a_repair_that_no_row_needs_stops_no_other_row(world: World, task: OneTask) -> None:
    one_row(world, task, *once(OVERLOADED))
    assert task.finish(repair={"refusal": {"model": "gone-1"}}).verdicts == {"fits": 1}


class Strict(BaseModel):
    """Demands more than its JSON Schema says."""

    label: Annotated[str, AfterValidator(lambda value: value if value == "a" else Strict.model_validate({}).label)]
    score: int


class Lenient(BaseModel):
    """Judges otherwise than its own JSON Schema: takes a number in a text."""

    label: str
    score: Annotated[int, BeforeValidator(lambda value: int(value) if isinstance(value, str) else value)]


def test_what_another_judge_refuses_is_not_repaired_by_the_task_that_accepts_it(
    world: World, task: OneTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_model = OutputSchema(json_schema_of(Lenient.model_json_schema()), f"{__name__}:Lenient")
    one_row(world, task, rule("succeeded", text='{"label":"a","score":"5"}', times=1))
    task.arguments = replace(task.arguments, output_schema=by_model, repair={"invalid_output": {}})
    assert task.finish().verdicts == {"fits": 1}
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(judge, "model_named", lambda _: None)
        elsewhere.setattr(judge, "model_check", lambda _: None)
        judge._judge_by.cache_clear()
        assert task.finish(destination="elsewhere", repair={}).verdicts == {"invalid_output": 1}
    judge._judge_by.cache_clear()
    assert task.finish(destination="out", repair={"invalid_output": {}}).verdicts == {"fits": 1}
    assert world.control.billing().rows_billed == 1


def test_what_another_judge_accepts_can_still_be_repaired(
    world: World, task: OneTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_model = OutputSchema(json_schema_of(Strict.model_json_schema()), f"{__name__}:Strict")
    one_row(world, task, rule("succeeded", text='{"label":"b","score":5}', times=1))
    world.control.add_outcome("succeeded", text='{"label":"a","score":5}')
    task.arguments = replace(task.arguments, output_schema=by_model)
    assert task.finish().verdicts == {"invalid_output": 1}
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(judge, "model_named", lambda _: None)
        elsewhere.setattr(judge, "model_check", lambda _: None)
        judge._judge_by.cache_clear()
        for _ in range(2):
            assert task.finish(destination="elsewhere").verdicts == {"fits": 1}
            assert world.control.billing().rows_billed == 1
    judge._judge_by.cache_clear()
    assert task.finish(destination="out", repair={"invalid_output": {}}).verdicts == {"fits": 1}
    assert world.control.billing().rows_billed == 2


def test_rounds_limit_what_is_paid_again(world: World, asking: OneTask) -> None:
    manifest = asking.finish(repair=REPAIR, max_rounds=2)
    check_told(world, asking, manifest, {name: kind.brings[:2] for name, kind in KINDS.items()})


def test_a_repair_to_xcom(asking: OneTask) -> None:
    manifest = asking.finish(repair=REPAIR, destination="xcom")
    assert manifest.verdicts["fits"] == sum(kind.brings[-1] == "fits" for kind in KINDS.values())
    rows = dict(zip(NAMES, asking.rows_in_memory, strict=True))
    assert [other["verdict"] for other in rows["refused, then invalid"]["earlier_rounds"]] == [
        "refusal",
        "invalid_output",
    ]


def test_a_round_whose_model_is_unknown_is_not_sent(world: World, asking: OneTask) -> None:
    asking.finish()
    billed = world.control.billing().rows_billed
    with pytest.raises(ConfigurationError, match="The API does not know the model 'claude-sonet-4-6'"):
        asking.finish(repair={"refusal": {"model": "claude-sonet-4-6"}})
    assert len(asking.job().rounds()) == 2, "the second is that of rows that are sent again anyway"
    assert world.control.billing().rows_billed == billed
    assert asking.finish(repair={"refusal": {"model": OTHER_MODEL}}).repairs["refusal"].fits == 1


@pytest.mark.parametrize("number", [0, 1, 3])  # the third begins with the line that names another request
def test_a_process_that_dies_in_a_repair_pays_nothing_twice(world: World, asking: OneTask, number: int) -> None:
    """Each create call of the second round is lost once: the process ends before it, or the answer gets lost."""
    asking.arguments = replace(asking.arguments, repair=REPAIR)
    shards = -(-len(KINDS) // asking.arguments.rows_per_shard)
    with suppress(KilledError), before_each(world.client, "create", dies_at(shards + number)):
        asking.finish()
    world.control.add_fault("create", "drop_after_commit", times=1)
    manifest = asking.finish()
    check_told(world, asking, manifest, {name: kind.brings for name, kind in KINDS.items()})


def test_a_row_that_is_too_long_to_be_repaired_stays_as_it_is(
    world: World, task: OneTask, caplog: pytest.LogCaptureFixture
) -> None:
    long_text = "It is fine, " * 50
    world.control.add_outcome("succeeded", text=long_text, times=1)
    task.arguments = replace(
        task.arguments, rows=2, params_of=params_of, output_schema=SCHEMA, repair=REPAIR, rows_per_shard=1,
        max_bytes=700,
    )  # fmt: skip
    manifest = task.finish()
    assert manifest.verdicts == {"fits": 1, "invalid_output": 1}
    assert "1 row of" in caplog.text
    assert "larger than a batch may be here (max_bytes_per_shard)" in caplog.text
    assert len(task.job().rounds()) == 1
