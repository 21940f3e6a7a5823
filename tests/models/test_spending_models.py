"""The protocol of spending in every interleaving: nothing is paid twice, and every state has a way to an end.

The models are the protocol, not the code, which ``tests/properties`` and ``tests/integration`` run. A model shows that
the rules leave no gap, and that each is needed: without any one of them something goes wrong. The documented holes are
found again.
"""

from __future__ import annotations

import pytest

from tests.models import opening_protocol, shard_protocol
from tests.models.exploration import Findings, explore
from tests.models.opening_protocol import PAID_IN_TWO_JOBS, PAID_JOB_CANCELED, TWO_JOBS_RUN
from tests.models.shard_protocol import (
    BILLED_UNREAD,
    ONLY_BATCH_CANCELED,
    PAID_TWICE,
    REPLACED_JOB_WAS_SENT,
    RUNS_ON,
    Misfortunes,
    Setting,
)

MOST_STATES = 4_000_000

SAFE = {
    "two attempts": Setting(most_intents=2),
    "two attempts and a refusal": Setting(most_intents=2, left=Misfortunes(refusals=1)),
    "an attempt that dies, a refusal and a failing write": Setting(
        attempts=1, left=Misfortunes(deaths=1, refusals=1, failing_writes=1)
    ),
    "a restart, a death and a cancel that fails": Setting(
        attempts=1, replacing="restart", most_intents=2, left=Misfortunes(deaths=1, failing_cancels=1)
    ),
    "a contest and a refusal": Setting(attempts=1, replacing="fail", most_intents=2, left=Misfortunes(refusals=1)),
    "a further round and a death": Setting(attempts=1, rounds=2, most_intents=2, left=Misfortunes(deaths=1)),
    "two rounds that repair answers, and a death": Setting(
        attempts=1, rounds=3, repair="asked", most_intents=1, left=Misfortunes(deaths=1)
    ),
    "two attempts, and a round that repairs answers": Setting(
        rounds=2, repair="asked", most_intents=1, answers_get_lost=False
    ),
    "answers that do not fit, and no repair": Setting(attempts=1, rounds=2, repair="not asked", most_intents=1),
    "a window of one shard and a death": Setting(
        attempts=1, shards=2, window=1, most_intents=2, left=Misfortunes(deaths=1)
    ),
    "a stranger, a death and a list call that fails": Setting(
        attempts=1, most_intents=2, left=Misfortunes(deaths=1, strangers=1, failing_lists=1)
    ),
    "a clock that runs ahead during the call": Setting(attempts=1, most_intents=2, left=Misfortunes(fast_clocks=1)),
}
SAFE_AND_LARGE = {
    "two attempts, a refusal, three intents": Setting(left=Misfortunes(refusals=1)),
    "two attempts and a death": Setting(most_intents=2, left=Misfortunes(deaths=1)),
    "two attempts and a failing write": Setting(most_intents=2, left=Misfortunes(failing_writes=1)),
    "an attempt, two deaths, two refusals": Setting(attempts=1, left=Misfortunes(deaths=2, refusals=2)),
    "two attempts and a stranger": Setting(most_intents=2, left=Misfortunes(strangers=1)),
    "a restart and two attempts": Setting(replacing="restart", most_intents=2),
    "a restart, a death, a refusal and a failing write": Setting(
        attempts=1, replacing="restart", most_intents=2, left=Misfortunes(deaths=1, refusals=1, failing_writes=1)
    ),
    "a contest, a death and a failing write": Setting(
        attempts=1, replacing="fail", most_intents=2, left=Misfortunes(deaths=1, failing_writes=1)
    ),
    "a further round, a death and a refusal": Setting(
        attempts=1, rounds=2, most_intents=2, left=Misfortunes(deaths=1, refusals=1)
    ),
    "two rounds that repair answers, and two deaths": Setting(
        attempts=1, rounds=3, repair="asked", most_intents=1, left=Misfortunes(deaths=2)
    ),
    "two attempts, a round that repairs answers, and lost answers": Setting(rounds=2, repair="asked", most_intents=1),
    "a window, two deaths": Setting(attempts=1, shards=2, window=1, most_intents=2, left=Misfortunes(deaths=2)),
    "two equal shards": Setting(attempts=1, shards=2, most_intents=2, left=Misfortunes(deaths=1)),
    "two equal shards and two attempts": Setting(shards=2, most_intents=1),
}
NEEDED = {
    "one look": (PAID_TWICE, Setting(answers_get_lost=False, left=Misfortunes(refusals=1))),
    "second look": (ONLY_BATCH_CANCELED, Setting(left=Misfortunes(refusals=1))),
    "own clock": (PAID_TWICE, Setting(attempts=1, most_intents=2, left=Misfortunes(fast_clocks=1))),
    "abandon always": (REPLACED_JOB_WAS_SENT, Setting(attempts=1, replacing="restart", most_intents=2)),
    "settle": (RUNS_ON, Setting(attempts=1, replacing="restart", most_intents=2)),
    "contest first": (REPLACED_JOB_WAS_SENT, Setting(attempts=1, replacing="fail", most_intents=2)),
    "whole collection": (PAID_TWICE, Setting(rounds=3, repair="asked", most_intents=1, answers_get_lost=False)),
}
HOLES = {
    "a POST that is frozen before its write": (
        PAID_TWICE,
        Setting(most_intents=2, holes=frozenset(("frozen", "late"))),
    ),
    "a batch that appears too late": (PAID_TWICE, Setting(most_intents=2, holes=frozenset(("late",)))),
    "a POST that is delivered twice": (BILLED_UNREAD, Setting(attempts=1, most_intents=2, left=Misfortunes(doubles=1))),
}

