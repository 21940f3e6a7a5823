"""The value of ``output_schema=``: a pydantic model, a JSON Schema, or the name of a model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from anthropic_batches_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.requests import OutputSchema

_NAME = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_FORMS = "a pydantic model, a JSON Schema (a dict), or the text 'module:Model'"


class SchemaArgument:
    """Holds the value of ``output_schema=``, so that Airflow never looks at it.

    In a mapped task Airflow would write the source code of a model into its database, and make a new version of the DAG
    whenever that changes. Of this object it writes a label. It still sees values of ``expand(output_schema=…)``, of
    ``override`` and of ``default_args``.

    :param value: as the user gave it.
    :raises ConfigurationError: it is none of the forms, or a model that other tasks cannot find.
    """

    def __init__(self, value: Any) -> None:
        self.value = value
        if isinstance(value, Mapping):
            return
        if isinstance(value, str):
            if not _NAME.fullmatch(value):
                raise ConfigurationError(f"output_schema= is the text {value!r:.80}. Give {_FORMS}.")
        elif not (isinstance(value, type) and hasattr(value, "model_json_schema")):
            raise ConfigurationError(f"output_schema= is of type {type(value).__name__}. Give {_FORMS}.")
        elif "<locals>" in value.__qualname__:
            raise ConfigurationError(
                f"output_schema= is the model {value.__qualname__}, which is defined inside a function, where other "
                "tasks do not find it. Define it at the top of its module."
            )

    @classmethod
    def of(cls, value: Any) -> SchemaArgument | None:
        """Return a value in its wrapper; None if there is none."""
        return value if value is None or isinstance(value, SchemaArgument) else cls(value)

    def resolved(self) -> OutputSchema:
        """Return the JSON Schema, and the name of its model.

        :raises ConfigurationError: the model cannot be imported, or has no JSON Schema; or it is no JSON Schema.
        """
        from anthropic_batches_provider.batches.judging import check_is_schema
        from anthropic_batches_provider.batches.requests import OutputSchema, json_schema_of, schema_of_model

        if isinstance(self.value, Mapping):
            schema = OutputSchema(json_schema_of(self.value))
            check_is_schema(schema.schema)
            return schema
        model = self._model()
        return OutputSchema(schema_of_model(model), f"{model.__module__}:{model.__qualname__}")

    def _model(self) -> Any:
        if not isinstance(self.value, str):
            return self.value
        from anthropic_batches_provider.batches.judging import imported_model
        from anthropic_batches_provider.batches.passing_failures import PASSING_IN_USER_CODE

        try:
            model = imported_model(self.value)
        except PASSING_IN_USER_CODE:
            raise
        except (Exception, SystemExit) as error:
            raise ConfigurationError(
                f"output_schema={self.value!r} cannot be imported: {type(error).__name__}: {error}. Check the name, "
                "and that the workers have the module. No row was read."
            ) from error
        if not hasattr(model, "model_json_schema"):
            raise ConfigurationError(f"output_schema={self.value!r} names no pydantic model. Give {_FORMS}.")
        return model

    def serialize(self) -> str:
        """Return a label for Airflow's serialized DAG; never source code, and never a schema."""
        if isinstance(self.value, Mapping):
            return "<JSON Schema>"
        return self.value if isinstance(self.value, str) else f"<model {self.value.__qualname__}>"

    __str__ = serialize
    __repr__ = serialize
