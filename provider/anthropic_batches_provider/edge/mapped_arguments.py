"""Finds the arguments of a mapped task that are written in the DAG's file: only these may be rendered as templates.

The output of another task is data: if it were rendered, a text such as ``{{ conn.name.password }}`` in it would fetch
a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.definitions._internal.mixins import ResolveMixin

if TYPE_CHECKING:
    from airflow.sdk import Context


def is_literal_argument(context: Context, argument: str) -> bool:
    """Return whether the DAG's author wrote an operator's argument, so that it is not another task's output.

    :param context: of the running task.
    """
    origin = _mapped_origin(context)
    if origin is None or argument in origin.partial_kwargs:
        return True
    return _is_literal(origin.expand_input.value, argument)


def is_literal_function_argument(context: Context, argument: str) -> bool:
    """Return whether the DAG's author wrote an argument of a decorated function."""
    origin = _mapped_origin(context)
    if origin is None or argument in origin.partial_kwargs.get("op_kwargs", {}):
        return True
    return _is_literal(origin.op_kwargs_expand_input.value, argument)


def is_unmapped(operator: Any) -> bool:
    """Return whether Airflow makes this operator now, in a run, from a mapped one."""
    return bool(getattr(operator, "_BaseOperator__from_mapped", False))


def _mapped_origin(context: Context) -> Any:
    """Return the mapped operator that the running task was made from; None if it is not mapped."""
    task: Any = context["task"]
    dag = getattr(task, "dag", None)
    origin = dag.task_dict.get(task.task_id) if dag is not None else None
    return origin if hasattr(origin, "partial_kwargs") else None


def _is_literal(expanded: Any, argument: str) -> bool:
    """Return whether an argument is mapped over literal values.

    :param expanded: lists by the argument's name, or a list of dicts.
    """
    values = expanded.get(argument) if isinstance(expanded, dict) else expanded
    return values is not None and not isinstance(values, ResolveMixin)
