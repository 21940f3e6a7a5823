"""Turns an operator's rendered arguments into the engine's input: the question, the plan of the job, prepared rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anthropic_batches_provider.edge.prompt_files import load_prompt
from anthropic_batches_provider.edge.rendered_values import beta_headers, failed_rows_limit, whole_number
from anthropic_batches_provider.edge.row_arguments import RowsArgument
from anthropic_batches_provider.edge.task_identity import attempt_group, unit_of_work

if TYPE_CHECKING:
    from airflow.sdk import Context

    from anthropic_batches_provider.batches.invalid_rows import InvalidRow
    from anthropic_batches_provider.batches.ledger import ColumnRecord
    from anthropic_batches_provider.batches.output.column_choice import ColumnChoice
    from anthropic_batches_provider.batches.output.columns import RowLayout
    from anthropic_batches_provider.batches.prompt_cache import PromptCache
    from anthropic_batches_provider.batches.repairs import Repair
    from anthropic_batches_provider.batches.requests import FileColumns, Question
    from anthropic_batches_provider.batches.rows import ColumnTypes, PreparedRow, RowColumns, Splice
    from anthropic_batches_provider.batches.sharding import ShardLimits
    from anthropic_batches_provider.batches.submission import JobPlan
    from anthropic_batches_provider.operators.stints.job_arguments import JobArguments


class JobInput:
    """The job and the rows that one attempt of an operator requests."""

    def __init__(self, arguments: JobArguments, context: Context) -> None:
        self.arguments = arguments
        self.context = context
        self._types: ColumnTypes | None = None

    @property
    def source(self) -> RowsArgument:
        """The source of the rows."""
        return self.arguments.rows if self.arguments.requests.source is None else self.arguments.requests

    @property
    def tries(self) -> str:
        """The name of the group of tries since the task instance was last cleared."""
        return attempt_group(self.context)

    @property
    def limits(self) -> ShardLimits:
        """How large a shard may be: no larger than the window."""
        from anthropic_batches_provider.batches.sharding import ShardLimits

        arguments = self.arguments
        return ShardLimits(
            max_requests=min(arguments.max_requests_per_shard, arguments.max_requests_in_flight),
            max_bytes=arguments.max_bytes_per_shard,
        )

    @cached_property
    def plan(self) -> JobPlan:
        """The requested job.

        :raises ConfigurationError: the question cannot be asked.
        """
        from anthropic_batches_provider.batches.rows import READY_KEY_COLUMN
        from anthropic_batches_provider.batches.submission import JobPlan

        arguments, question, columns = self.arguments, self._question, self._columns
        betas = beta_headers(arguments.betas)
        dag_run: Any = self.context["dag_run"]
        return JobPlan(
            unit=unit_of_work(self.context, arguments.unit),
            question="-".join((question.fingerprint(), *betas)),
            conn_id=arguments.conn_id,
            run_id=dag_run.run_id,
            edition=str(arguments.edition),
            on_changed_input=arguments.on_changed_input,
            betas=betas,
            key_columns=(READY_KEY_COLUMN,) if question.ready_requests else columns.key_columns,
            column_prefix=arguments.column_prefix,
            limits=self.limits,
            tries=self.tries,
            max_failed_rows=failed_rows_limit(arguments.max_failed_rows),
            model=arguments.model if arguments.prompt is not None else None,
            repair=self.repair,
            max_columns_bytes=arguments.max_columns_bytes,
            output_schema=question.output_schema,
            show_prompt=arguments.show_prompt,
            pilot=arguments.pilot,
            shared_blocks=len(question.shared),
            prompt_cache=self._prompt_cache,
        )

    @property
    def _prompt_cache(self) -> PromptCache | None:
        from anthropic_batches_provider.batches.prompt_cache import PromptCache

        ttl = self.arguments.prompt_cache
        return None if ttl is None else PromptCache(ttl=ttl, shared_blocks=len(self._question.shared))

    @cached_property
    def repair(self) -> Repair:
        """Which answers are asked for again.

        :raises ConfigurationError: they cannot be.
        """
        from anthropic_batches_provider.batches.repairs import Repair
        from anthropic_batches_provider.batches.requests import repair_changes

        arguments = self.arguments
        known = self._question_alone.defaults if arguments.prompt is not None else {}
        return Repair(repair_changes(arguments.repair, max_rounds=arguments.max_rounds, known=known))

    def contents(self) -> str:
        """Return what the requests hold besides texts of rows, for the log; "" for nothing."""
        import msgspec

        question = self._question
        held = []
        if question.shared:
            held.append(f"{len(msgspec.json.encode(question.shared)):,} bytes of shared_context each")
        if question.files is not None:
            held.append(str(question.files.contents))
        return "; ".join(held)

    def check_new(self) -> None:
        """Check what only a job that is not submitted yet must fulfill.

        :raises ConfigurationError: the API would refuse every row.
        """
        self._question.check_schema()

    def prepared_rows(self, spool: Path) -> Iterator[PreparedRow | InvalidRow]:
        """Read the rows from the start, checked and encoded.

        :param spool: a local folder of this attempt alone.
        """
        from anthropic_batches_provider.batches.rows import (
            READY_KEY_COLUMN,
            ColumnTypes,
            Reading,
            prepare_requests,
            prepare_rows,
        )

        if self._question.ready_requests:
            types = self._types = ColumnTypes(None, READY_KEY_COLUMN)
            reading = Reading(ready_requests=True, schema=types.schema)
            requests = self.arguments.requests.read(self.context, reading)
            return prepare_requests(requests, spool_folder=spool, types=types)
        types = self._types = ColumnTypes(self._columns)
        reading = Reading(digits_of=self._columns_with_digits(), schema=types.schema, splice=self._splice(types))
        rows = self.arguments.rows.read(self.context, reading)
        return prepare_rows(
            rows, columns=self._columns, encode=self._question.encode_params, spool_folder=spool, types=types
        )

    def _splice(self, types: ColumnTypes) -> Splice | None:
        from anthropic_batches_provider.batches.rows import can_splice, splicer

        params = self._question.spliced_params() if can_splice(self._columns) else None
        return None if params is None else splicer(self._columns, params, types)

    def column_records(self) -> tuple[ColumnRecord, ...]:
        """Return the user's columns in the output, with their types, once the prepared rows are read."""
        return () if self._types is None else self._types.records()

    def known_layout(self, choice: ColumnChoice, *, include_message: bool) -> tuple[RowLayout, bool]:
        """Return the columns of a table as far as they are known before a row is read, and whether these are all.

        The type of a column of the rows' own is empty.
        """
        import msgspec

        from anthropic_batches_provider.batches.ledger import ColumnRecord
        from anthropic_batches_provider.batches.output.columns import RowLayout

        plan, columns = self.plan, self._columns
        is_ready, keeps_all = self._question.ready_requests, columns.keep == "*"
        kept = () if is_ready or keeps_all else columns.kept_columns
        layout = RowLayout(
            column_prefix=columns.column_prefix,
            include_message=include_message,
            choice=choice,
            own=tuple(ColumnRecord(name=name, type="") for name in (*plan.key_columns, *kept)),
            answer_schema=None if plan.output_schema is None else msgspec.json.encode(plan.output_schema.schema),
        )
        return layout, is_ready or not keeps_all

    def _columns_with_digits(self) -> frozenset[str] | None:
        """Return the columns whose numbers are written or printed as they are; None for all."""
        printed = self._question.printed_columns
        if printed is None or self._columns.keep == "*":
            return None
        return printed.union(self._columns.key_columns, self._columns.kept_columns)

    @cached_property
    def _question(self) -> Question:
        """The whole question; a job that is sealed does without it, and so without the files that rows share."""
        from anthropic_batches_provider.batches.requests.question_rules import check_prompt_cache, check_shared

        alone, arguments = self._question_alone, self.arguments
        if arguments.shared_context.is_given:
            check_shared(has_requests=alone.ready_requests)
        shared = arguments.shared_context.blocks(self.context, model=arguments.model)
        if arguments.prompt_cache is not None:
            check_prompt_cache(alone.defaults, has_shared=bool(shared), has_prompt=alone.prompt is not None)
        if not shared:
            return alone
        files = alone.files
        if files is not None:
            files = replace(files, shared_images=sum(block["type"] == "image" for block in shared))
        return replace(alone, shared=shared, files=files)

    @cached_property
    def _question_alone(self) -> Question:
        """The question without what rows share."""
        from anthropic_batches_provider.batches.requests import Question

        arguments = self.arguments
        params: Any = arguments.message_params or {}  # a text is refused with the rest
        question = Question(
            prompt=None if arguments.prompt is None else load_prompt(arguments.prompt, self.context),
            request_builder=arguments.request_builder,
            ready_requests=arguments.requests.source is not None,
            model=arguments.model,
            system=arguments.system,
            max_tokens=whole_number("max_tokens", arguments.max_tokens),
            params=params,
            output_schema=None if arguments.output_schema is None else arguments.output_schema.resolved(),
            files=self._files(),
        )
        question.validate()
        return question

    def _files(self) -> FileColumns | None:
        """Return the columns of images and documents; None if there are none."""
        from anthropic_batches_provider.batches.requests import FileColumns
        from anthropic_batches_provider.batches.requests.question_rules import file_columns
        from anthropic_batches_provider.edge.cell_files import read_cell_file

        images = file_columns("images", self.arguments.images)
        documents = file_columns("documents", self.arguments.documents)
        if not images and not documents:
            return None
        return FileColumns(images=images, documents=documents, read_file=read_cell_file)

    @cached_property
    def _columns(self) -> RowColumns:
        from anthropic_batches_provider.batches.rows import RowColumns

        arguments, judged_by = self.arguments, self._question.output_schema
        return RowColumns(
            key=arguments.key,
            keep=arguments.keep,
            column_prefix=arguments.column_prefix,
            result_columns=arguments.result_columns(None if judged_by is None else judged_by.schema),
        )
