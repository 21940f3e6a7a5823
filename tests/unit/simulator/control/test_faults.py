from typing import Any

import pytest

from anthropic_batches_provider.simulator.control.faults import FaultPlan, parse_fault


def struck(plan: Any, operation: str, calls: int, batch_id: str | None = None) -> Any:
    return [plan.pick(operation, batch_id) is not None for _ in range(calls)]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, [True, False, False, False]),
        ({"times": 2}, [True, True, False, False]),
        ({"times": None}, [True, True, True, True]),
        ({"nth": 3}, [False, False, True, False]),
        ({"nth": 2, "times": 2}, [False, True, True, False]),
        ({"probability": 1}, [True, True, True, True]),
        ({"probability": 0}, [False, False, False, False]),
        ({"probability": 1, "times": 1}, [True, False, False, False]),
    ],
)
def test_a_fault_strikes_the_calls_it_was_made_for(fields: Any, expected: Any) -> None:
    plan = FaultPlan(seed=1)
    plan.add(parse_fault({"operation": "create", "action": "drop_after_commit"} | fields))
    assert struck(plan, "list", 2) == [False, False]
    assert struck(plan, "create", 4) == expected


def test_a_fault_can_be_for_one_batch() -> None:
    plan = FaultPlan(seed=1)
    plan.add(parse_fault({"action": "status", "status": 500, "batch_id": "msgbatch_2", "times": None}))
    assert struck(plan, "retrieve", 1, "msgbatch_1") == [False]
    assert struck(plan, "retrieve", 1, "msgbatch_2") == [True]


def test_faults_queue_up_and_the_first_that_strikes_is_used() -> None:
    plan = FaultPlan(seed=1)
    plan.add(parse_fault({"action": "status", "status": 500}))
    plan.add(parse_fault({"action": "status", "status": 529, "times": 2}))
    assert [fault and fault.status for fault in (plan.pick("list") for _ in range(4))] == [500, 529, 529, None]
    assert [described["struck"] for described in plan.described()] == [1, 2]


def test_chances_are_the_same_for_the_same_seed() -> Any:
    def draw(seed: int) -> Any:
        plan = FaultPlan(seed)
        plan.add(parse_fault({"action": "status", "status": 500, "probability": 0.5}))
        return struck(plan, "list", 40)

    assert draw(1) == draw(1) != draw(2)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"action": "explode"}, "no such action: explode; use one of status, status_after_commit"),
        ({"action": "status", "operation": "creat", "status": 500}, "no such operation: creat; use one of create"),
        ({"action": "status"}, "the action status needs status"),
        ({"action": "hang"}, "the action hang needs seconds"),
        ({"action": "late_commit", "seconds": 1}, "late_commit is for the operation create"),
        ({"action": "slow", "bytes_per_second": 0}, "must be 1 or more"),
        ({"action": "drop_after_commit", "nth": 0}, "counted from 1"),
        ({"action": "drop_after_commit", "sometimes": True}, "unknown field `sometimes`.*fields of a fault are action"),
        ({"operation": "create"}, "required field `action`"),
    ],
)
def test_a_wrong_fault_is_refused_with_what_is_allowed(fault: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_fault(fault)


def test_the_spend_limit_speaks_for_itself() -> None:
    fault = parse_fault({"action": "status", "status": 429, "error_code": "enforced_spend_limit_reached"})
    refusal = fault.refusal()
    assert refusal.error_type == "rate_limit_error"
    assert "usage limits" in refusal.message
    assert "retry-after" not in refusal.headers
