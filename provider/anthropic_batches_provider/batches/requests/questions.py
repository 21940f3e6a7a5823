"""The question that is asked about each row, and how a row becomes Messages params."""

from __future__ import annotations

import functools
import hashlib
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec

from anthropic_batches_provider.batches.limits import most_images
from anthropic_batches_provider.batches.passing_failures import PASSING_IN_USER_CODE
from anthropic_batches_provider.batches.requests.answer_schemas import OutputSchema
from anthropic_batches_provider.batches.requests.content_blocks import FileColumns
from anthropic_batches_provider.batches.requests.encoding import (
    NotJsonError,
    encode_arguments,
    encode_sorted,
    encode_text,
)
from anthropic_batches_provider.batches.requests.exact_values import without_digits
from anthropic_batches_provider.batches.requests.output_schemas import named_problems, problems_of_params
from anthropic_batches_provider.batches.requests.params import check_message_size, check_size, encode_checked_params
from anthropic_batches_provider.batches.requests.question_rules import (
    check_builder,
    check_file_columns,
    check_mapping,
    check_output_schema,
    check_params,
    check_shared,
    check_source,
    check_system,
)
from anthropic_batches_provider.batches.requests.sdk_types import is_omitted
from anthropic_batches_provider.batches.requests.sdk_values import FileValueError, sent_value
from anthropic_batches_provider.batches.requests.shared_blocks import encoded_blocks, with_shared_blocks
from anthropic_batches_provider.batches.requests.templates import PrintedColumn, PromptTemplate
from anthropic_batches_provider.batches.requests.wording import reason, row_name
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError

log = logging.getLogger(__name__)

WEAKENED = (
    "The API cannot hold answers to all that output_schema demands. It is stated in descriptions, and the answers are "
    "judged by it here: %s"
)

