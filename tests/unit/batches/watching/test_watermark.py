"""The record of reported batches takes a few lines, and each ended batch is reported once."""

from __future__ import annotations

import json

import pendulum
import pytest

from anthropic_batches_provider.batches.message_batch import MessageBatch, RequestCounts
from anthropic_batches_provider.batches.watching.watermark import UntoldBatches, Watermark

NOON = pendulum.datetime(2026, 11, 21, 12)


def batch(name: str, *, created: int = -60, ended: int | None = None) -> MessageBatch:
    """Return a batch that was created and ended so many minutes after noon."""
    return MessageBatch(
        id=name,
        processing_status="in_progress" if ended is None else "ended",
        request_counts=RequestCounts(succeeded=1),
        created_at=NOON.add(minutes=created),
        expires_at=NOON.add(minutes=created, hours=24),
        ended_at=None if ended is None else NOON.add(minutes=ended),
    )


def ids(batches: list[MessageBatch]) -> list[str]:
    return [each.id for each in batches]


def test_what_ended_before_the_watermark_is_no_news_and_the_rest_comes_in_the_order_of_its_end() -> None:
    untold = UntoldBatches(Watermark(until=NOON))
    listed = [batch("new", ended=9), batch("open"), batch("old", ended=-1), batch("earlier", ended=3)]
    assert ids(untold.among(listed)) == ["earlier", "new"]


def test_what_was_told_is_no_news_and_what_shows_late_is() -> None:
    watermark = Watermark(until=NOON).with_told([batch("a", ended=20), batch("b", ended=30)])
    untold = UntoldBatches(watermark)
    assert untold.among([batch("a", ended=20), batch("b", ended=30)]) == []
    assert ids(untold.among([batch("late", ended=25)])) == ["late"]


def test_what_is_remembered_stays_small() -> None:
    watermark = Watermark(until=NOON)
    for minute in range(1, 2000):
        watermark = watermark.with_told([batch(f"msgbatch_{minute}", ended=minute)])
    assert len(watermark.told) == 10
    assert len(json.dumps(watermark.as_json())) < 1000


def test_a_watermark_survives_a_store() -> None:
    watermark = Watermark(until=NOON).with_told([batch("a", ended=20), batch("b", ended=30)])
    assert Watermark.from_json(json.loads(json.dumps(watermark.as_json()))) == watermark


@pytest.mark.parametrize("stored", [7, {}, {"until": "soon", "told": {}}, {"until": "2026-11-21", "told": []}])
def test_what_somebody_else_wrote_is_not_taken_for_a_watermark(stored: object) -> None:
    with pytest.raises(ValueError, match="no watermark of reported batches"):
        Watermark.from_json(stored)


def test_two_watermarks_together_cover_what_either_covers() -> None:
    mine = Watermark(until=NOON).with_told([batch("mine", ended=5)])
    theirs = Watermark(until=NOON).with_told([batch("theirs", ended=6)])
    both = mine.merged(theirs)
    assert both.uncovered([batch("mine", ended=5), batch("theirs", ended=6)]) == []
    assert ids(both.uncovered([batch("neither", ended=5)])) == ["neither"]
    assert mine.merged(None) == mine


def test_the_first_list_reaches_back_as_far_as_a_batch_can_live() -> None:
    assert UntoldBatches(Watermark(until=NOON)).floor < NOON.subtract(hours=25)


def test_later_lists_reach_back_to_the_oldest_batch_that_still_runs() -> None:
    untold = UntoldBatches(Watermark(until=NOON))
    untold.saw([batch("new", created=50), batch("running", created=-300), batch("old", created=-900, ended=-600)])
    running = batch("running", created=-300).created_at
    assert running is not None
    assert running >= untold.floor > NOON.subtract(hours=6)
    untold.saw([batch("new", created=50, ended=55), batch("running", created=-300, ended=-1)])
    untold.watermark = untold.watermark.with_told([batch("new", created=50, ended=55)])
    untold.saw([batch("new", created=50, ended=55)])
    assert untold.floor == NOON.add(minutes=40)
