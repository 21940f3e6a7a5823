"""The form that answers must have: the user's JSON Schema, where it comes from, and what is sent for it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from anthropic_batches_provider.batches.requests.api_schemas import ApiSchema, api_schema
from anthropic_batches_provider.batches.requests.encoding import (
    NotJsonError,
    encode_arguments,
    encode_sorted,
    encode_values,
)
from anthropic_batches_provider.batches.requests.question_rules import check_no_format
from anthropic_batches_provider.batches.requests.schema_places import without_titles
from anthropic_batches_provider.batches.requests.sdk_types import is_omitted
from anthropic_batches_provider.errors import ConfigurationError


@dataclass(frozen=True, eq=False)
class OutputSchema:
    """The JSON Schema that each answer must fit.

    :param schema: the user's own; decoded JSON.
    :param model_name: the pydantic model that it was made from, as ``module:Model``; "" without one.
    """

    schema: Mapping[str, Any]
    model_name: str = ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OutputSchema) and (self.hash, self.model_name) == (other.hash, other.model_name)

    def __hash__(self) -> int:
        return hash((self.hash, self.model_name))

    @cached_property
    def demands(self) -> Any:
        """The schema without its titles: what it asks for, whatever the model is called."""
        return without_titles(self.schema)

    @cached_property
    def hash(self) -> str:
        """32 hex digits that change when the schema does, its titles apart."""
        return hashlib.blake2b(encode_sorted(self.demands), digest_size=16).hexdigest()

    @cached_property
    def form(self) -> ApiSchema:
        """The schema in the form that the API takes.

        :raises ConfigurationError: there is none; names each place.
        """
        return api_schema(self.schema)

    @cached_property
    def format(self) -> dict[str, Any]:
        """The value of ``output_config.format``."""
        return {"type": "json_schema", "schema": self.form.schema}

    @cached_property
    def sent(self) -> bytes:
        """The bytes of :attr:`format` in each request."""
        return encode_arguments(self.format)

    def added_to(self, output_config: Any) -> dict[str, Any]:
        """Return an ``output_config`` that asks for this form, beside what it says already.

        :raises ConfigurationError: it asks for a form itself, or is no dict.
        """
        if output_config is None or is_omitted(output_config):
            output_config = {}
        check_no_format(output_config)
        return {**output_config, "format": self.format}


def json_schema_of(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a JSON Schema that holds nothing but JSON.

    :raises ConfigurationError: it holds something else.
    """
    try:
        plain: dict[str, Any] = msgspec.json.decode(encode_values(schema))
    except NotJsonError as error:
        raise ConfigurationError(f"`output_schema` is not JSON: {error}.") from error
    return plain


def schema_of_model(model: Any) -> dict[str, Any]:
    """Return the JSON Schema of a pydantic model.

    :raises ConfigurationError: it has none.
    """
    try:
        schema = model.model_json_schema()
    except Exception as error:
        raise ConfigurationError(
            f"The model {model.__qualname__} of `output_schema` has no JSON Schema: {type(error).__name__}: {error}"
        ) from error
    return json_schema_of(schema)