RequestBuilder = Callable[[dict[str, Any]], Mapping[str, Any]]
"""Makes the Messages params of one row."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """How a row becomes Messages params: by a prompt, by a builder, or not at all because the requests are ready.

    :param prompt: rendered per row into the one user message.
    :param request_builder: called with each row; its result overrides the other fields: ``{**defaults, **built}``. A
        field that it omits, as the SDK does, is left out.
    :param ready_requests: True if the input already holds requests; all other fields must be empty then.
    :param model: id of the model.
    :param system: text, or a list of content blocks.
    :param max_tokens: 1 or more.
    :param params: further Messages params.
    :param output_schema: what each answer must fit; the API is asked for it in ``output_config.format``.
    :param files: the columns of images and documents, whose blocks come before the prompt's text; None for none.
    :param shared: content blocks that all rows share: the first of each row's first user message, before its images
        and documents and its text.
    """

    prompt: PromptTemplate | None = None
    request_builder: RequestBuilder | None = None
    ready_requests: bool = False
    model: str | None = None
    system: str | Sequence[Mapping[str, Any]] | None = None
    max_tokens: int | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    output_schema: OutputSchema | None = None
    files: FileColumns | None = None
    shared: tuple[Mapping[str, Any], ...] = ()

    def validate(self) -> None:
        """Check everything that is known before the first row.

        :raises ConfigurationError: names the argument and what it should be.
        """
        has_prompt = self.prompt is not None
        check_source(
            has_prompt=has_prompt, has_builder=self.request_builder is not None, has_requests=self.ready_requests
        )
        check_builder(self.request_builder)
        if self.files is not None:
            check_file_columns(self.files.images, self.files.documents, has_prompt=has_prompt)
        check_mapping(self.params, self._named)
        if self.system is not None:
            check_system(self.system, self._given.get("system"))
        check_params(self._given, has_prompt=has_prompt, has_requests=self.ready_requests)
        if self.shared:
            check_shared(has_requests=self.ready_requests)
            _ = self._shared
        if self.output_schema is not None:
            check_output_schema(self._given, has_requests=self.ready_requests)
        try:
            encode_arguments(self._given)
        except NotJsonError as error:
            raise ConfigurationError(f"`message_params` or `system` is not JSON: {error}.") from error

    def check_schema(self) -> None:
        """Check the schema of JSON answers that every row asks for; only a job that is not submitted yet needs it.

        :raises ConfigurationError: the API refuses it for certain; names each place.
        """
        if self.output_schema is not None:
            if self.output_schema.form.weakened:
                log.info(WEAKENED, "; ".join(self.output_schema.form.weakened))
        elif "output_config" in self.defaults and (problems := problems_of_params(encode_arguments(self.defaults))):
            raise ConfigurationError(
                f"The schema in `output_config.format` of `message_params` {named_problems(problems)} It concerns "
                f"every row, so no row was read."
            )

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """The params that every request has, unless its builder overrides them.

        :raises ConfigurationError: a file or a model among them cannot be sent, or the API cannot be asked for the
            form that ``output_schema`` demands.
        """
        if self.output_schema is None:
            return self._given
        return self._given | {"output_config": self.output_schema.added_to(self._given.get("output_config"))}

    @cached_property
    def _given(self) -> dict[str, Any]:
        """The params as they are given; files among them are read once."""
        try:
            return dict(sent_value(self._named | dict(self.params)))
        except FileValueError as error:
            raise ConfigurationError(f"In `message_params` or `system`, {error}") from error
        except NotJsonError as error:
            raise ConfigurationError(f"`message_params` or `system` is not JSON: {error}.") from error

    @cached_property
    def _shared(self) -> bytes:
        """The shared blocks as JSON, with a comma after each; encoded once.

        :raises ConfigurationError: they cannot be sent.
        """
        return encoded_blocks(self.shared)

    @property
    def _named(self) -> dict[str, Any]:
        named = {"model": self.model, "max_tokens": self.max_tokens, "system": self.system}
        return {name: value for name, value in named.items() if value is not None and not is_omitted(value)}

    def encode_params(self, row: Mapping[str, Any], number: int) -> bytes:
        """Return the JSON bytes of one row's Messages params: compact UTF-8.

        :param row: the row.
        :param number: its position, from 0.
        :raises InvalidRowError: if the row cannot become a request that a batch accepts.
        :raises ConfigurationError: as :meth:`validate`, at the first row.
        """
        return self._encode(row, number)

    @property
    def printed_columns(self) -> frozenset[str] | None:
        """The columns that the prompt may print; None if that may be any."""
        return self.prompt.columns if self.prompt is not None else frozenset()

    def spliced_params(self) -> SplicedParams | None:
        """Return the params with gaps for the columns that the prompt prints; None if a row needs more than that.

        :raises ConfigurationError: as :meth:`validate`.
        """
        if self.prompt is None or self.prompt.pieces is None or self.files is not None:
            return None
        self.validate()
        return _spliced(self.prompt.pieces, _head_of(self.defaults), self._shared)

    def fingerprint(self) -> str:
        """Return 32 hex digits that change when the question does.

        They cover model, system, max_tokens, params, the columns of files, the shared blocks, and the prompt's source
        or the builder's qualified name and source. Templates that a prompt includes, and functions that a builder
        calls, change the rows' fingerprint instead.

        :raises ConfigurationError: as :meth:`validate`.
        """
        self.validate()
        question: dict[str, Any] = {
            "ready_requests": self.ready_requests,
            "prompt": self.prompt.source if self.prompt is not None else None,
            "request_builder": _identity(self.request_builder) if self.request_builder is not None else None,
            "defaults": self._given,
        }
        if self.output_schema is not None:  # itself, and not the form that this version makes of it
            question["output_schema"] = self.output_schema.demands
        if self.files is not None:
            question["files"] = {"images": self.files.images, "documents": self.files.documents}
        if self.shared:
            question["shared"] = msgspec.json.decode(b"[%b]" % self._shared[:-1])
        try:
            encoded = encode_sorted(question)
        except NotJsonError:  # names of fields that are numbers, which become text when they are sent
            encoded = encode_sorted(question | {"defaults": msgspec.json.decode(encode_arguments(self._given))})
        return hashlib.blake2b(encoded, digest_size=16).hexdigest()

    @cached_property
    def _encode(self) -> Callable[[Mapping[str, Any], int], bytes]:
        self.validate()
        if self.prompt is not None:
            return _prompt_encoder(self.prompt, self.defaults, self.files, self._shared)
        if self.request_builder is not None:
            return _builder_encoder(self.request_builder, self.defaults, self.output_schema, self._shared)
        raise ConfigurationError("Ready requests are not made from rows; this is a mistake in the calling code.")


@dataclass(frozen=True, slots=True)
class SplicedParams:
    """The Messages params of all rows of a prompt, which differ only in the JSON text of columns.

    :ivar literals: what stands before, between and after the columns; one more than there are columns.
    :ivar columns: the columns, in the order in which they are printed.
    :ivar may_be_blank: whether the prompt is blank where all its columns are.
    """

    literals: tuple[bytes, ...]
    columns: tuple[str, ...]
    may_be_blank: bool


_TAIL = b"}]}"
_TEXT = b'{"type":"text","text":'


def _head_of(defaults: dict[str, Any]) -> bytes:
    """Return the beginning of all params, up to the content of the user's message."""
    fixed = encode_arguments({**defaults, "messages": []})
    return fixed.removesuffix(b"]}") + b'{"role":"user","content":'


def _around_text(head: bytes, shared: bytes) -> tuple[bytes, bytes]:
    """Return what stands before and after the JSON text of a prompt: alone, or as a block after the shared ones."""
    return (b"%b[%b%b" % (head, shared, _TEXT), b"}]" + _TAIL) if shared else (head, _TAIL)


