"""From an operator's rendered arguments to what the engine takes: the question, the plan of the job, prepared rows."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anthropic_batches_provider.edge.jobs import attempt_group, unit_of_work
from anthropic_batches_provider.edge.prompt_files import load_prompt
from anthropic_batches_provider.edge.row_arguments import RowsArgument

if TYPE_CHECKING:
    from airflow.sdk import Context

    from anthropic_batches_provider.batches.requests import Question
    from anthropic_batches_provider.batches.rows import PreparedRow, RowColumns
    from anthropic_batches_provider.batches.sharding import ShardLimits
    from anthropic_batches_provider.batches.submission import JobPlan
    from anthropic_batches_provider.operators.rows_operator import RowsOperator


class JobInput:
    """What one attempt of an operator asks for.

    :param operator: with its template fields rendered.
    """

    def __init__(self, operator: RowsOperator, context: Context) -> None:
        self._operator = operator
        self.context = context

    @property
    def source(self) -> RowsArgument:
        """Where the rows come from."""
        return self._operator.rows if self._operator.requests.source is None else self._operator.requests

    @property
    def tries(self) -> str:
        """Names the tries of the task instance since it was last cleared."""
        return attempt_group(self.context)

    @property
    def limits(self) -> ShardLimits:
        """How large a shard may become: no larger than what may be in flight."""
        from anthropic_batches_provider.batches.sharding import ShardLimits

        operator = self._operator
        return ShardLimits(
            max_requests=min(operator.max_requests_per_shard, operator.max_requests_in_flight),
            max_bytes=operator.max_bytes_per_shard,
        )

    @cached_property
    def plan(self) -> JobPlan:
        """The job that is asked for.

        :raises ConfigurationError: the question cannot be asked.
        """
        from anthropic_batches_provider.batches.rows import READY_KEY_COLUMN
        from anthropic_batches_provider.batches.submission import JobPlan

        operator, question, columns = self._operator, self._question, self._columns
        dag_run: Any = self.context["dag_run"]
        return JobPlan(
            unit=unit_of_work(self.context, operator.unit),
            question="-".join((question.fingerprint(), *operator.betas)),
            conn_id=operator.conn_id,
            run_id=dag_run.run_id,
            edition=str(operator.edition),
            on_changed_input=operator.on_changed_input,
            betas=tuple(operator.betas),
            key_columns=(READY_KEY_COLUMN,) if question.ready_requests else columns.key_columns,
            column_prefix=operator.column_prefix,
            limits=self.limits,
            tries=self.tries,
        )

    def prepared_rows(self, spool: Path) -> Iterator[PreparedRow]:
        """Read the rows from their beginning, checked and encoded.

        :param spool: a local folder of this attempt alone.
        """
        from anthropic_batches_provider.batches.rows import prepare_requests, prepare_rows

        operator = self._operator
        if self._question.ready_requests:
            return prepare_requests(operator.requests.read(self.context, ready_requests=True), spool_folder=spool)
        rows = operator.rows.read(self.context)
        return prepare_rows(rows, columns=self._columns, encode=self._question.encode_params, spool_folder=spool)

    @cached_property
    def _question(self) -> Question:
        from anthropic_batches_provider.batches.requests import Question

        operator = self._operator
        question = Question(
            prompt=None if operator.prompt is None else load_prompt(operator.prompt, self.context),
            request_builder=operator.request_builder,
            ready_requests=operator.requests.source is not None,
            model=operator.model,
            system=operator.system,
            max_tokens=operator.max_tokens,
            params=operator.message_params or {},
        )
        question.validate()
        return question

    @cached_property
    def _columns(self) -> RowColumns:
        from anthropic_batches_provider.batches.rows import RowColumns

        operator = self._operator
        return RowColumns(key=operator.key, keep=operator.keep, column_prefix=operator.column_prefix)
