"""Holds an answer against a pydantic model, by the name under which every task finds it."""

from __future__ import annotations

import importlib
import logging
import re
import sys
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from itertools import takewhile
from typing import Any

from anthropic_batches_provider.batches.passing_failures import PASSING_IN_USER_CODE
from anthropic_batches_provider.batches.requests.answer_schemas import OutputSchema, schema_of_model
from anthropic_batches_provider.batches.requests.schema_places import names_in, path_below
from anthropic_batches_provider.batches.requests.wording import shortened

log = logging.getLogger(__name__)

_OF_DAG_FILE = re.compile(r"unusual_prefix_[0-9a-f]+_")
_DEMANDS = ("ge", "gt", "le", "lt", "multiple_of", "min_length", "max_length", "pattern", "expected", "field_type")


def model_check(output_schema: OutputSchema) -> Callable[[str], str | None] | None:
    """Return a check that takes an answer's JSON, and returns the first reason why it does not fit, or None.

    :returns: None if the model is not the one of the schema, or is not there; that is logged.
    """
    model = model_named(output_schema)
    if model is None:
        return None
    from pydantic import ValidationError

    validate = model.model_validate_json
    names = frozenset(names_in(output_schema.schema))

    def check(text: str) -> str | None:
        try:
            validate(text, strict=True)
        except ValidationError as error:
            return _reason(error.errors(include_url=False, include_input=False)[0], names)
        except PASSING_IN_USER_CODE:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - from the model's own code
            return f"the model's own validator raised {type(error).__name__}"
        return None

    return check


@lru_cache(maxsize=64)
def _model_of(name: str, schema_hash: str) -> Any:
    """Return the model of a name if its schema is still the same; else None. Says so once."""
    try:
        model = imported_model(name)
        is_the_same = OutputSchema(schema_of_model(model)).hash == schema_hash
    except PASSING_IN_USER_CODE:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - importing runs the user's code
        why = f"cannot be imported here ({type(error).__name__}: {shortened(str(error), 200)})"
    else:
        if is_the_same:
            return model
        why = "has another schema by now"
    log.warning(
        "The model %s, which the answers of this job are meant for, %s. They are judged by its JSON Schema as the job "
        "keeps it; the model's own validators did not run.",
        name, why,
    )  # fmt: skip
    return None


def model_named(output_schema: OutputSchema) -> Any:
    """Return the model that a schema was made from, as :func:`model_check` uses it; None if it cannot be."""
    return _model_of(output_schema.model_name, output_schema.hash) if output_schema.model_name else None


def imported_model(name: str) -> Any:
    """Import ``module:Model``. A model of a DAG's file is found where that file has been parsed.

    :raises Exception: it cannot be imported, for whatever reason.
    """
    module_name, _, qualified = name.partition(":")
    found: Any = _module(module_name)
    for part in qualified.split("."):
        found = getattr(found, part)
    return found


def _module(name: str) -> Any:
    if name in sys.modules:
        return sys.modules[name]
    if (prefix := _OF_DAG_FILE.match(name)) is not None:
        # Airflow names the module of a DAG's file by the file's path, which differs between two copies of a bundle.
        stem = name[prefix.end() :]
        for other in list(sys.modules):
            found = _OF_DAG_FILE.match(other)
            if found is not None and other[found.end() :] == stem:
                return sys.modules[other]
    return importlib.import_module(name)


def _reason(error: Mapping[str, Any], names: Collection[str]) -> str:
    """Return one of pydantic's errors in words that say nothing of the answer.

    :param names: those in the schema: another name in the error's path is the answer's own, and ends it.
    """
    kind, context = str(error["type"]), error.get("ctx") or {}
    path = "$"
    for part in takewhile(lambda part: isinstance(part, int) or part in names, error["loc"]):
        path = f"{path}[{part}]" if isinstance(part, int) else path_below(path, str(part))
    demands = ", ".join(f"{name}={context[name]}" for name in _DEMANDS if name in context)
    return f"at {shortened(path, 120)}, `{kind}`" + (f" ({shortened(demands, 100)})" if demands else "")