OPENINGS = {
    "two of one question, two deaths": opening_protocol.Setting(questions="pp", restarts=True, deaths=2),
    "three of one question, a death": opening_protocol.Setting(questions="ppp", restarts=False, deaths=1),
    "a changed question asks for a restart, a death": opening_protocol.Setting(questions="pq", restarts=True, deaths=1),
    "a changed question fails, a death": opening_protocol.Setting(questions="pq", restarts=False, deaths=1),
    "two restarts at once": opening_protocol.Setting(questions="pqq", restarts=True),
    "two that fail at once": opening_protocol.Setting(questions="pqq", restarts=False),
    "a changed question after batches that cost nothing": opening_protocol.Setting(
        questions="ppq", restarts=False, free_ends=2
    ),
    "a changed question after a batch that cost nothing, a death": opening_protocol.Setting(
        questions="pq", restarts=False, free_ends=1, deaths=1
    ),
    "two changed questions after a batch that cost nothing": opening_protocol.Setting(
        questions="pqq", restarts=False, free_ends=1
    ),
}
OPENINGS_NEED = {
    "one look": (PAID_IN_TWO_JOBS, opening_protocol.Setting(questions="pp", restarts=True)),
    "abandon always": (TWO_JOBS_RUN, opening_protocol.Setting(questions="pq", restarts=True)),
    "contest": (PAID_JOB_CANCELED, opening_protocol.Setting(questions="pq", restarts=False)),
    "second look": (TWO_JOBS_RUN, opening_protocol.Setting(questions="ppq", restarts=False, free_ends=1)),
}


def check_safe(findings: Findings, *, does_its_work: str) -> None:
    assert findings.is_complete, f"cut off after {findings.states:,} states"
    assert does_its_work in findings.endings, "a protocol that never sends is safe, and of no use"
    assert not findings.traces, "\n".join(
        line for wrong, trace in findings.traces.items() for line in (f"{wrong}:", *trace)
    )


@pytest.mark.parametrize("what", SAFE)
def test_in_every_interleaving_nothing_is_paid_twice_and_there_is_a_way_to_an_end(what: str) -> None:
    check_safe(explore(shard_protocol.model(SAFE[what]), most_states=MOST_STATES), does_its_work="done")


@pytest.mark.long
@pytest.mark.timeout(0)
@pytest.mark.parametrize("what", SAFE_AND_LARGE)
def test_in_every_interleaving_of_more_nothing_is_paid_twice(what: str) -> None:
    check_safe(explore(shard_protocol.model(SAFE_AND_LARGE[what]), most_states=MOST_STATES), does_its_work="done")


@pytest.mark.parametrize("what", OPENINGS)
def test_in_every_interleaving_a_unit_has_one_job(what: str) -> None:
    check_safe(explore(opening_protocol.model(OPENINGS[what]), most_states=MOST_STATES), does_its_work="sent")


@pytest.mark.parametrize("safeguard", NEEDED)
def test_each_safeguard_is_needed(safeguard: str) -> None:
    wrong, setting = NEEDED[safeguard]
    without = shard_protocol.without(setting, safeguard)
    assert wrong in explore(shard_protocol.model(without), most_states=MOST_STATES, stop_at=wrong).traces


@pytest.mark.parametrize("safeguard", OPENINGS_NEED)
def test_each_safeguard_of_opening_is_needed(safeguard: str) -> None:
    wrong, setting = OPENINGS_NEED[safeguard]
    without = opening_protocol.without(setting, safeguard)
    assert wrong in explore(opening_protocol.model(without), most_states=MOST_STATES, stop_at=wrong).traces


@pytest.mark.parametrize("hole", HOLES)
def test_the_documented_holes_are_found(hole: str) -> None:
    wrong, setting = HOLES[hole]
    assert wrong in explore(shard_protocol.model(setting), most_states=MOST_STATES, stop_at=wrong).traces
