"""The checks of params that the service makes only when it processes a request: faults that show as errored rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from anthropic_batches_provider.simulator.service.model_catalog import (
    EXTENDED_OUTPUT_BETA,
    EXTENDED_OUTPUT_TOKENS,
    Model,
    find_model,
)
from anthropic_batches_provider.simulator.service.picture_refusals import refused_picture
from anthropic_batches_provider.simulator.service.prompt_contents import (
    MAX_BREAKPOINTS,
    Params,
    breakpoints,
    cache_controls,
)
from anthropic_batches_provider.simulator.service.schema_refusals import refused_schema
from anthropic_batches_provider.simulator.service.service_settings import VERSION_WITHOUT_SAMPLING

_SAMPLING = ("temperature", "top_p", "top_k")
_ROLES = ("user", "assistant", "system")
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_REGIONS = ("us", "global")
_TTLS = ("5m", "1h")


@dataclass(frozen=True)
class Circumstances:
    """The facts that, together with the params, decide whether the params are valid.

    :param version: the ``anthropic-version`` of the call.
    :param betas: the values of its ``anthropic-beta`` header.
    :param batched: whether the request belongs to a batch.
    """

    version: str
    betas: frozenset[str]
    now: float
    extra_models: tuple[str, ...] = ()
    batched: bool = True


@dataclass(frozen=True)
class ParamsFault:
    """The reason why a request is answered with an error."""

    error_type: str
    message: str


def find_fault(params: Params, circumstances: Circumstances) -> ParamsFault | None:
    """Find the first fault of ``params``; None if there is none."""
    message = _missing_field(params) or _not_batchable(params, circumstances) or _wrong_messages(params["messages"])
    if message is not None:
        return ParamsFault("invalid_request_error", message)
    model = find_model(params["model"], now=circumstances.now, extra=circumstances.extra_models)
    if model is None:
        return ParamsFault("not_found_error", f"model: {params['model']}")
    message = (
        _wrong_max_tokens(params["max_tokens"], model, circumstances)
        or _wrong_under_version(params, circumstances)
        or _wrong_thinking(params, model)
        or _wrong_output_config(params, model)
        or _refused_by_model(params, model)
        or refused_picture(params)
        or _wrong_caching(params)
    )
    return None if message is None else ParamsFault("invalid_request_error", message)


def _missing_field(params: Params) -> str | None:
    for name in ("model", "messages", "max_tokens"):
        if name not in params:
            return f"{name}: Field required"
    if not isinstance(params["model"], str):
        return "model: Input should be a valid string"
    return None


def _not_batchable(params: Params, circumstances: Circumstances) -> str | None:
    if not circumstances.batched:
        return None
    if params.get("stream"):
        return '"stream=True" is not supported in the Message Batches API'
    if params.get("speed") == "fast":
        return '"speed" is not supported in the Message Batches API'
    if params.get("fallbacks"):
        return '"fallbacks" is not supported in the Message Batches API'
    return None


def _wrong_messages(messages: Any) -> str | None:
    if not isinstance(messages, list):
        return "messages: Input should be a valid list"
    if not messages:
        return "messages: at least one message is required"
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            return f"messages.{index}: Input should be a valid dictionary"
        for name in ("role", "content"):
            if name not in message:
                return f"messages.{index}.{name}: Field required"
        if message["role"] not in _ROLES:
            return f"messages.{index}.role: Input should be 'user' or 'assistant'"
        if not isinstance(message["content"], str | list):
            return f"messages.{index}.content: Input should be a valid list"
        if not message["content"] and message["role"] == "user":
            return f"messages.{index}: user messages must have non-empty content"
    return None


def _wrong_max_tokens(max_tokens: Any, model: Model, circumstances: Circumstances) -> str | None:
    if not isinstance(max_tokens, int) or isinstance(max_tokens, bool):
        return "max_tokens: Input should be a valid integer"
    if max_tokens < (1 if circumstances.batched else 0):
        return "max_tokens: must be greater than or equal to 1"
    extended = circumstances.batched and model.extended_output and EXTENDED_OUTPUT_BETA in circumstances.betas
    highest = EXTENDED_OUTPUT_TOKENS if extended else model.max_tokens
    if max_tokens > highest:
        return (
            f"max_tokens: {max_tokens} > {highest}, which is the maximum allowed number of output tokens for {model.id}"
        )
    return None


def _wrong_under_version(params: Params, circumstances: Circumstances) -> str | None:
    if circumstances.version < VERSION_WITHOUT_SAMPLING:
        return None
    for name in _SAMPLING:
        if name in params:
            return f"{name}: Extra inputs are not permitted"
    for index, message in enumerate(params["messages"]):
        blocks = message["content"] if isinstance(message["content"], list) else []
        for place, block in enumerate(blocks):
            if not isinstance(block, dict):
                continue
            if message["role"] == "assistant" and block.get("type") == "document":
                return f"messages.{index}.content: document blocks are not permitted in assistant messages"
            if message["role"] == "user" and block.get("type") == "text" and block.get("citations") is not None:
                return f"messages.{index}.content.{place}.text.citations: Extra inputs are not permitted"
    return None


def _wrong_thinking(params: Params, model: Model) -> str | None:
    thinking = params.get("thinking")
    type_ = thinking.get("type") if isinstance(thinking, dict) else None
    if type_ in ("enabled", "adaptive") and _forces_a_tool(params):
        return "Thinking may not be enabled when tool_choice forces tool use."
    if f"thinking {type_}" not in model.refuses:
        return None
    if type_ == "enabled":
        return (
            '"thinking.type.enabled" is not supported for this model. '
            'Use "thinking.type.adaptive" and "output_config.effort"'
        )
    if type_ == "adaptive":
        return "adaptive thinking is not supported on this model"
    return f'"thinking.type.{type_}" is not supported for this model.'


def _wrong_output_config(params: Params, model: Model) -> str | None:
    output_config = params.get("output_config")
    if not isinstance(output_config, dict):
        return None
    effort, asked = output_config.get("effort"), output_config.get("format")
    if effort is not None and "effort" in model.refuses:
        return "This model does not support the effort parameter."
    if effort is not None and effort not in _EFFORTS:
        return f"output_config.effort: Input should be {_one_of(_EFFORTS)}"
    if asked is None:
        return None
    if not isinstance(asked, dict) or asked.get("type") != "json_schema":
        return "output_config.format.type: Input should be 'json_schema'"
    if "schema" not in asked:
        return "output_config.format.schema: Field required"
    return refused_schema(asked["schema"])


def _refused_by_model(params: Params, model: Model) -> str | None:
    if "sampling" in model.refuses:
        for name in _SAMPLING:
            if params.get(name) is not None:
                return f"`{name}` is deprecated for this model."
    if "forced tools" in model.refuses and _forces_a_tool(params):
        return 'tool_choice: type "tool" and "any" are not supported for this model.'
    region = params.get("inference_geo")
    if region is not None and "inference_geo" in model.refuses:
        return "inference_geo is not supported for this model"
    if region is not None and region not in _REGIONS:
        return f"inference_geo: Input should be {_one_of(_REGIONS)}"
    return None


def _forces_a_tool(params: Params) -> bool:
    choice = params.get("tool_choice")
    return isinstance(choice, dict) and choice.get("type") in ("any", "tool")


def _one_of(values: tuple[str, ...]) -> str:
    *others, last = map(repr, values)
    return f"{', '.join(others)} or {last}"


def _wrong_caching(params: Params) -> str | None:
    if not _mentions_cache_control(params):
        return None
    ttls: list[str] = []
    for control in cache_controls(params):
        if not isinstance(control, dict) or control.get("type") != "ephemeral":
            return "cache_control: Input should be an object of the type 'ephemeral'"
        ttls.append(control.get("ttl", "5m"))
        if ttls[-1] not in _TTLS:
            return f"cache_control.ttl: Input should be {_one_of(_TTLS)}"
    if "5m" in ttls and "1h" in ttls[ttls.index("5m") :]:
        return "A ttl='1h' cache_control block must not come after a ttl='5m' cache_control block."
    found = len(breakpoints(params))
    if found > MAX_BREAKPOINTS:
        return f"A maximum of {MAX_BREAKPOINTS} blocks with cache_control may be provided. Found {found}."
    return None


def _mentions_cache_control(value: Any) -> bool:
    if isinstance(value, dict):
        return "cache_control" in value or any(map(_mentions_cache_control, value.values()))
    return isinstance(value, list) and any(map(_mentions_cache_control, value))
