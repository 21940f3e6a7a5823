"""The pure rules of a question: which arguments go together, and what each may be.

The engine applies them to what a task asks, and the edge, when a DAG is parsed, to what is known by then. So nothing
heavy is imported here.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from anthropic_batches_provider.batches.limits import MAX_CACHE_BREAKPOINTS
from anthropic_batches_provider.batches.requests.sdk_types import is_omitted
from anthropic_batches_provider.errors import ConfigurationError


def check_source(*, has_prompt: bool, has_builder: bool, has_requests: bool) -> None:
    """Check that exactly one of the ways to make requests is given.

    :raises ConfigurationError: none or several are.
    """
    given = {"prompt": has_prompt, "request_builder": has_builder, "requests": has_requests}
    names = [f"`{name}`" for name, is_given in given.items() if is_given]
    if len(names) != 1:
        raise ConfigurationError(
            f"Of `prompt`, `request_builder` and `requests`, you gave {', '.join(names) or 'none'}. Give exactly one."
        )


def file_columns(argument: str, given: object) -> tuple[str, ...]:
    """Return the names of the columns that ``images`` or ``documents`` names.

    :param argument: its name, for errors.
    :raises ConfigurationError: it is neither a name nor a list of names.
    """
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) and name for name in names):
        raise ConfigurationError(
            f"`{argument}` is {given!r:.80}; give the name of a column whose values are paths, URIs, https:// URLs or "
            f"bytes, or a list of names: {argument}='path'."
        )
    for name in names:
        if "{{" in name or "{%" in name:
            raise ConfigurationError(f"`{argument}` is {name!r:.80}, but it is not templated. Give the column's name.")
        if "://" in name or name.startswith("/"):
            raise ConfigurationError(
                f"`{argument}` is {name!r:.80}; give the name of the column that holds such paths, not a path. To make "
                "a row of each file of a folder, give rows=files(…, format=\"whole\") and the column 'path'."
            )
    return tuple(names)


def check_file_columns(images: Sequence[str], documents: Sequence[str], *, has_prompt: bool) -> None:
    """Check that the columns of images and documents go with the other arguments.

    :raises ConfigurationError: there is no prompt that they could precede, or a column is named twice.
    """
    names = [*images, *documents]
    if names and not has_prompt:
        argument = "images" if images else "documents"
        raise ConfigurationError(
            f"`{argument}` goes with `prompt` alone: its blocks come before the prompt's text. A `request_builder` and "
            "ready `requests` make content blocks of their own. Leave it out."
        )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigurationError(f"`images` and `documents` name the column {twice!r} twice. Name it once.")


def check_builder(builder: object) -> None:
    """Check that a builder, if there is one, can be called.

    :raises ConfigurationError: it cannot.
    """
    if builder is not None and (not callable(builder) or inspect.iscoroutinefunction(builder)):
        raise ConfigurationError(
            "`request_builder` must be a plain (not async) function that takes a row and returns Messages params."
        )


def check_mapping(params: object, named: Collection[str]) -> None:
    """Check the names among ``message_params``.

    :param named: the arguments that are given by a name of their own.
    :raises ConfigurationError: it is no dict of names, or gives one of them again.
    """
    if not isinstance(params, Mapping) or not all(isinstance(name, str) for name in params):
        raise ConfigurationError(
            "`message_params` must be a dict of Messages params, such as {'stop_sequences': ['END']}."
        )
    for name in named:
        if name in params:
            raise ConfigurationError(
                f"`{name}` is given twice: as `{name}=` and inside `message_params`. Leave one out."
            )


def check_system(system: object, sent: object) -> None:
    """Check the form of a system prompt.

    :param system: as it was given, for the message.
    :param sent: as it is sent.
    :raises ConfigurationError: it is neither text nor a list of content blocks.
    """
    if sent is None or isinstance(sent, str):
        return
    if not isinstance(sent, Sequence) or not all(isinstance(block, Mapping) and "type" in block for block in sent):
        raise ConfigurationError(
            f"`system` has type {type(system).__name__}; it must be text or a list of content blocks, such as "
            f"[{{'type': 'text', 'text': …}}]."
        )


def check_shared(*, has_requests: bool) -> None:
    """Check that a ``shared_context`` goes with the other arguments.

    :raises ConfigurationError: the requests are ready.
    """
    if has_requests:
        raise ConfigurationError(
            "`shared_context` goes with `prompt` and `request_builder`. Ready `requests` are sent as they are: put the "
            "context into the first user message of their params. `prompt_cache` marks tools and system prompts there."
        )


def check_prompt_cache(
    params: Mapping[str, Any], *, has_shared: bool, has_prompt: bool, to_come: Collection[str] = ()
) -> None:
    """Check that the requests can be marked for the prompt cache, as far as their params are known.

    :param params: those that are known.
    :param has_shared: whether content blocks that all rows share come before each prompt.
    :param has_prompt: whether all rows have these params; a builder may override them.
    :param to_come: the names of those that only a run knows.
    :raises ConfigurationError: there is nothing to mark, or no place for the mark.
    """
    if params.get("cache_control") is not None:
        raise ConfigurationError(
            "`cache_control` in `message_params` and `prompt_cache` both mark what is to be cached. Leave one out: "
            "`prompt_cache` marks what all rows share, once and identically. Nothing was sent."
        )
    if not has_prompt or not {"system", "tools"}.isdisjoint(to_come):
        return
    system, tools = params.get("system"), params.get("tools")
    if not (has_shared or system or tools):
        raise ConfigurationError(
            "`prompt_cache` has nothing to cache: rows can share `shared_context`, `system` and the `tools` of "
            "`message_params`, and none of these is given. Give the long text as shared_context=, or leave "
            "prompt_cache= out. Nothing was sent."
        )
    own = sum(map(_is_marked, (*_blocks_of(system), *_blocks_of(tools))))
    last = () if has_shared else _blocks_of(system or tools)
    ours = 0 if last and _is_marked(last[-1]) else 1
    too_many = own + ours - MAX_CACHE_BREAKPOINTS
    if too_many > 0:
        raise ConfigurationError(
            f"`system` and `tools` have {own} cache breakpoints (`cache_control`) of their own"
            f"{', and `prompt_cache` adds one' if ours else ''}. The API takes at most {MAX_CACHE_BREAKPOINTS}: remove "
            f"{too_many} of them, or leave prompt_cache= out. Nothing was sent."
        )


def _blocks_of(value: object) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else ()


def _is_marked(block: object) -> bool:
    return isinstance(block, Mapping) and block.get("cache_control") is not None


FORMAT_CLASH = (
    "`output_schema` and `output_config.format` both ask for a form of the answers. Give one of them; the other "
    "keys of `output_config` may stay."
)


def check_output_schema(params: Mapping[str, Any], *, has_requests: bool) -> None:
    """Check that an ``output_schema`` goes with the other params.

    :param params: those that are known.
    :raises ConfigurationError: the requests are ready, or ``output_config`` asks for a form of its own.
    """
    if has_requests:
        raise ConfigurationError(
            "Ready `requests` are sent as they are: put the schema into `output_config.format` of their params."
        )
    output_config = params.get("output_config")
    if output_config is not None and not is_omitted(output_config):
        check_no_format(output_config)


def check_no_format(output_config: object) -> None:
    """Check that an ``output_config`` beside an ``output_schema`` asks for no form of its own.

    :raises ConfigurationError: it does, or it is no dict.
    """
    if not isinstance(output_config, Mapping):
        raise ConfigurationError(f"`output_config` is {output_config!r:.40}; it must be a dict.")
    given = output_config.get("format")
    if given is not None and not is_omitted(given):
        raise ConfigurationError(FORMAT_CLASH)


def check_params(
    params: Mapping[str, Any], *, has_prompt: bool, has_requests: bool, to_come: Collection[str] = ()
) -> None:
    """Check the params that every request has, as far as they are known.

    :param params: those that are known.
    :param to_come: the names of those that only a run knows.
    :raises ConfigurationError: names the argument and what it should be.
    """
    if has_requests:
        if params:
            names = ", ".join(f"`{name}`" for name in params)
            raise ConfigurationError(f"Ready `requests` are sent as they are: put {names} into their params.")
        return
    problem = params_problem(params)
    if problem is not None:
        raise ConfigurationError(problem)
    if has_prompt:
        _check_complete({*params, *to_come})


def params_problem(params: Mapping[str, Any]) -> str | None:
    """Return a sentence on what is wrong with the fields that are present; None if nothing is wrong."""
    max_tokens = params.get("max_tokens", 1)
    if not isinstance(max_tokens, int) or max_tokens is True or max_tokens < 1:
        return f"`max_tokens` is {max_tokens!r:.40}; it must be a whole number of 1 or more."
    model = params.get("model", "to come")
    if not isinstance(model, str) or not model or model.isspace():
        return f"`model` is {model!r:.40}; it must be the id of a model, such as 'claude-haiku-4-5'."
    if params.get("stream"):
        return "`stream` is set; a batch cannot stream. Leave it out."
    if "betas" in params:
        return "`betas` is not part of the params; it is a header. Give it to the operator as `betas=`."
    return None


def _check_complete(names: Collection[str]) -> None:
    if "messages" in names:
        raise ConfigurationError(
            "`message_params` holds `messages`, but `prompt` makes the messages. Leave one out; for several turns use "
            "`request_builder`."
        )
    for name, example in (("model", "'claude-haiku-4-5'"), ("max_tokens", "1024")):
        if name not in names:
            raise ConfigurationError(f"`{name}` is missing; give `{name}=`, such as {example}.")
