"""Which values of an operator's arguments are templates, so that only a run knows what they become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow.sdk.definitions._internal.mixins import ResolveMixin

_MARKS = {"variable_start_string": "{{", "block_start_string": "{%", "comment_start_string": "{#"}
_PREFIXES = ("line_statement_prefix", "line_comment_prefix")


@dataclass(frozen=True, slots=True)
class Templates:
    """How an operator's templates are recognized.

    :param marks: a text with one of these is rendered.
    :param files: a text that ends in one of these names a file of a template.
    """

    marks: tuple[str, ...]
    files: tuple[str, ...]

    @classmethod
    def of(cls, operator: Any) -> Templates:
        """Return how the templates of an operator are recognized; a DAG may have marks of its own."""
        dag = operator.get_dag()
        own: Mapping[str, Any] = (dag.jinja_environment_kwargs if dag is not None else None) or {}
        marks = [own.get(name, mark) for name, mark in _MARKS.items()] + [own.get(name) for name in _PREFIXES]
        return cls(tuple(mark for mark in marks if mark), tuple(operator.template_ext))

    def in_text(self, text: str) -> bool:
        """Return whether a text is a template, or names one."""
        return text.endswith(self.files) or self.marked(text)

    def marked(self, text: str) -> bool:
        """Return whether a text holds the marks of a template."""
        return any(mark in text for mark in self.marks)

    def is_literal(self, value: object) -> bool:
        """Return whether a value is known before a run: no template, no task's output, and neither inside it."""
        if isinstance(value, ResolveMixin):
            return False
        if isinstance(value, str):
            return not self.in_text(value)
        if isinstance(value, Mapping):
            return all(self.is_literal(each) for each in value.values())
        if isinstance(value, (list, tuple, set, frozenset)):
            return all(self.is_literal(each) for each in value)
        return True
