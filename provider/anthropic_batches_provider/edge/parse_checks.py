"""Checks the arguments of an operator as far as they are known when the DAG is parsed.

The rules are those of a run: this module only leaves out the values that a run alone knows. In a mapped task the run
checks everything, because an error there fails the task without a retry.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from airflow.sdk.definitions._internal.mixins import ResolveMixin

from anthropic_batches_provider.batches.output.failed_rows import NO_LETTERS_OF_PLAIN_BATCHES, check_max_failed_rows
from anthropic_batches_provider.batches.output.user_columns import UserColumns
from anthropic_batches_provider.batches.requests.prompt_syntax import check_syntax, checked_source
from anthropic_batches_provider.batches.requests.question_rules import (
    check_builder,
    check_file_columns,
    check_mapping,
    check_output_schema,
    check_params,
    check_prompt_cache,
    check_shared,
    check_source,
    check_system,
    file_columns,
)
from anthropic_batches_provider.batches.requests.repair_rules import check_repair
from anthropic_batches_provider.batches.requests.sdk_types import is_omitted
from anthropic_batches_provider.edge.job_references import batch_ids_in, one_of_both, parts_of_job
from anthropic_batches_provider.edge.mapped_arguments import is_unmapped
from anthropic_batches_provider.edge.prompt_files import PROMPT_FILES
from anthropic_batches_provider.edge.rendered_values import beta_headers
from anthropic_batches_provider.edge.row_arguments import RowsArgument, refuse_source
from anthropic_batches_provider.edge.row_sources import RowSource
from anthropic_batches_provider.edge.sql_table import SqlTable
from anthropic_batches_provider.edge.templates import Templates
from anthropic_batches_provider.edge.uris import local_path
from anthropic_batches_provider.errors import ConfigurationError

_PLAIN = (str, bytes, int, float, type(None))


def check_row_arguments(operator: Any) -> None:
    """Check the arguments of an operator that sends rows.

    :param operator: has an attribute for each argument.
    :raises ConfigurationError: the task could not succeed, whatever its templates and inputs become.
    """
    if is_unmapped(operator):
        return
    templates = Templates.of(operator)
    _check_question(operator, templates)
    _check_repair(operator, templates)
    _check_prompt(operator)
    if not operator.chooses_columns:  # `columns` is not set yet
        UserColumns.of(operator.key, operator.keep, operator.column_prefix)
    for rows in (operator.rows, operator.requests):
        _check_rows(rows, templates)
    _check_betas(operator.betas, templates)
    check_failed_rows_argument(operator)
    check_folder(operator, "storage")


def check_folder(operator: Any, argument: str, *, besides: str = "") -> None:
    """Check the text of a folder.

    :param besides: a word that the argument may be as well.
    :raises ConfigurationError: it is no URI and no absolute path.
    """
    text = getattr(operator, argument)
    if is_unmapped(operator) or not isinstance(text, str) or text == besides:
        return
    _check_path(text, argument, Templates.of(operator))


def check_failed_rows_argument(operator: Any) -> None:
    """Check ``max_failed_rows``.

    :raises ConfigurationError: it is no limit, and no template of one.
    """
    if not is_unmapped(operator) and Templates.of(operator).is_literal(operator.max_failed_rows):
        check_max_failed_rows(operator.max_failed_rows)


def check_dead_letters(operator: Any) -> None:
    """Check that dead letters are asked for only where the requests are known.

    :raises ConfigurationError: they are asked for of batches that something else submitted.
    """
    if not is_unmapped(operator) and operator.dead_letters and operator.job is None:
        raise ConfigurationError(NO_LETTERS_OF_PLAIN_BATCHES)


def check_job_arguments(operator: Any, *, one_job: bool = False, may_be_empty: bool = False) -> None:
    """Check ``job`` and ``batch_ids``.

    :param one_job: whether a list of jobs is refused.
    :param may_be_empty: whether the operator does nothing if neither is given.
    :raises ConfigurationError: they name nothing, or too much.
    """
    if is_unmapped(operator):
        return
    job, batch_ids, templates = operator.job, operator.batch_ids, Templates.of(operator)
    if may_be_empty:
        job, batch_ids = job or None, batch_ids or None
    job_is_known, ids_are_known = templates.is_literal(job), templates.is_literal(batch_ids)
    if job_is_known and ids_are_known and not (may_be_empty and job is batch_ids is None):
        one_of_both(job, batch_ids)
    if ids_are_known and batch_ids is not None:
        batch_ids_in(batch_ids)
    if job_is_known and job is not None:
        _check_job(job, one_job=one_job)


def _check_job(job: Any, *, one_job: bool) -> None:
    if one_job:
        parts_of_job(job)
    elif isinstance(job, (list, tuple)):
        for one in job:
            _check_job(one, one_job=False)
    elif not (isinstance(job, Mapping) and job.get("batch_ids")):  # these ids are enough for a wait
        parts_of_job(job)


def _check_question(operator: Any, templates: Templates) -> None:
    has_prompt, has_requests = operator.prompt is not None, operator.requests.source is not None
    check_source(has_prompt=has_prompt, has_builder=operator.request_builder is not None, has_requests=has_requests)
    check_builder(operator.request_builder)
    images, documents = file_columns("images", operator.images), file_columns("documents", operator.documents)
    check_file_columns(images, documents, has_prompt=has_prompt)
    named = {name: getattr(operator, name) for name in ("model", "max_tokens", "system")}
    named = {name: value for name, value in named.items() if value is not None and not is_omitted(value)}
    to_come = {name for name, value in named.items() if _is_to_come(value, templates)}
    known = {name: value for name, value in named.items() if name not in to_come}
    params = operator.message_params or {}
    if _is_to_come(params, templates):
        params, to_come = {}, {*to_come, "model", "max_tokens", "tools", "system"}
    check_mapping(params, known)
    for name, value in params.items():
        if _is_to_come(value, templates):
            to_come.add(name)
        elif not is_omitted(value):
            known[name] = value
    if _is_known_system(known.get("system"), templates):
        check_system(known.get("system"), known.get("system"))
    check_params(known, has_prompt=has_prompt, has_requests=has_requests, to_come=to_come)
    if operator.output_schema is not None:
        check_output_schema(known, has_requests=has_requests)
    shared = operator.shared_context
    if shared.is_given:
        check_shared(has_requests=has_requests)
    shared.check(templates)
    if operator.prompt_cache is not None:
        check_prompt_cache(known, has_shared=shared.is_given, has_prompt=has_prompt, to_come=to_come)


def _check_repair(operator: Any, templates: Templates) -> None:
    repair = operator.repair
    if repair is None or _is_to_come(repair, templates):
        return
    if isinstance(repair, Mapping):
        repair = {verdict: _known_changes(changes, templates) for verdict, changes in repair.items()}
    check_repair(repair, max_rounds=operator.max_rounds, known=_known_params(operator, templates))


def _known_params(operator: Any, templates: Templates) -> dict[str, Any]:
    """Return the params that every row has for certain; with a builder or ready requests, each row may have others."""
    if operator.prompt is None:
        return {}
    params = operator.message_params
    given = {**params} if isinstance(params, Mapping) else {}
    given |= {"model": operator.model, "max_tokens": operator.max_tokens, "system": operator.system}
    return {name: value for name, value in given.items() if value is not None and templates.is_literal(value)}


def _known_changes(changes: Any, templates: Templates) -> Any:
    """Return what a repair changes; a value that only a run knows becomes a text, or a number of any size."""
    if not isinstance(changes, Mapping):
        return {"model": "to come"} if _is_to_come(changes, templates) else changes
    stand_ins = {"max_tokens": sys.maxsize, "output_config": {}}
    return {
        name: stand_ins.get(name, "to come") if _is_to_come(value, templates) else value
        for name, value in changes.items()
    }


def _is_to_come(value: object, templates: Templates) -> bool:
    """Return whether only a run knows a value; what is inside it does not matter."""
    return isinstance(value, ResolveMixin) or (isinstance(value, str) and templates.in_text(value))


def _is_known_system(system: object, templates: Templates) -> bool:
    """Return whether the form of a system prompt is known: the SDK's models may become blocks too."""
    blocks = system if isinstance(system, (list, tuple)) else [system]
    return all(isinstance(block, (Mapping, *_PLAIN)) and not _is_to_come(block, templates) for block in blocks)


