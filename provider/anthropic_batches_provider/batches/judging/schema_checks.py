"""Holds an answer against the user's JSON Schema: by jsonschema-rs where it is installed, else by jsonschema.

Invariant: with either there is the same verdict and the same reason, and a reason names places and demands of the
schema, never what the answer says. So jsonschema gives every reason, since the two name errors differently, and is
taught ``pattern`` and ``multipleOf`` as JSON Schema means them.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from itertools import takewhile
from typing import Any

import jsonschema
import msgspec

from anthropic_batches_provider.batches.requests.schema_places import names_in, path_below
from anthropic_batches_provider.batches.requests.wording import shortened
from anthropic_batches_provider.errors import ConfigurationError

log = logging.getLogger(__name__)

Check = Callable[[Any], str | None]
"""Takes decoded JSON; returns the first reason why it does not fit, or None if it does."""

_extend: Any = jsonschema.validators.extend  # which has no types
_SHOWN = (str, int, float, bool, type(None))
_MAX_SHOWN = 60
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def check_is_schema(schema: Mapping[str, Any]) -> None:
    """Check that a dict is a JSON Schema.

    :raises ConfigurationError: it is not; names the place.
    """
    try:
        _validator_class(schema).check_schema(dict(schema))
    except jsonschema.SchemaError as error:
        raise ConfigurationError(
            f"`output_schema` is no JSON Schema: at {_path(error.absolute_path)}, {shortened(error.message, 200)}. No "
            f"row was read."
        ) from None
    for pattern in _patterns_in(schema):
        try:
            _ecma(pattern)
        except (re.error, ValueError) as error:
            raise ConfigurationError(
                f"The `pattern` {shortened(pattern)!r} in `output_schema` cannot be applied: {error}. No row was read."
            ) from None


def schema_check(schema: Mapping[str, Any]) -> Check:
    """Return the check of a JSON Schema."""
    reason = _slow_check(schema)
    fits = _quick_check(schema)
    return reason if fits is None else lambda value: None if fits(value) else reason(value)


def _quick_check(schema: Mapping[str, Any]) -> Callable[[Any], bool] | None:
    try:
        import jsonschema_rs
    except ImportError:
        _tell_of_the_slow_one()
        return None
    if _is_read_otherwise(schema):
        log.info("jsonschema judges instead of jsonschema-rs, which would decode what `contentMediaType` is of.")
        return None
    try:
        fits: Callable[[Any], bool] = jsonschema_rs.validator_for(
            _with_dialect(schema), validate_formats=False
        ).is_valid
    except ValueError as error:  # such as a pattern that its engine does not know
        log.info("jsonschema judges instead of jsonschema-rs: %s", error)
        return None
    return fits


def _slow_check(schema: Mapping[str, Any]) -> Check:
    validator = _validator_class(schema)(dict(schema))
    names = frozenset(names_in(schema))

    def check(value: Any) -> str | None:
        reasons = [
            (_path(_known(error.absolute_path, names)), error.validator or "", _demand(error))
            for error in validator.iter_errors(value)
        ]
        if not reasons:
            return None
        path, _, demand = min(reasons)
        return f"at {path}, {demand}"

    return check


def _is_read_otherwise(schema: Mapping[str, Any]) -> bool:
    """Return whether jsonschema-rs may refuse what jsonschema takes: content that older drafts let it decode."""
    dialect = str(schema.get("$schema", _DIALECT))
    return "/draft/20" not in dialect and b'"content' in msgspec.json.encode(schema)


def _with_dialect(schema: Mapping[str, Any]) -> dict[str, Any]:
    return dict(schema) if "$schema" in schema else {"$schema": _DIALECT, **schema}


def _validator_class(schema: Mapping[str, Any]) -> Any:
    found = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    return _extend(found, {"pattern": _pattern, "multipleOf": _multiple_of})


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[jsonschema.ValidationError]:
    if validator.is_type(instance, "string") and not _ecma(pattern).search(instance):
        yield jsonschema.ValidationError("pattern")


def _multiple_of(validator: Any, step: Any, instance: Any, schema: Any) -> Iterator[jsonschema.ValidationError]:
    if validator.is_type(instance, "number") and Fraction(str(instance)) % Fraction(str(step)):
        yield jsonschema.ValidationError("multipleOf")


@lru_cache(maxsize=256)
def _ecma(pattern: str) -> re.Pattern[str]:
    r"""Return a pattern as JSON Schema means it: ``$`` is the very end, and ``\d`` and ``\w`` are ASCII."""
    return re.compile(_PIECES.sub(lambda piece: r"\Z" if piece[0] == "$" else piece[0], pattern), re.ASCII)


_PIECES = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|\$", re.DOTALL)


def _patterns_in(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping) and isinstance(schema.get("pattern"), str):
        yield schema["pattern"]
    for part in schema.values() if isinstance(schema, Mapping) else schema if isinstance(schema, list) else ():
        yield from _patterns_in(part)


def _known(path: Iterable[str | int], names: Collection[str]) -> Iterator[str | int]:
    """Yield the parts of a path in an answer up to the first name that is the answer's own."""
    return takewhile(lambda part: isinstance(part, int) or part in names, path)


def _demand(error: jsonschema.ValidationError) -> str:
    keyword, stated, value = error.validator, error.validator_value, error.instance
    if not keyword:
        return "there must be no value (`false`)"
    if keyword == "required" and isinstance(stated, list) and isinstance(value, Mapping):
        missing = next((name for name in stated if name not in value), "")
        return f"{shortened(missing)!r} is missing (`required`)"
    if keyword in ("additionalProperties", "unevaluatedProperties"):
        return f"there is a property that the schema does not name (`{keyword}`)"
    is_short = isinstance(stated, _SHOWN) or (isinstance(stated, list) and all(isinstance(s, _SHOWN) for s in stated))
    said = msgspec.json.encode(stated).decode() if is_short else ""
    return f"the value is not as `{keyword}` demands" + (f": {said}" if 0 < len(said) <= _MAX_SHOWN else "")


def _path(path: Iterable[str | int]) -> str:
    found = "$"
    for part in path:
        found = f"{found}[{part}]" if isinstance(part, int) else path_below(found, part)
    return shortened(found, 120)


@lru_cache(maxsize=1)
def _tell_of_the_slow_one() -> None:
    log.warning(
        "Answers are held against output_schema by jsonschema, which takes about 0.2 ms of processor time for each. "
        "Install airflow-provider-anthropic-batches[validation] for a check that takes a hundredth of that."
    )
