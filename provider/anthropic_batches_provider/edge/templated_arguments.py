"""Arguments with arguments of their own, which Airflow wires and renders: sources of rows, tables as destinations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any, Self

from airflow.providers.common.compat.sdk import XComArg
from airflow.sdk.definitions._internal.mixins import ResolveMixin

from anthropic_batches_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Context


class TemplatedArguments(ResolveMixin):
    """The value of an operator's argument that has arguments of its own.

    :cvar templated: the names of the attributes that Airflow renders.
    """

    templated: tuple[str, ...] = ()
    _is_resolved = False

    def iter_references(self) -> Iterable[tuple[Any, str]]:
        """Yield the references to the upstream tasks whose output is among the arguments."""
        for name in self.templated:
            yield from XComArg.iter_xcom_references(getattr(self, name))

    def resolve(self, context: Context, *_: Any, may_render: bool = True, **__: Any) -> Self:
        """Return a copy with its arguments rendered, and the output of other tasks in place.

        :param may_render: whether the DAG's author wrote the arguments; the output of another task is never rendered.
        """
        if self._is_resolved:  # Airflow resolves an argument of expand_kwargs() twice; data must not be rendered
            return self
        resolved = copy(self)
        resolved._is_resolved = True
        task: Any = context["task"]
        for name in self.templated:
            value = getattr(self, name)
            if isinstance(value, ResolveMixin):
                value = value.resolve(context)
            elif may_render:
                value = task.render_template(value, context)
            setattr(resolved, name, value)
        return resolved


def refuse_task(source: Any, name: str) -> None:
    """Refuse a task in place of its output; its attributes show what it is, wherever its class comes from.

    :param name: of the argument, for the message.
    :raises ConfigurationError: it is a task, or a ``@task`` function that was not called.
    """
    if callable(source) and hasattr(source, "operator_class") and hasattr(source, "function"):
        function = getattr(source.function, "__name__", "the function")
        raise ConfigurationError(
            f"{name}= is the @task function {function}, not its output. Call it: {name}={function}()."
        )
    if hasattr(source, "task_id") and hasattr(source, "output") and not isinstance(source, (ResolveMixin, Mapping)):
        raise ConfigurationError(
            f"{name}= is the task {source.task_id!r}, not its output. Give its output: {name}={source.task_id}.output."
        )
