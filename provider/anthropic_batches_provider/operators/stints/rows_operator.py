"""The base of the operators that send rows: their arguments, their stints, and how they are killed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn, cast

from airflow.providers.common.compat.sdk import BaseOperator, TaskDeferred
from airflow.sdk.definitions._internal.mixins import ResolveMixin

from anthropic_batches_provider.batches.cancellation import cancel_batches
from anthropic_batches_provider.batches.limits import MAX_BYTES_PER_BATCH, MAX_REQUESTS_PER_BATCH, REQUESTS_IN_QUEUE
from anthropic_batches_provider.edge.arguments import (
    DEFAULT_MAX_ROUNDS,
    check_choice,
    check_count,
    check_pilot,
    check_prompt_cache_choice,
    refuse_message_params,
    seconds_of,
)
from anthropic_batches_provider.edge.configuration import default_deferrable, submission_bounds
from anthropic_batches_provider.edge.connection_form import DEFAULT_CONN_ID
from anthropic_batches_provider.edge.job_references import find_job
from anthropic_batches_provider.edge.kill_policy import POLICIES, Policy, is_over
from anthropic_batches_provider.edge.lineage import lineage_of
from anthropic_batches_provider.edge.output_schemas import SchemaArgument
from anthropic_batches_provider.edge.parse_checks import check_row_arguments
from anthropic_batches_provider.edge.prices import price_list
from anthropic_batches_provider.edge.progress_reports import ProgressReport
from anthropic_batches_provider.edge.prompt_files import PROMPT_FILES
from anthropic_batches_provider.edge.rendered_values import rendered_params
from anthropic_batches_provider.edge.row_arguments import RowsArgument
from anthropic_batches_provider.edge.shared_context import SharedContext
from anthropic_batches_provider.edge.spools import task_spool
from anthropic_batches_provider.edge.task_failures import as_task_failures
from anthropic_batches_provider.edge.templates import Templates
from anthropic_batches_provider.edge.uris import Uri, as_uri
from anthropic_batches_provider.errors import ApiError, ConfigurationError
from anthropic_batches_provider.links import show_links, task_links
from anthropic_batches_provider.operators.stints.deferral_state import DeferralState, given_up
from anthropic_batches_provider.operators.stints.stint import (
    Stint,
    open_job,
    reopen_job,
    running_batch_ids,
    show,
    show_opened,
)
from anthropic_batches_provider.operators.stints.worker_wait import event_on_worker
from anthropic_batches_provider.triggers import MessageBatchTrigger

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context
    from jinja2 import Environment

    from anthropic_batches_provider.batches.client import ClientSettings, MessageBatchClient
    from anthropic_batches_provider.batches.clock import Clock
    from anthropic_batches_provider.batches.ledger import JobFolder
    from anthropic_batches_provider.batches.money.price_list import PriceList
    from anthropic_batches_provider.batches.output.manifest import Manifest
    from anthropic_batches_provider.batches.prompt_cache import CacheTtl
    from anthropic_batches_provider.batches.submission import NextLook, Pilot, PilotRules, Submission
    from anthropic_batches_provider.operators.stints.job_input import JobInput


class RowsOperator(BaseOperator):
    """Takes rows and sends them to the Message Batches API as a job. A subclass defines what else it does.

    It advances the job in stints on a worker, and is deferred between them.

    :class:`MessageBatchSubmitOperator` describes the parameters.
    """

    template_fields: Sequence[str] = (
        "rows", "requests", "conn_id", "model", "system", "shared_context", "max_tokens", "message_params", "betas",
        "repair", "max_failed_rows", "unit", "edition", "storage",
    )  # fmt: skip
    template_ext: Sequence[str] = PROMPT_FILES
    uri_fields: Sequence[str] = ("storage",)
    operator_extra_links = task_links()
    ui_color = "#e8d5c4"

    chooses_columns: ClassVar[bool] = False
    """Whether it has ``columns=``, and so checks the names of columns when that is set."""

    prices: Mapping[str, Mapping[str, Any]] | None = None
    """The user's own prices, of an operator that says what its job cost."""

    shallow_copy_attrs: Sequence[str] = ("rows", "requests", "request_builder", "shared_context")
    template_fields_renderers: ClassVar[dict[str, str]] = {"system": "md", "message_params": "json", "repair": "json"}

    def __init__(
        self,
        *,
        rows: Any = None,
        key: str | Sequence[str] | None = None,
        keep: str | Sequence[str] = (),
        prompt: str | None = None,
        images: str | Sequence[str] = (),
        documents: str | Sequence[str] = (),
        system: str | Sequence[Mapping[str, Any]] | None = None,
        shared_context: Any = None,
        model: str | None = None,
        max_tokens: int | str | None = None,
        message_params: Mapping[str, Any] | str | None = None,
        betas: Sequence[str] | str = (),
        request_builder: Callable[[dict[str, Any]], Mapping[str, Any]] | None = None,
        output_schema: type | Mapping[str, Any] | str | None = None,
        requests: Any = None,
        column_prefix: str = "",
        on_empty: Literal["fail", "skip"] = "fail",
        on_changed_input: Literal["fail", "restart"] = "fail",
        max_rounds: int = DEFAULT_MAX_ROUNDS,
        repair: Mapping[str, Mapping[str, Any]] | None = None,
        max_failed_rows: int | float | str = 0,
        on_kill: Policy = "leave",
        unit: str | None = None,
        edition: str = "",
        storage: Uri | None = None,
        max_requests_per_shard: int = MAX_REQUESTS_PER_BATCH,
        max_bytes_per_shard: int = MAX_BYTES_PER_BATCH,
        max_requests_in_flight: int = REQUESTS_IN_QUEUE,
        poll_interval: timedelta | float = 60,
        deferrable: bool | None = None,
        pilot: Pilot = "auto",
        prompt_cache: CacheTtl | None = None,
        show_prompt: bool = False,
        conn_id: str = DEFAULT_CONN_ID,
        **kwargs: Any,
    ) -> None:
        refuse_message_params(kwargs.get("params"), kwargs.get("dag"))
        check_choice("on_empty", on_empty, "fail", "skip")
        check_choice("on_changed_input", on_changed_input, "fail", "restart")
        check_choice("on_kill", on_kill, *POLICIES)
        check_count("max_rounds", max_rounds)
        check_count("max_requests_per_shard", max_requests_per_shard, most=MAX_REQUESTS_PER_BATCH)
        check_count("max_bytes_per_shard", max_bytes_per_shard, most=MAX_BYTES_PER_BATCH)
        check_count("max_requests_in_flight", max_requests_in_flight)
        check_pilot(pilot)
        check_prompt_cache_choice(prompt_cache)
        if (rows is None) == (requests is None):
            raise ConfigurationError(
                "rows= and requests= are both given or both missing. "
                "Give exactly one: rows= (with prompt= or request_builder=) or requests=."
            )
        super().__init__(**kwargs)
        self.rows = rows if isinstance(rows, RowsArgument) else RowsArgument(rows, "rows")
        self.key = key
        self.keep = keep
        self.prompt = prompt
        self.images = images
        self.documents = documents
        self.system = system
        self.shared_context = SharedContext.of(shared_context)
        self.model = model
        self.max_tokens = max_tokens
        self.message_params = message_params
        self.betas = betas
        self.request_builder = request_builder
        self.output_schema = SchemaArgument.of(output_schema)
        self.requests = requests if isinstance(requests, RowsArgument) else RowsArgument(requests, "requests")
        self.column_prefix = column_prefix
        self.on_empty = on_empty
        self.on_changed_input = on_changed_input
        self.max_rounds = max_rounds
        self.repair = repair
        self.max_failed_rows = max_failed_rows
        self.kill_policy = on_kill
        self.unit = unit
        self.edition = edition
        self.storage = as_uri(storage, "storage")
        self.max_requests_per_shard = max_requests_per_shard
        self.max_bytes_per_shard = max_bytes_per_shard
        self.max_requests_in_flight = max_requests_in_flight
        self.poll_interval = poll_interval
        self.deferrable = default_deferrable() if deferrable is None else deferrable
        self.pilot = pilot
        self.prompt_cache = prompt_cache
        self.show_prompt = show_prompt
        self.conn_id = conn_id
        self.host: str | None = None
        self.published: Manifest | None = None  # by this process: a deferred task publishes in its last stint, too
        self._told_to_stop = False
        self._task_instance: Any = None
        self._job: JobFolder | None = None
        check_row_arguments(self)

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """Begin a mapped task; see Airflow's ``BaseOperator.partial``."""
        if "output_schema" in kwargs:
            kwargs["output_schema"] = SchemaArgument.of(kwargs["output_schema"])
        if "shared_context" in kwargs:
            kwargs["shared_context"] = SharedContext.of(kwargs["shared_context"])
        return super().partial(**kwargs)

    # ----------------------------------------------------------------------------------------- what a subclass defines

    @abstractmethod
    def advance(self, stint: Stint) -> Any:
        """Advance the sealed job; return the task's return value, or :meth:`wait`."""

    def check_before_reading(self, job_input: JobInput) -> None:
        """Check that the task can finish, before a row is read or anything is sent."""

    @property
    def max_columns_bytes(self) -> int | None:
        """The most bytes of the rows' own columns, where this task returns them in XCom; else None."""
        return None

    def result_columns(self, schema: Mapping[str, Any] | None) -> Collection[str] | None:
        """Return the names of the output's own columns where this task chooses them; else None.

        :param schema: the JSON Schema of the answers; None if there is none.
        """
        return None

    def may_send(self) -> bool:
        """Return whether more may be submitted now."""
        return True

    def pinned(self) -> dict[str, Any]:
        """Return the attributes that must stay as they are after a deferral, whatever their templates render then."""
        return {}

    def _restore(self, kept: Mapping[str, Any]) -> None:
        """Set the pinned attributes, and no others, whatever the metadatabase holds."""
        for name in self.pinned().keys() & kept.keys():
            setattr(self, name, kept[name])

    def render_template(
        self, content: Any, context: Context, jinja_env: Environment | None = None, seen_oids: set[int] | None = None
    ) -> Any:
        """Render a template field as Airflow does; of Messages params, only the texts that are templates."""
        is_params = content is self.message_params or content is self.repair
        if not is_params or isinstance(content, (str, ResolveMixin)) or content is None:
            return super().render_template(content, context, jinja_env, seen_oids)
        if seen_oids is not None and id(content) in seen_oids:  # the output of another task
            return content
        render = super().render_template
        return rendered_params(
            content,
            marked=Templates.of(self).marked,
            render=lambda value: render(value, context, jinja_env, seen_oids),
        )

    # --------------------------------------------------------------------------------------------------------- stints

    def execute(self, context: Context) -> Any:
        """Open the unit's job, seal its shards, and advance it."""
        if not self.deferrable:
            return self._execute_on_worker(context)
        with as_task_failures():
            return self._run_stint(context)

    def _execute_on_worker(self, context: Context) -> Any:
        """Do what stints and deferrals do, all in this process."""
        event: dict[str, Any] | None = None
        while True:
            try:
                if event is not None:
                    return self.resume(context, event)
                with as_task_failures():
                    return self._run_stint(context)
            except TaskDeferred as deferral:
                event = event_on_worker(cast("Any", deferral.trigger), lambda: self._told_to_stop)

    def resume(self, context: Context, event: dict[str, Any] | None = None) -> Any:
        """Continue after a deferral, with the job that the task was deferred with.

        :param event: the event that :class:`MessageBatchTrigger` fired.
        """
        show_links(self)
        event = event or {}
        if event.get("outcome") == "unreachable":
            raise given_up(event)
        with as_task_failures():
            try:
                return self._run_stint(context, event)
            except ApiError as error:
                self._wait_out(context, error)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Return the datasets that the task has read and written; Airflow's OpenLineage provider calls it."""
        return lineage_of(task_instance, (self.rows, self.requests), self.published, files=self.shared_context.uris())

    get_openlineage_facets_on_failure = get_openlineage_facets_on_complete

    def on_kill(self) -> None:
        """Send nothing more; cancel the running batches if the policy says so and the task is really over."""
        self._told_to_stop = True
        if self.kill_policy != "cancel" or self._job is None or not is_over(self._task_instance):
            return
        from anthropic_batches_provider.hooks import MessageBatchHook

        with MessageBatchHook(self.conn_id).client() as client:
            cancel_batches(client, running_batch_ids(self._job))

    def _run_stint(self, context: Context, event: Mapping[str, Any] | None = None) -> Any:
        """Open the job, or that of the deferral, and advance it as far as possible.

        :param event: the event that the trigger fired; None in the first stint.
        """
        from anthropic_batches_provider.batches.clock import SystemClock
        from anthropic_batches_provider.batches.further_rounds import Rounds
        from anthropic_batches_provider.hooks import MessageBatchHook
        from anthropic_batches_provider.operators.stints.job_arguments import JobArguments
        from anthropic_batches_provider.operators.stints.job_input import JobInput

        self._task_instance = context["ti"]
        show_links(self)
        for name in self.uri_fields:  # an XCom may have resolved to a path
            setattr(self, name, as_uri(getattr(self, name), name))
        before = None if event is None else DeferralState.recalled(context)
        if before is not None:
            self._restore(before.pinned)
        job_input = JobInput(JobArguments.of(self), context)
        clock, progress = SystemClock(), ProgressReport(context, show_prompt=self.show_prompt)
        with MessageBatchHook(self.conn_id).client() as client, task_spool() as spool:
            show_links(self, host=client.settings.base_url)
            prices = self._price_list(client.settings, before)
            if before is None:
                self.check_before_reading(job_input)
                job = open_job(job_input, client, clock, spool, progress)
                show_opened(job, progress)
            else:
                job = reopen_job(before.job, client, self.conn_id)
            self._job = job
            stint = Stint(
                context=context,
                before=before,
                event=event or {},
                input=job_input,
                job=job,
                submission=self._submission(job, client, clock, progress, pilot=self._pilot_rules(job_input, spool)),
                client=client,
                clock=clock,
                spool=spool,
                progress=progress,
                rounds=Rounds(
                    most=self.max_rounds,
                    limits=job_input.limits,
                    spool_folder=spool,
                    repair=job_input.repair,
                    models=client,
                ),
                prices=prices,
            )
            try:
                return self.advance(stint)
            finally:
                show_links(self, host=self.host, batch_ids=show(stint))

    def _price_list(self, settings: ClientSettings, before: DeferralState | None) -> PriceList:
        """Return the prices that hold; also of a task that only sends, so that no mistake in them is found too late."""
        if before is None:
            return price_list(self.prices, settings, self.conn_id)
        state = (
            f"The job at {before.job} is kept, and its batches run on. Correct the prices, and clear this task: it "
            "continues, and nothing is paid for twice."
        )
        return price_list(self.prices, settings, self.conn_id, state=state)

    def _submission(
        self,
        job: JobFolder,
        client: MessageBatchClient,
        clock: Clock,
        progress: ProgressReport,
        *,
        pilot: PilotRules | None,
    ) -> Submission:
        from anthropic_batches_provider.batches.submission import JobSignals, Submission, ask_time

        return Submission(
            job,
            client,
            clock=clock,
            service_clock=ask_time(client, clock),
            bounds=submission_bounds(),
            signals=JobSignals(
                should_stop=lambda: self._told_to_stop, may_send=self.may_send, moved=lambda: progress.report(job)
            ),
            max_requests_in_flight=self.max_requests_in_flight,
            pilot=pilot,
        )

    def _pilot_rules(self, job_input: JobInput, spool: Path) -> PilotRules | None:
        """Return how the pilot is judged; None if the task has switched it off, whatever was sealed."""
        from anthropic_batches_provider.batches.submission import PilotRules

        if self.pilot == 0:
            return None
        repaired = job_input.repair.changes.keys()
        return PilotRules(spool_folder=spool, repaired=repaired, max_rounds=self.max_rounds)

    # ------------------------------------------------------------------------------------------- deferred between them

    def wait(self, stint: Stint, waiting: NextLook) -> NoReturn:
        """Defer until there is something to do.

        :raises AirflowException: waiting would change nothing.
        """
        now = stint.clock.now()
        planned = stint.next_wait(waiting, now)
        if planned is None:
            raise given_up(stint.event)
        before = stint.before.after(stint.event, now) if stint.before is not None else None
        state = DeferralState(
            job=stint.job.uri,
            until=planned.until.timestamp(),
            ahead_seconds=before.ahead_seconds if before is not None else 0.0,
            pinned=self.pinned(),
        )
        self.log.info(
            "Waiting: %s. The task resumes %s%s UTC.",
            planned.reason,
            "as soon as a batch has ended, at the latest at " if planned.batch_ids else "at ",
            planned.until.in_timezone("UTC").to_datetime_string(),
        )
        self._defer(stint.context, state, planned.batch_ids, job=stint.job)

    def _wait_out(self, context: Context, error: ApiError) -> NoReturn:
        """Defer again because the service could not be asked about the job: a wait of a day may meet an outage.

        :raises ApiError: the error, if waiting does not help, or the task may wait no longer.
        """
        from anthropic_batches_provider.batches.clock import SystemClock

        before = DeferralState.recalled(context)
        again = before.after_failure(error, SystemClock().now()) if before is not None and self.may_send() else None
        if again is None:
            raise error
        self.log.warning(
            "The service could not be asked about %s; its batches run on. The next check is in %d s: %s",
            again.job, again.until - SystemClock().now().timestamp(), error,
        )  # fmt: skip
        self._defer(context, again, (), job=find_job(again.job))

    def _defer(self, context: Context, state: DeferralState, batch_ids: Sequence[str], *, job: JobFolder) -> NoReturn:
        """Store the state, and defer until its moment or until one of the batches ends."""
        state.remember(context)
        self.defer(
            trigger=MessageBatchTrigger(
                batch_ids=tuple(batch_ids),
                conn_id=self.conn_id,
                poll_interval=seconds_of(self.poll_interval),
                deadline=state.until + state.ahead_seconds,
                wait_for="any",
                cancel_on_kill=running_batch_ids(job) if self.kill_policy == "cancel" else (),
            ),
            method_name="resume",
        )
        raise AssertionError("defer returns nothing")  # for the type checker: defer() never returns
