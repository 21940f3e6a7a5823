"""Attempts die, messages are lost or late, and attempts meet: nothing is paid twice, and every job ends.

The oracle is simple: each row of a job is one request, which the service may bill once. Each batch at the service
belongs to exactly one job or to another program, or is a duplicate that the network itself made.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from anthropic_batches_provider.batches.ledger import Adopted, JobFolder, Submitted
from anthropic_batches_provider.batches.output.manifest import Manifest
from anthropic_batches_provider.batches.prompt_cache import CacheTtl
from anthropic_batches_provider.batches.service import SubmissionService
from anthropic_batches_provider.batches.sharding import ShardLimits
from anthropic_batches_provider.batches.submission import NextLook, Pilot
from anthropic_batches_provider.errors import (
    ApiError,
    JobStoppedError,
    LedgerError,
    MessageBatchesError,
    PilotFailedError,
)
from anthropic_batches_provider.simulator.server import SimulatorServer
from tests.properties.spending_moments import DiedError, StorageFailedError, Surprise
from tests.properties.spending_world import ROOM_OF_REPAIRS, World, beginning, world_client
from tests.worlds.direct_service import DirectService
from tests.worlds.interleaving import Step, interleave

HOUR = 3600
BATCH_SECONDS = (0, 300, 2 * HOUR, 30 * HOUR)
MOST_LOOKS = 300
LONGEST_ATTEMPT = 90  # moments; later ones are rarely reached
LONGEST_WAY = 220  # moments of an attempt of the one-task operator

PAUSES = st.sampled_from((5, 61, 16 * 60, HOUR, 3 * HOUR))
KINDS = (
    st.sampled_from([Surprise("dies"), Surprise("meets another attempt"), Surprise("meets a store that fails")])
    | PAUSES.map(lambda seconds: Surprise("is paused", seconds))
    | PAUSES.map(lambda seconds: Surprise("meets another attempt", seconds))
    | st.sampled_from((-3 * HOUR, 3 * HOUR)).map(lambda seconds: Surprise("has its clock set", seconds))
)
SURPRISES = st.dictionaries(st.integers(0, LONGEST_ATTEMPT), KINDS, max_size=3)
SURPRISES_ON_THE_WAY = st.dictionaries(st.integers(0, LONGEST_WAY), KINDS, max_size=4)
TURNS = st.lists(st.integers(1, 60), max_size=8)
CREATE_FAULTS = st.sampled_from(
    [
        {"action": "drop_before_commit"},
        {"action": "drop_after_commit"},
        {"action": "truncated_200"},
        {"action": "html_200"},
        {"action": "late_commit", "seconds": 30},
        {"action": "late_commit", "seconds": 590},
        *({"action": "status_after_commit", "status": status} for status in (408, 409, 500, 503, 529)),
        *({"action": "status", "status": status} for status in (307, 400, 401, 402, 404, 413, 429, 500, 529)),
    ]
)
OTHER_FAULTS = st.sampled_from(
    [
        *({"action": "status", "status": status} for status in (401, 404, 429, 500, 529)),
        {"action": "drop_before_commit"},
        {"action": "drop_after_commit"},
        {"action": "truncated_200"},
        {"action": "html_200"},
        {"action": "cut_after_bytes", "bytes": 10},
        {"action": "cut_after_bytes", "bytes": 300},
    ]
)

ODD_LINES = st.sampled_from(
    (
        None,  # nested more deeply than any decoder follows
        '{"custom_id":"{custom_id}","result":{"type":"filtered"}}',
        '{"custom_id":"{custom_id}","result":{"type":"succeeded","message":{"content":"text"}}}',
        '{"result":{"type":"succeeded","message":' + "1" * 5000 + '},"custom_id":"{custom_id}"}',
    )
)


CUTS = st.sets(st.tuples(st.sampled_from(("a", "b", "c")), st.integers(0, 6), st.booleans()), max_size=3)


class Spending(RuleBasedStateMachine):
    """Tasks of several units of work on one account, and everything that may happen to them."""

    rows: ClassVar[Mapping[str, int]] = {"a": 6, "b": 6, "c": 7}

    def __init__(self, server: SimulatorServer, client: SubmissionService, **sizes: Any) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.world = World(server, client, Path(self._folder.name), self.rows, **sizes)
        self.has_pilots = "pilot" in sizes
        self._lost: dict[str, bytes] = {}
        self._cuts: list[dict[str, Any]] = []

    @initialize(seconds=st.sampled_from(BATCH_SECONDS), incremental=st.booleans(), cuts=CUTS)
    def the_service_takes_its_time_and_cuts_answers(
        self, seconds: float, incremental: bool, cuts: set[tuple[str, int, bool]]
    ) -> None:
        self._cuts = [
            {"text_matches": f"{unit} {row}$"} | ({} if always else {"max_tokens_below": ROOM_OF_REPAIRS})
            for unit, row, always in sorted(cuts)
        ]
        self._cut_answers()
        self.world.control.change_settings(batch_duration=seconds, incremental_counts=incremental, cancel_duration=60)

    @rule(
        unit=st.sampled_from(("a", "b", "c")), surprises=SURPRISES, others=SURPRISES,
        wrong_by=st.sampled_from((0, 0, -7 * HOUR, 7 * HOUR)),
    )  # fmt: skip
    def a_task_submits(
        self, unit: str, surprises: dict[int, Surprise], others: dict[int, Surprise], wrong_by: float
    ) -> None:
        def other() -> None:
            self._attempt(unit, others)

        self._attempt(unit, surprises, other, wrong_by)

    @rule(
        unit=st.sampled_from(("a", "b", "c")), turns=TURNS, surprises=SURPRISES, others=SURPRISES,
        all_at_once=st.booleans(), changes=st.booleans(),
    )  # fmt: skip
    def two_tasks_advance_step_by_step(
        self,
        unit: str,
        turns: list[int],
        surprises: dict[int, Surprise],
        others: dict[int, Surprise],
        all_at_once: bool,
        changes: bool,
    ) -> None:
        advance = self._bring_home if all_at_once else self._attempt
        before = self.world.versions[unit]
        if changes:
            self.world.versions[unit] += 1
        interleave(
            [
                lambda step: advance(unit, surprises, step=step, version=before),
                lambda step: advance(unit, others, step=step),
            ],
            turns,
        )

    @rule(unit=st.sampled_from(("a", "b", "c")))
    def its_author_changes_the_question_and_asks_for_a_restart(self, unit: str) -> None:
        self.world.versions[unit] += 1

    @precondition(lambda self: self.has_pilots)
    @rule(unit=st.sampled_from(("a", "b", "c")), pilot=st.sampled_from((0, 1, 2, 5, "auto")))
    def its_author_changes_the_pilot(self, unit: str, pilot: Pilot) -> None:
        self.world.pilots[unit] = pilot

    @precondition(lambda self: not self._lost and not self.world.doubles)
    @rule(unit=st.sampled_from(("a", "b", "c")), which=st.integers(0, 60))
    def a_file_is_lost(self, unit: str, which: int) -> None:
        """Lose a file of a job; not an intent without an outcome: nothing else tells of its call, a known hole."""
        contents = self.world.store.contents
        files = [
            path
            for path in sorted(contents)
            if path.startswith(self.world.work(unit).folder + "/")
            and not (path.endswith("-intent.json") and path.replace("-intent", "-outcome") not in contents)
        ]
        if files:
            path = files[which % len(files)]
            self._lost[path] = contents.pop(path)

    @precondition(lambda self: self._lost)
    @rule()
    def what_was_lost_is_restored(self) -> None:
        for path, content in self._lost.items():
            self.world.store.contents.setdefault(path, content)
        self._lost.clear()

    @precondition(lambda self: not self._lost)  # it collects the latest job, which must be readable to be known
    @rule(unit=st.sampled_from(("a", "b", "c")), surprises=SURPRISES)
    def a_task_collects(self, unit: str, surprises: dict[int, Surprise]) -> None:
        def other() -> None:
            self._attempt(unit, {})

        try:
            self.world.collect(unit, self.world.moments(surprises, other))
        except (MessageBatchesError, StorageFailedError, DiedError):
            return
        assert self.world.published_keys(unit) == list(range(self.rows[unit]))

    @rule(
        unit=st.sampled_from(("a", "b", "c")), surprises=SURPRISES_ON_THE_WAY, others=SURPRISES_ON_THE_WAY,
        wrong_by=st.sampled_from((0, 0, -30 * HOUR, 30 * HOUR)),
    )  # fmt: skip
    def a_task_does_it_all(
        self, unit: str, surprises: dict[int, Surprise], others: dict[int, Surprise], wrong_by: float
    ) -> None:
        def other() -> None:
            self._bring_home(unit, others)

        self._bring_home(unit, surprises, other, wrong_by)

    @rule(
        unit=st.sampled_from(("a", "b", "c")), row=st.integers(0, 6), times=st.integers(1, 2),
        error_type=st.sampled_from(("overloaded_error", "api_error", "invalid_request_error", "billing_error")),
    )  # fmt: skip
    def rows_will_err(self, unit: str, row: int, times: int, error_type: str) -> None:
        self.world.control.add_outcome(
            "errored", text_matches=f"{unit} {row}$", error_type=error_type, first_submissions=times
        )

    @rule(unit=st.sampled_from(("a", "b", "c")), row=st.integers(0, 6), line=ODD_LINES)
    def an_answer_will_be_odd(self, unit: str, row: int, line: str | None) -> None:
        self.world.control.add_outcome("unreadable", text_matches=f"{unit} {row}$", **({"line": line} if line else {}))

    @rule(unit=st.sampled_from(("a", "b", "c")))
    def a_sensor_looks(self, unit: str) -> None:
        for batch_id in self._known_batches(unit):
            try:
                self.world.client.retrieve(batch_id)
            except ApiError:
                continue

    @rule(unit=st.sampled_from(("a", "b", "c")))
    def somebody_cancels(self, unit: str) -> None:
        for batch_id in self._known_batches(unit):
            try:
                self.world.client.cancel(batch_id)
            except ApiError:
                continue

    @rule(seconds=st.sampled_from((5, 65, 400, 1000, 1600, 2 * HOUR, 26 * HOUR)))
    def time_passes(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule(fault=CREATE_FAULTS, nth=st.integers(1, 3), times=st.integers(1, 2))
    def create_calls_will_fail(self, fault: dict[str, Any], nth: int, times: int) -> None:
        self.world.control.add_fault("create", nth=nth, times=times, **fault)

    @rule(
        operation=st.sampled_from(("list", "retrieve", "results", "cancel")), fault=OTHER_FAULTS,
        nth=st.integers(1, 3), times=st.integers(1, 4),
    )  # fmt: skip
    def other_calls_will_fail(self, operation: str, fault: dict[str, Any], nth: int, times: int) -> None:
        self.world.control.add_fault(operation, nth=nth, times=times, **fault)

    @rule(requests=st.integers(1, 3))
    def others_submit(self, requests: int) -> None:
        faults = self.world.control.faults()
        self.world.control.clear_faults()
        self.world.add_foreign_batch(requests)
        for fault in faults:
            fault.pop("struck")
            self.world.control.add_fault(fault.pop("operation", "any"), fault.pop("action"), **fault)

    @precondition(lambda self: self.world.doubles == 0)
    @rule()
    def the_network_will_deliver_a_call_twice(self) -> None:
        self.world.doubles = 1

    def teardown(self) -> None:
        try:
            self._all_comes_to_its_end()
        finally:
            self._folder.cleanup()

    def _cut_answers(self) -> None:
        for cut in self._cuts:
            self.world.control.add_outcome("max_tokens", **cut)

    def _attempt(
        self,
        unit: str,
        surprises: dict[int, Surprise],
        other: Step = lambda: None,
        wrong_by: float = 0,
        step: Step = lambda: None,
        version: int | None = None,
    ) -> None:
        moments = self.world.moments(surprises, other, step)
        try:
            self.world.attempt(unit, moments, wrong_by=wrong_by, version=version)
        except (MessageBatchesError, StorageFailedError, DiedError):
            return
        self._check_that_no_old_batch_runs(unit)

    def _bring_home(
        self,
        unit: str,
        surprises: dict[int, Surprise],
        other: Step = lambda: None,
        wrong_by: float = 0,
        step: Step = lambda: None,
        version: int | None = None,
    ) -> None:
        moments = self.world.moments(surprises, other, step)
        try:
            outcome = self.world.bring_home(unit, moments, wrong_by=wrong_by, version=version)
        except (MessageBatchesError, StorageFailedError, DiedError):
            return
        self._check_that_no_old_batch_runs(unit)
        if isinstance(outcome, Manifest):
            assert self.world.published_keys(unit) == list(range(self.rows[unit]))

    def _check_that_no_old_batch_runs(self, unit: str) -> None:
        """Check that a job that is open is the only one of its unit with batches that run to their end."""
        if self.world.doubled or self._lost:
            return
        old = {batch_id for job in self.world.jobs(unit)[:-1] for batch_id in _recorded(job)}
        now = self.world.now().timestamp()
        for batch in self.world.server.simulator.batches():
            is_over = batch.has_ended(now) or batch.cancel_initiated_at is not None
            assert is_over or batch.id not in old, "a batch of a replaced job runs on"

    def _known_batches(self, unit: str) -> list[str]:
        job = self.world.job(unit)
        return [batch.batch_id for batch in job.batches()] if job and job.find_seal() else []

    def _all_comes_to_its_end(self) -> None:
        self.world.control.clear_faults()
        self.world.control.clear_outcomes()
        self._cut_answers()
        self.world.doubles = 0
        self.what_was_lost_is_restored()
        units = [unit for unit in self.rows if self.world.job(unit)]
        for unit in units:
            self._submitted(unit)
        self.world.pass_time(25 * HOUR)
        owned: dict[str, str] = {}
        surplus: set[str] = set()
        replaced: set[str] = set()
        billed = 0
        for unit in units:
            at_home = unit in self.world.brought_home
            manifest = self._home(unit) if at_home else self.world.collect(unit, self.world.moments())
            assert self.world.output_keys(unit, manifest) == list(range(self.rows[unit]))
            assert not set(manifest.batch_ids) & set(owned), "a batch belongs to one job"
            assert manifest.counts.missing == 0
            assert manifest.foreign_results == manifest.duplicate_results == 0
            owned |= dict.fromkeys(manifest.batch_ids, unit)
            surplus |= self._surplus(unit)
            replaced |= {batch_id for job in self.world.jobs(unit)[:-1] for batch_id in _recorded(job)}
            billed += sum(usage["requests"] for usage in manifest.usage.values())
            if not at_home:
                assert not manifest.repairs, "only the task that does it all is asked to repair"
        self._check_bill(owned, surplus, replaced, billed)
        assert self.world.canceled <= surplus | replaced, "the engine cancels only duplicates and replaced batches"

    def _submitted(self, unit: str) -> None:
        reason = ""
        for _ in range(MOST_LOOKS):
            try:
                _, outcome = self.world.attempt(unit, self.world.moments())
            except LedgerError as error:  # a restart that must wait until a call of the old job is settled
                reason = str(error)
                self.world.pass_time(HOUR)
                continue
            except JobStoppedError:  # because of errors of rows of the pilot
                continue
            except PilotFailedError:
                self.world.pilots[unit] = 0  # its author wants the rest all the same
                continue
            if not isinstance(outcome, NextLook):
                return
            reason = outcome.reason
            seconds = (outcome.until - self.world.now()).total_seconds() + 1
            self.world.pass_time(min(max(seconds, 1), 5 * HOUR if outcome.batch_ids else seconds))
        raise AssertionError(f"the submission of {unit} does not end: {reason}")

    def _home(self, unit: str) -> Manifest:
        reason = ""
        for _ in range(MOST_LOOKS):
            try:
                outcome = self.world.bring_home(unit, self.world.moments())
            except JobStoppedError:  # because of errors of rows in an earlier round
                continue
            except PilotFailedError:
                self.world.pilots[unit] = 0
                continue
            if isinstance(outcome, Manifest):
                return outcome
            reason = outcome.reason
            seconds = (outcome.until - self.world.now()).total_seconds() + 1
            self.world.pass_time(26 * HOUR if outcome.batch_ids else max(seconds, 1))
        raise AssertionError(f"{unit} does not end: {reason}")

    def _surplus(self, unit: str) -> set[str]:
        job = self.world.job(unit)
        assert job is not None
        outcomes = [attempt.outcome for state in job.shards() for attempt in state.attempts]
        adopted = [record.outcome for record in outcomes if record and isinstance(record.outcome, Adopted)]
        return {batch_id for outcome in adopted for batch_id in outcome.duplicates}

    def _were_asked_anew(self, custom_ids: Sequence[str]) -> bool:
        """Return whether rows of one content are of several jobs, with one of another version between each two."""
        nonces = [custom_id.partition("-")[0] for custom_id in custom_ids]
        for unit in self.rows:
            jobs = [job.description() for job in self.world.jobs(unit)]
            places = sorted(place for place, job in enumerate(jobs) if job.nonce in nonces)
            if len(places) == len(nonces):
                return all(
                    any(jobs[between].question != jobs[first].question for between in range(first, second))
                    for first, second in pairwise(places)
                )
        return False

    def _check_bill(self, owned: Mapping[str, str], surplus: set[str], replaced: set[str], billed: int) -> None:
        billing = self.world.control.billing()
        bills = {bill.batch_id: bill for bill in billing.batches}
        assert all(bill.ended for bill in bills.values())
        assert sum(bills[batch_id].rows_billed for batch_id in owned) == billed, "the output tells all that was paid"
        for batch_id in bills.keys() - owned.keys() - self.world.foreign - replaced:
            assert self.world.beginning_of_batch(batch_id) in self.world.doubled, "the engine sent a shard twice"
        self.world.check_that_custom_ids_name_their_rows()
        for request in billing.repeated:
            # The answer of one of two deliveries is lost: a row that expired in the other may be sent again.
            sent_once = [name for name in request.custom_ids if beginning(name) not in self.world.doubled]
            assert len(sent_once) <= 1 or self._were_asked_anew(sent_once), "a row was paid for twice"
        assert surplus <= bills.keys() - owned.keys() - self.world.foreign


def _recorded(job: JobFolder) -> set[str]:
    """Return the batches of a job, duplicates included, as its ledger tells them."""
    if job.find_seal() is None:
        return set()
    outcomes = [attempt.outcome.outcome for state in job.shards() for attempt in state.attempts if attempt.outcome]
    batches = {outcome.batch.batch_id for outcome in outcomes if isinstance(outcome, Submitted | Adopted)}
    return batches | {twin for outcome in outcomes if isinstance(outcome, Adopted) for twin in outcome.duplicates}


def spending_on(server: SimulatorServer, client: SubmissionService, **sizes: Any) -> type[RuleBasedStateMachine]:
    class SpendingHere(Spending):
        def __init__(self) -> None:
            super().__init__(server, client, **sizes)

    return SpendingHere


PROFILE = settings(
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)


def test_nothing_is_paid_twice_whatever_happens(server: SimulatorServer) -> None:
    profile = settings(PROFILE, max_examples=150, stateful_step_count=20, derandomize=True)
    run_state_machine_as_test(spending_on(server, DirectService(server.simulator)), settings=profile)


def test_nor_when_the_calls_go_through_the_client_and_over_http(server: SimulatorServer) -> None:
    profile = settings(PROFILE, max_examples=15, stateful_step_count=20, derandomize=True)
    with world_client(server) as client:
        run_state_machine_as_test(spending_on(server, client), settings=profile)


def test_nor_in_jobs_of_many_shards(server: SimulatorServer) -> None:
    profile = settings(PROFILE, max_examples=25, stateful_step_count=15, derandomize=True)
    many = spending_on(server, DirectService(server.simulator), limits=ShardLimits(max_requests=1), in_flight=5)
    run_state_machine_as_test(many, settings=profile)


@pytest.mark.parametrize("most", [1, 3])
def test_nor_where_some_rows_go_first_as_a_pilot(server: SimulatorServer, most: int) -> None:
    profile = settings(PROFILE, max_examples=60, stateful_step_count=20, derandomize=True)
    limits = ShardLimits(max_requests=6 if most == 1 else most)
    piloted = spending_on(server, DirectService(server.simulator), limits=limits, in_flight=5, pilot=2)
    run_state_machine_as_test(piloted, settings=profile)


@pytest.mark.parametrize(("pilot", "ttl", "most"), [("auto", "5m", 3), ("auto", "1h", 2), (2, "5m", 6)])
def test_nor_where_each_shard_is_primed_for_the_prompt_cache(
    server: SimulatorServer, pilot: Pilot, ttl: CacheTtl, most: int
) -> None:
    profile = settings(PROFILE, max_examples=50, stateful_step_count=20, derandomize=True)
    run_state_machine_as_test(primed_on(server, pilot, ttl, most), settings=profile)


def primed_on(server: SimulatorServer, pilot: Pilot, ttl: CacheTtl, most: int) -> type[RuleBasedStateMachine]:
    limits = ShardLimits(max_requests=most)
    service = DirectService(server.simulator)
    return spending_on(server, service, limits=limits, in_flight=5, pilot=pilot, prompt_cache=ttl)


@pytest.mark.long
@pytest.mark.timeout(0)
@pytest.mark.parametrize(("pilot", "ttl", "most"), [("auto", "5m", 3), ("auto", "1h", 2), (2, "5m", 6)])
def test_nor_in_a_thousand_histories_of_primed_jobs(
    server: SimulatorServer, pilot: Pilot, ttl: CacheTtl, most: int
) -> None:
    profile = settings(PROFILE, max_examples=1_000, stateful_step_count=25)
    run_state_machine_as_test(primed_on(server, pilot, ttl, most), settings=profile)


@pytest.mark.long
@pytest.mark.timeout(0)
def test_nothing_is_paid_twice_in_ten_thousand_histories(server: SimulatorServer) -> None:
    profile = settings(PROFILE, max_examples=10_000, stateful_step_count=25)
    run_state_machine_as_test(spending_on(server, DirectService(server.simulator)), settings=profile)