def _spliced(pieces: Sequence[str | PrintedColumn], head: bytes, shared: bytes) -> SplicedParams | None:
    before, after = _around_text(head, shared)
    literals, columns = [before + b'"'], []
    may_be_blank = True
    for piece in pieces:
        if isinstance(piece, PrintedColumn):
            columns.append(piece.name)
            literals.append(b"")
            continue
        try:
            literals[-1] += encode_text(piece)[1:-1]
        except NotJsonError:
            return None  # it is the fault of every row, and told there
        may_be_blank = may_be_blank and piece.isspace()
    literals[-1] += b'"' + after
    return SplicedParams(tuple(literals), tuple(columns), may_be_blank)


def _prompt_encoder(
    prompt: PromptTemplate, defaults: dict[str, Any], files: FileColumns | None, shared: bytes
) -> Callable[[Mapping[str, Any], int], bytes]:
    """Encode all but the row's own part of the user's message once; per row, render and encode only that part."""
    head = _head_of(defaults)
    before, after = _around_text(head, shared)
    render = prompt.render

    def encode_prompt(row: Mapping[str, Any], number: int) -> bytes:
        text = render(row, number)
        if not text or text.isspace():
            raise InvalidRowError(
                f"{row_name(number)}: its prompt is empty, and the API refuses an empty message. Fix the row or the "
                "prompt, or leave the row out.",
                row_number=number,
            )
        try:
            return encode_text(text)
        except NotJsonError as error:
            column = prompt.unsendable_column(row)
            where = "its prompt" if column is None else f"its prompt, which prints column {column!r},"
            raise InvalidRowError(
                f"{row_name(number)}: {where} cannot be sent: {error}. Clean the row's text.", row_number=number
            ) from error

    def encode(row: Mapping[str, Any], number: int) -> bytes:
        encoded = b"%b%b%b" % (before, encode_prompt(row, number), after)
        check_size(encoded, number)
        return encoded

    if files is None:
        return encode if prompt.mentions_row else _encoder_of_one_row(encode)
    most = most_images(defaults.get("model"))

    def encode_with_files(row: Mapping[str, Any], number: int) -> bytes:
        text = b"%b%b}" % (_TEXT, encode_prompt(row, number))
        blocks = files.blocks(row, number, most_images=most)
        encoded = b"".join((head, b"[", shared, b",".join((*blocks, text)), b"]", _TAIL))
        check_message_size(encoded, number)
        return encoded

    return encode_with_files


def _encoder_of_one_row(encode: Callable[[Mapping[str, Any], int], bytes]) -> Callable[[Mapping[str, Any], int], bytes]:
    """Refuse a second row: all would send the same text, and each would be paid for."""

    def encode_one(row: Mapping[str, Any], number: int) -> bytes:
        if number:
            raise ConfigurationError(
                "The prompt does not mention the row, so that all rows would send the same text. Columns are written "
                "{{ row.name }}. If you want the same question many times, mention the row without printing it: "
                "{% set _ = row %}. Nothing was sent."
            )
        return encode(row, number)

    return encode_one


def _builder_encoder(
    builder: Callable[[dict[str, Any]], object],
    defaults: dict[str, Any],
    output_schema: OutputSchema | None,
    shared: bytes,
) -> Callable[[Mapping[str, Any], int], bytes]:
    def encode(row: Mapping[str, Any], number: int) -> bytes:
        try:
            built = builder(without_digits(row if type(row) is dict else dict(row)))
        except PASSING_IN_USER_CODE:
            raise
        except Exception as error:
            raise InvalidRowError(
                f"{row_name(number)}: request_builder raised {reason(error)}. Fix the builder or the row. "
                f"Nothing was sent.",
                row_number=number,
            ) from error
        if output_schema is not None and isinstance(built, Mapping) and "output_config" in built:
            built = _with_form(built, output_schema, number)
        params = {**defaults, **built} if isinstance(built, dict | Mapping) else built
        encoded = encode_checked_params(params, number, source="request_builder")
        return with_shared_blocks(encoded, shared, number) if shared else encoded

    return encode


def _with_form(built: Mapping[str, Any], output_schema: OutputSchema, number: int) -> dict[str, Any]:
    """Return the params of a builder that gives an ``output_config`` of its own, with the form added to it."""
    try:
        return {**built, "output_config": output_schema.added_to(built["output_config"])}
    except ConfigurationError as error:
        raise InvalidRowError(
            f"{row_name(number)}: in the params given by request_builder, {error}", row_number=number
        ) from error


def _identity(builder: Callable[..., Any]) -> list[Any]:
    """Return the qualified name of a callable, its source where Python has it, and the arguments bound to it."""
    if isinstance(builder, functools.partial):
        return [_identity(builder.func), [_bound(value) for value in builder.args], _bound(builder.keywords)]
    function: Any = builder if inspect.isroutine(builder) or inspect.isclass(builder) else type(builder)
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        source = ""
    return [function.__qualname__, source]


def _bound(value: object) -> Any:
    """Return a bound argument itself, or its type: an object's repr may differ from process to process."""
    try:
        encode_sorted(value)
    except NotJsonError:
        return type(value).__qualname__
    return value
