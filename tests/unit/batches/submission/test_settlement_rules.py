"""A lost create call is settled from observations, never by a guess."""

from __future__ import annotations

import pendulum
import pytest

from anthropic_batches_provider.batches.message_batch import MessageBatch, RequestCounts
from anthropic_batches_provider.batches.submission.settlement_rules import (
    Adopt,
    Candidate,
    Decision,
    DeclareVoid,
    GiveUp,
    Proof,
    Prove,
    SubmissionBounds,
    WaitToSettle,
    settle,
)

INTENDED = pendulum.datetime(2026, 11, 21, 12)
BOUNDS = SubmissionBounds()
APPEARS_UNTIL = INTENDED + BOUNDS.settles_after


def batch(name: str, *, minutes: int = 0, ended: bool = False) -> MessageBatch:
    created = INTENDED.add(minutes=minutes)
    return MessageBatch(
        id=name,
        processing_status="ended" if ended else "in_progress",
        request_counts=RequestCounts(processing=10),
        created_at=created,
        expires_at=created.add(hours=24),
        ended_at=created if ended else None,
    )


OLD, NEW = batch("msgbatch_old", ended=True), batch("msgbatch_new", minutes=1, ended=True)
RUNNING = batch("msgbatch_running")


def test_nothing_can_appear_after_start_body_and_settling_have_had_their_time() -> None:
    assert INTENDED.add(minutes=26) == APPEARS_UNTIL


@pytest.mark.parametrize(
    ("candidates", "minutes", "expected"),
    [
        ([], 0, WaitToSettle(until=APPEARS_UNTIL)),
        ([], 25.9, WaitToSettle(until=APPEARS_UNTIL)),
        ([], 26, DeclareVoid()),
        ([(OLD, Proof.FOREIGN)], 0, WaitToSettle(until=APPEARS_UNTIL)),
        ([(OLD, Proof.FOREIGN)], 26, DeclareVoid()),
        ([(OLD, Proof.NOT_TRIED)], 26, Prove(batch_ids=("msgbatch_old",))),
        ([(OLD, Proof.OURS)], 0, Adopt(batch=OLD)),
        ([(NEW, Proof.OURS), (OLD, Proof.OURS)], 0, Adopt(batch=OLD, duplicates=(NEW,))),
        ([(RUNNING, Proof.NOT_TRIED), (NEW, Proof.OURS)], 0, Adopt(batch=NEW)),
        ([(RUNNING, Proof.OURS)], 0, Adopt(batch=RUNNING)),
        ([(RUNNING, Proof.NOT_TRIED)], 60, WaitToSettle(until=INTENDED.add(hours=25), batch_ids=("msgbatch_running",))),
        ([(RUNNING, Proof.NOT_TRIED)], 25 * 60, GiveUp(batch_ids=("msgbatch_running",))),
        ([(OLD, Proof.UNPROVABLE)], 60, WaitToSettle(until=INTENDED.add(minutes=90))),
        ([(OLD, Proof.UNPROVABLE)], 25 * 60, GiveUp(batch_ids=("msgbatch_old",))),
        ([(OLD, Proof.UNPROVABLE), (NEW, Proof.FOREIGN)], 25 * 60, GiveUp(batch_ids=("msgbatch_old",))),
    ],
)
def test_every_case_is_decided_as_the_rules_say(
    candidates: list[tuple[MessageBatch, Proof]], minutes: float, expected: Decision
) -> None:
    seen = [Candidate(batch=found, proof=proof) for found, proof in candidates]
    assert settle(seen, appears_until=APPEARS_UNTIL, now=INTENDED.add(seconds=int(minutes * 60))) == expected


def test_a_doubt_is_never_declared_void() -> None:
    for proof in (Proof.NOT_TRIED, Proof.UNPROVABLE, Proof.OURS):
        for found in (OLD, RUNNING):
            for hours in range(60):
                decision = settle(
                    [Candidate(batch=found, proof=proof)], appears_until=APPEARS_UNTIL, now=INTENDED.add(hours=hours)
                )
                assert not isinstance(decision, DeclareVoid)
