"""``@task.message_batch``: sends the rows of a function to the Message Batches API and collects the answers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from airflow.providers.common.compat.sdk import DecoratedOperator, XComArg, determine_kwargs, task_decorator_factory
from airflow.sdk.definitions._internal.mixins import ResolveMixin

from anthropic_batches_provider.edge.mapped_arguments import is_literal_function_argument
from anthropic_batches_provider.edge.output_schemas import SchemaArgument
from anthropic_batches_provider.edge.row_arguments import RowsArgument
from anthropic_batches_provider.edge.shared_context import SharedContext
from anthropic_batches_provider.errors import ConfigurationError
from anthropic_batches_provider.operators import MessageBatchOperator

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.bases.decorator import TaskDecorator

    from anthropic_batches_provider.batches.rows import Reading

__all__ = ["message_batch_task"]

_NAME = "@task.message_batch"


class FunctionRows(RowsArgument):
    """The rows that a function returns or yields, as a value of ``rows=``.

    Text among the arguments is templated, and the output of other tasks is resolved. Neither is shown or stored.
    """

    def __init__(self, function: Callable[..., Any], args: Collection[Any], kwargs: Mapping[str, Any]) -> None:
        super().__init__(function)
        self._args = args
        self._kwargs = kwargs

    def iter_references(self) -> Iterable[tuple[Any, str]]:
        """Return the upstream tasks whose output is among the arguments."""
        yield from XComArg.iter_xcom_references([*self._args, *self._kwargs.values()])

    def resolve(self, context: Context, *_: Any, **__: Any) -> FunctionRows:
        """Return this with its arguments resolved; Airflow calls it once per task instance."""
        args = [_resolved(value, context, may_render=True) for value in self._args]  # positional ones are never mapped
        kwargs = {
            name: _resolved(value, context, may_render=is_literal_function_argument(context, name))
            for name, value in self._kwargs.items()
        }
        return FunctionRows(self.source, args, kwargs)

    def read(self, context: Context, reading: Reading | None = None) -> Iterator[Any]:
        """Call the function and iterate over its rows; see :meth:`RowsArgument.read`.

        :raises ConfigurationError: it returned something that cannot be read as rows.
        """
        known = {**cast("Mapping[str, Any]", context), **self._kwargs}
        kwargs = determine_kwargs(self.source, self._args, known)
        rows = RowsArgument(self.source(*self._args, **kwargs))
        return rows.read(context, reading)


def _resolved(value: Any, context: Context, *, may_render: bool) -> Any:
    """Return an argument with its references replaced; the output of other tasks is never rendered."""
    if isinstance(value, ResolveMixin):
        return value.resolve(context)
    if isinstance(value, str):
        task: Any = context["task"]
        return task.render_template(value, context) if may_render else value
    if type(value) is dict:
        return {name: _resolved(each, context, may_render=may_render) for name, each in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_resolved(each, context, may_render=may_render) for each in value)
    return value


class MessageBatchDecoratedOperator(DecoratedOperator, MessageBatchOperator):
    """Runs a function and sends the rows that it returns or yields; see :class:`MessageBatchOperator`.

    :param python_callable: the decorated function.
    :param op_args: its positional arguments.
    :param op_kwargs: its keyword arguments.
    """

    custom_operator_name: ClassVar[str] = _NAME
    # The first two wire a mapped task to the tasks whose output it takes. In a task they are empty: rows= has all.
    template_fields: Sequence[str] = (*DecoratedOperator.template_fields, *MessageBatchOperator.template_fields)
    template_fields_renderers: ClassVar[dict[str, str]] = {**MessageBatchOperator.template_fields_renderers}
    shallow_copy_attrs: Sequence[str] = (
        *DecoratedOperator.shallow_copy_attrs,
        *MessageBatchOperator.shallow_copy_attrs,
    )

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if "rows" in kwargs or "requests" in kwargs:
            raise ConfigurationError(
                f"{_NAME} takes no rows= or requests=. Remove them: the function returns or yields the rows."
            )
        if inspect.iscoroutinefunction(python_callable) or inspect.isasyncgenfunction(python_callable):
            raise ConfigurationError(f"{_NAME} takes no async function. Use a plain function or generator.")
        super().__init__(
            python_callable=python_callable,
            op_args=op_args,
            op_kwargs=op_kwargs,
            kwargs_to_upstream={"rows": FunctionRows(python_callable, op_args or (), op_kwargs or {})},
            **kwargs,
        )
        self.op_args, self.op_kwargs = (), {}

    def execute(self, context: Context) -> Any:
        """Run as the operator does; the code that a decorated operator adds does not suit a task that defers."""
        return MessageBatchOperator.execute(self, context)


def message_batch_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """Make a task from a function that returns or yields rows; available as ``@task.message_batch``.

    :param python_callable: the function; it may take context variables as arguments, as in any ``@task``.
    :param kwargs: parameters of :class:`MessageBatchOperator`, except for ``rows`` and ``requests``.
    """
    if "output_schema" in kwargs:
        kwargs["output_schema"] = SchemaArgument.of(kwargs["output_schema"])
    if "shared_context" in kwargs:
        kwargs["shared_context"] = SharedContext.of(kwargs["shared_context"])
    return task_decorator_factory(
        python_callable=python_callable, decorated_operator_class=MessageBatchDecoratedOperator, **kwargs
    )
