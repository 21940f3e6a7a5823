"""What the operators that send rows have in common: their arguments, the way to a sealed job, and being killed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.providers.common.compat.sdk import AirflowSkipException

from anthropic_batches_provider.batches.cancellation import cancel_batches
from anthropic_batches_provider.batches.limits import MAX_BYTES_PER_BATCH, MAX_REQUESTS_PER_BATCH, REQUESTS_IN_QUEUE
from anthropic_batches_provider.edge.arguments import check_choice, check_count, refuse_message_params
from anthropic_batches_provider.edge.jobs import DEFAULT_CONN_ID, find_job, show_in_task_state, submission_bounds
from anthropic_batches_provider.edge.kill_policy import POLICIES, Policy, is_over
from anthropic_batches_provider.edge.object_storage import default_storage_uri, open_storage
from anthropic_batches_provider.edge.progress_reports import ProgressReport
from anthropic_batches_provider.edge.prompt_files import PROMPT_FILES
from anthropic_batches_provider.edge.row_arguments import RowsArgument
from anthropic_batches_provider.edge.spools import task_spool
from anthropic_batches_provider.edge.task_failures import as_task_failures
from anthropic_batches_provider.errors import ConfigurationError, EmptyInputError
from anthropic_batches_provider.links import ConsoleBatchesLink
from anthropic_batches_provider.operators.deferrable import DeferrableOperator, running_batch_ids
from anthropic_batches_provider.operators.deferral import DeferralState
from anthropic_batches_provider.operators.job_input import JobInput

if TYPE_CHECKING:
    from airflow.sdk import Context

    from anthropic_batches_provider.batches.client import MessageBatchClient
    from anthropic_batches_provider.batches.clock import Clock
    from anthropic_batches_provider.batches.further_rounds import Rounds
    from anthropic_batches_provider.batches.ledger import JobFolder
    from anthropic_batches_provider.batches.submission import Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class Stint:
    """One attempt's time on a worker, with a sealed job: from its start, or from the end of a deferral.

    :param before: what the task was deferred with; None in the first stint.
    :param event: what the trigger has fired; empty in the first stint.
    :param spool: a local folder of this stint alone.
    """

    context: Context
    before: DeferralState | None
    event: Mapping[str, Any]
    input: JobInput
    job: JobFolder
    submission: Submission
    client: MessageBatchClient
    clock: Clock
    spool: Path
    progress: ProgressReport
    rounds: Rounds


class RowsOperator(DeferrableOperator):
    """Takes rows, and brings them as a job to the Message Batches API; what else it does, a subclass says.

    Its parameters are described where they are used: :class:`MessageBatchSubmitOperator`.
    """

    template_fields: Sequence[str] = (
        "rows", "requests", "conn_id", "model", "system", "unit", "edition", "storage",
    )  # fmt: skip
    template_ext: Sequence[str] = PROMPT_FILES
    operator_extra_links = (ConsoleBatchesLink(),)
    ui_color = "#e8d5c4"

    shallow_copy_attrs: Sequence[str] = ("rows", "requests", "request_builder")
    template_fields_renderers: ClassVar[dict[str, str]] = {"system": "md"}

    def __init__(
        self,
        *,
        rows: Any = None,
        key: str | Sequence[str] | None = None,
        keep: str | Sequence[str] = (),
        prompt: str | None = None,
        system: str | Sequence[Mapping[str, Any]] | None = None,
        model: str | None = None,
        max_tokens: int | None = None,
        message_params: Mapping[str, Any] | None = None,
        betas: Sequence[str] = (),
        request_builder: Callable[[dict[str, Any]], Mapping[str, Any]] | None = None,
        requests: Any = None,
        column_prefix: str = "",
        on_empty: Literal["fail", "skip"] = "fail",
        on_changed_input: Literal["fail", "restart"] = "fail",
        max_rounds: int = 3,
        on_kill: Policy = "leave",
        unit: str | None = None,
        edition: str = "",
        storage: str | None = None,
        max_requests_per_shard: int = MAX_REQUESTS_PER_BATCH,
        max_bytes_per_shard: int = MAX_BYTES_PER_BATCH,
        max_requests_in_flight: int = REQUESTS_IN_QUEUE,
        poll_interval: timedelta | float = 60,
        conn_id: str = DEFAULT_CONN_ID,
        **kwargs: Any,
    ) -> None:
        refuse_message_params(kwargs.get("params"))
        check_choice("on_empty", on_empty, "fail", "skip")
        check_choice("on_changed_input", on_changed_input, "fail", "restart")
        check_choice("on_kill", on_kill, *POLICIES)
        check_count("max_rounds", max_rounds)
        check_count("max_requests_per_shard", max_requests_per_shard, most=MAX_REQUESTS_PER_BATCH)
        check_count("max_bytes_per_shard", max_bytes_per_shard, most=MAX_BYTES_PER_BATCH)
        check_count("max_requests_in_flight", max_requests_in_flight)
        if (rows is None) == (requests is None):
            raise ConfigurationError("Give either rows= (with prompt= or request_builder=) or requests=, and not both.")
        super().__init__(**kwargs)
        self.rows = rows if isinstance(rows, RowsArgument) else RowsArgument(rows)
        self.key = key
        self.keep = keep
        self.prompt = prompt
        self.system = system
        self.model = model
        self.max_tokens = max_tokens
        self.message_params = message_params
        self.betas = betas
        self.request_builder = request_builder
        self.requests = requests if isinstance(requests, RowsArgument) else RowsArgument(requests)
        self.column_prefix = column_prefix
        self.on_empty = on_empty
        self.on_changed_input = on_changed_input
        self.max_rounds = max_rounds
        self.kill_policy = on_kill
        self.unit = unit
        self.edition = edition
        self.storage = storage
        self.max_requests_per_shard = max_requests_per_shard
        self.max_bytes_per_shard = max_bytes_per_shard
        self.max_requests_in_flight = max_requests_in_flight
        self.poll_interval = poll_interval
        self.conn_id = conn_id
        self.host: str | None = None
        self._told_to_stop = False
        self._task_instance: Any = None
        self._job: JobFolder | None = None

    @abstractmethod
    def advance(self, stint: Stint) -> Any:
        """Bring the sealed job forward; return what the task returns, or defer."""

    def check_before_reading(self, job_input: JobInput) -> None:
        """Look whether the task could come to its end, before a row is read or anything is sent."""

    def execute(self, context: Context) -> Any:
        """Open the unit's job, seal its shards and go on."""
        with as_task_failures():
            return self._run_stint(context)

    def on_kill(self) -> None:
        """Send nothing more; cancel what was submitted, if the policy says so and the task is really over."""
        self._told_to_stop = True
        if self.kill_policy != "cancel" or self._job is None or not is_over(self._task_instance):
            return
        from anthropic_batches_provider.hooks import MessageBatchHook

        with MessageBatchHook(self.conn_id).client() as client:
            cancel_batches(client, running_batch_ids(self._job))

    def _run_stint(self, context: Context, event: Mapping[str, Any] | None = None) -> Any:
        from anthropic_batches_provider.batches.clock import SystemClock
        from anthropic_batches_provider.batches.further_rounds import Rounds
        from anthropic_batches_provider.hooks import MessageBatchHook

        self._task_instance = context["ti"]
        before = None if event is None else DeferralState.recalled(context)
        for name, value in (before.pinned if before is not None else {}).items():
            setattr(self, name, value)
        job_input = JobInput(self, context)
        clock = SystemClock()
        hook = MessageBatchHook(self.conn_id)
        with hook.client() as client, task_spool() as spool:
            self.host = client.settings.base_url
            progress = ProgressReport(context)
            if before is None:
                self.check_before_reading(job_input)
                job = self._sealed_job(job_input, client, clock, spool, progress)
            else:
                job = self._reopened_job(before.job, client)
            self._job = job
            submission = self._submission(job, client, clock, progress)
            stint = Stint(
                context=context,
                before=before,
                event=event or {},
                input=job_input,
                job=job,
                submission=submission,
                client=client,
                clock=clock,
                spool=spool,
                progress=progress,
                rounds=Rounds(most=self.max_rounds, limits=job_input.limits, spool_folder=spool),
            )
            try:
                return self.advance(stint)
            finally:
                self._show(stint)

    def _sealed_job(
        self, job_input: JobInput, client: MessageBatchClient, clock: Clock, spool: Path, progress: ProgressReport
    ) -> JobFolder:
        from anthropic_batches_provider.batches.submission import sealed_job

        storage = open_storage(self.storage or default_storage_uri())
        try:
            return sealed_job(
                storage,
                job_input.plan,
                read_rows=lambda: progress.building(job_input.prepared_rows(spool)),
                account=client.greet().account,
                service=client,
                now=clock.now(),
                spool_folder=spool,
            )
        except EmptyInputError as error:
            if self.on_empty == "skip":
                raise AirflowSkipException("There are no rows: nothing to submit.") from error
            raise EmptyInputError(f"{error} They were to come from {job_input.source}.") from error

    def _reopened_job(self, uri: str, client: MessageBatchClient) -> JobFolder:
        from anthropic_batches_provider.batches.submission import reopened_job

        return reopened_job(find_job(uri), account=client.greet().account, conn_id=self.conn_id)

    def _submission(
        self, job: JobFolder, client: MessageBatchClient, clock: Clock, progress: ProgressReport
    ) -> Submission:
        from anthropic_batches_provider.batches.submission import JobSignals, Submission, ask_time

        return Submission(
            job,
            client,
            clock=clock,
            service_clock=ask_time(client, clock),
            bounds=submission_bounds(),
            signals=JobSignals(
                should_stop=lambda: self._told_to_stop, may_send=self.may_send, moved=lambda: progress.of(job)
            ),
            max_requests_in_flight=self.max_requests_in_flight,
        )

    def _show(self, stint: Stint) -> None:
        """Mirror what the ledger knows for the UI, whatever becomes of this stint."""
        job = stint.job
        try:
            batch_ids = [batch.batch_id for batch in job.batches()]
            shown = {"job": job.uri, "batch_ids": batch_ids, "requests": job.first_seal().rows}
            show_in_task_state(stint.context, "message_batches", shown)
            stint.progress.of(job, now=True)
        except Exception as error:  # noqa: BLE001 - what is shown must not hide how the stint ended
            self.log.warning("How far %s is could not be shown: %s", job.uri, error)