def _check_prompt(operator: Any) -> None:
    """Check the syntax of a prompt that is no file, if the DAG is known, which may add to the syntax."""
    if operator.prompt is None:
        return
    source = checked_source(operator.prompt)
    dag = operator.get_dag()
    if dag is not None and not source.endswith(PROMPT_FILES):
        check_syntax(source, dag.get_template_env(force_sandboxed=True))


def _check_rows(rows: RowsArgument, templates: Templates) -> None:
    source = rows.source
    if isinstance(source, str):
        _check_path(source, rows.name, templates)
    elif isinstance(source, RowSource):
        source.check(templates)
    elif isinstance(source, SqlTable) or not (source is None or isinstance(source, ResolveMixin) or callable(source)):
        refuse_source(source)


def _check_path(text: str, argument: str, templates: Templates) -> None:
    if templates.in_text(text):
        return
    try:
        local_path(text)
    except ConfigurationError as error:
        table = " For a table of a database, give SqlTable(conn_id, table)." if argument == "destination" else ""
        raise ConfigurationError(f"{argument}=: {error}{table}") from None


def _check_betas(betas: Any, templates: Templates) -> None:
    if isinstance(betas, str) and not templates.in_text(betas):
        raise ConfigurationError(f"betas= is the text {betas!r:.80}. Give a list of texts: betas=[{betas!r:.80}].")
    if templates.is_literal(betas):
        beta_headers(betas)
