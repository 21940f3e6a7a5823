"""The API's calls and answers as values, shared by the sync and the async client.

Each call is described once; the clients differ only in how they send it. Decoding is pure and trusts nothing: a proxy's
page, truncated JSON or a bare string raises :class:`UnexpectedAnswerError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote

import msgspec
import pendulum

from anthropic_batches_provider.batches.account import Account, Greeting
from anthropic_batches_provider.batches.batch_ids import check_batch_id
from anthropic_batches_provider.batches.limits import MAX_LIST_PAGE, MAX_LIST_PAGES
from anthropic_batches_provider.batches.message_batch import MessageBatch, check_about
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.batches.undecodable import UNDECODABLE
from anthropic_batches_provider.errors import ConfigurationError, UnexpectedAnswerError

T = TypeVar("T")

BATCHES = "/v1/messages/batches"
_LONGEST_AGE = timedelta(hours=1)

# The params that POST /v1/messages/count_tokens accepts; it refuses a request's other params (max_tokens, …).
# Source: https://platform.claude.com/docs/en/api/messages/count_tokens (SDK 2.11.0, seen 2026-11-21)
COUNTED_PARAMS = (
    "messages", "model", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control", "speed",
)  # fmt: skip
# Those that it accepts besides under a beta header, and that may add tokens (the SDK's beta messages, seen 2026-11-29).
COUNTED_BETA_PARAMS = (*COUNTED_PARAMS, "mcp_servers", "context_management", "compaction")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPage:
    """One page of the list of batches, newest first; on an empty page the cursors are None."""

    batches: tuple[MessageBatch, ...]
    has_more: bool
    first_id: str | None
    last_id: str | None
    greeting: Greeting


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The input of a decoder; ``account`` holds only the part of the account that the settings give."""

    body: bytes
    headers: Mapping[str, str]
    account: Account


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """One HTTP exchange, not yet sent.

    :param doing: what the call does, for messages: "retrieving message batch msgbatch_1".
    :param batch_id: the batch that a 404 would be about.
    :param body: JSON to send; the body of a create call is streamed separately.
    :param kind: ``create`` is never repeated, may take minutes, and may leave a batch behind. ``delete`` also
        succeeds if a repetition finds nothing. ``stream`` keeps its answer open.
    """

    doing: str
    method: Literal["get", "post", "delete"]
    path: str
    read: Callable[[Answer], T]
    batch_id: str | None = None
    query: Mapping[str, str | int] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    kind: Literal["plain", "create", "delete", "stream"] = "plain"


def create(content_length: int, betas: Sequence[str]) -> Call[MessageBatch]:
    headers = {"content-length": str(content_length), "content-type": "application/json", **_beta_header(betas)}
    return Call(
        doing="creating a message batch", method="post", path=BATCHES, read=_batch, headers=headers, kind="create"
    )


def retrieve(batch_id: str) -> Call[MessageBatch]:
    return Call(
        doing=f"retrieving message batch {batch_id}",
        method="get",
        path=_path(batch_id),
        read=partial(_batch_asked_for, batch_id=batch_id),
        batch_id=batch_id,
    )


def cancel(batch_id: str) -> Call[MessageBatch]:
    path = f"{_path(batch_id)}/cancel"
    read = partial(_batch_asked_for, batch_id=batch_id)
    return Call(doing=f"canceling message batch {batch_id}", method="post", path=path, read=read, batch_id=batch_id)


def delete(batch_id: str) -> Call[None]:
    return Call(
        doing=f"deleting message batch {batch_id}",
        method="delete",
        path=_path(batch_id),
        read=_deleted,
        batch_id=batch_id,
        kind="delete",
    )


def results(batch_id: str) -> Call[None]:
    return Call(
        doing=f"downloading the results of message batch {batch_id}",
        method="get",
        path=f"{_path(batch_id)}/results",
        read=_deleted,
        batch_id=batch_id,
        headers={"accept": "application/binary"},
        kind="stream",
    )


def list_page(limit: int, after_id: str | None, before_id: str | None) -> Call[BatchPage]:
    if not 1 <= limit <= MAX_LIST_PAGE:
        raise ConfigurationError(f"A page cannot have {limit} message batches. Give a limit from 1 to {MAX_LIST_PAGE}.")
    if after_id and before_id:
        raise ConfigurationError("after_id and before_id are both given. Give one of them.")
    query: dict[str, str | int] = {"limit": limit}
    query |= {name: id_ for name, id_ in (("after_id", after_id), ("before_id", before_id)) if id_}
    return Call(doing="listing message batches", method="get", path=BATCHES, read=_page, query=query)


def count_tokens(params: Mapping[str, Any], betas: Sequence[str]) -> Call[int]:
    names = COUNTED_BETA_PARAMS if betas else COUNTED_PARAMS
    counted = {name: params[name] for name in names if name in params}
    try:
        body = msgspec.json.encode(counted)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"The params cannot be written as JSON ({error}). Correct the params.") from error
    return Call(
        doing="counting tokens",
        method="post",
        path="/v1/messages/count_tokens",
        read=_input_tokens,
        headers=_beta_header(betas),
        body=body,
    )


def _beta_header(betas: Sequence[str]) -> dict[str, str]:
    return {"anthropic-beta": ",".join(betas)} if betas else {}


def models_page(after_id: str | None) -> Call[tuple[list[dict[str, Any]], str | None]]:
    query: dict[str, str | int] = {"limit": MAX_LIST_PAGE}
    if after_id:
        query["after_id"] = after_id
    return Call(doing="listing models", method="get", path="/v1/models", read=_models, query=query)


def model(model_id: str) -> Call[dict[str, Any]]:
    path = f"/v1/models/{_quoted_model(model_id)}"
    return Call(doing=f"retrieving model {model_id}", method="get", path=path, read=_object)


class Cursor:
    """The position in a list that is read page by page.

    :ivar after_id: the next page begins after this entry; None at the beginning.
    """

    def __init__(self) -> None:
        self.after_id: str | None = None
        self._seen: set[str] = set()

    def advance(self, last_id: str | None) -> bool:
        """Move behind a page; return False if it was the last.

        :param last_id: the page's last entry if more pages follow, else None.
        :raises UnexpectedAnswerError: the list goes in a circle, or does not end.
        """
        if last_id is None:
            return False
        if last_id in self._seen or len(self._seen) >= MAX_LIST_PAGES:
            raise UnexpectedAnswerError(
                f"The list does not end: after {counted(len(self._seen) + 1, 'page')} it continues after {last_id}. "
                "Check whether a proxy or gateway between Airflow and the API answered in its place."
            )
        self._seen.add(last_id)
        self.after_id = last_id
        return True


def last_id_of(page: BatchPage) -> str | None:
    """Return the entry after which the next page begins, or None after the last page.

    :raises UnexpectedAnswerError: the page says that more batches follow, but not where.
    """
    return _last_id(page.has_more, page.last_id)


def _path(batch_id: str) -> str:
    """Return the path of a batch; an id of this form needs no quoting, and cannot lead to another path."""
    return f"{BATCHES}/{check_batch_id(batch_id, 'batch_id')}"


def _quoted_model(model_id: object) -> str:
    """Percent-encode a model id; an empty id would turn the call into a list call, and dots would move up the path."""
    if not isinstance(model_id, str) or model_id.strip() in ("", ".", ".."):
        raise ConfigurationError(f"{model_id!r} is not a model id. Give an id, such as claude-haiku-4-5.")
    return quote(model_id, safe="")


def _decoded(answer: Answer) -> Any:
    try:
        return msgspec.json.decode(answer.body)
    except UNDECODABLE as error:
        raise UnexpectedAnswerError(
            f"The answer is not JSON ({error}); it has {counted(len(answer.body), 'byte')} "
            f"and begins with {answer.body[:200]!r}. "
            "Check whether a proxy or gateway between Airflow and the API answered in its place."
        ) from error


def _object(answer: Answer) -> dict[str, Any]:
    body = _decoded(answer)
    if not isinstance(body, dict):
        raise _unexpected("a JSON object", body)
    return body


def _unexpected(wanted: str, body: object) -> UnexpectedAnswerError:
    return UnexpectedAnswerError(
        f"The answer is not {wanted}; it begins with {str(body)[:200]!r}. "
        "Check whether a proxy or gateway between Airflow and the API answered in its place."
    )


def _batch(answer: Answer) -> MessageBatch:
    return MessageBatch.from_api(_decoded(answer))


def _batch_asked_for(answer: Answer, *, batch_id: str) -> MessageBatch:
    return check_about(_batch(answer), batch_id)


def _deleted(answer: Answer) -> None:
    body = _object(answer)
    if body.get("type") != "message_batch_deleted":
        raise _unexpected("a deleted message batch", body)


def _input_tokens(answer: Answer) -> int:
    tokens = _object(answer).get("input_tokens")
    if isinstance(tokens, bool) or not isinstance(tokens, int):
        raise _unexpected("a count of tokens", tokens)
    return tokens


def _entries(body: dict[str, Any]) -> tuple[list[Any], bool]:
    data, has_more = body.get("data"), body.get("has_more")
    if not isinstance(data, list) or not isinstance(has_more, bool):
        raise _unexpected("a page of a list", body)
    return data, has_more


def _page(answer: Answer) -> BatchPage:
    body = _object(answer)
    data, has_more = _entries(body)
    return BatchPage(
        batches=tuple(batch for entry in data if (batch := MessageBatch.from_list(entry)) is not None),
        has_more=has_more,
        first_id=body.get("first_id"),
        last_id=body.get("last_id"),
        greeting=greeting_of(answer),
    )


def _models(answer: Answer) -> tuple[list[dict[str, Any]], str | None]:
    body = _object(answer)
    data, has_more = _entries(body)
    return data, _last_id(has_more, body.get("last_id"))


def _last_id(has_more: bool, last_id: object) -> str | None:
    if not has_more:
        return None
    if not isinstance(last_id, str) or not last_id:
        raise _unexpected("a page that says where the next one begins", {"has_more": True, "last_id": last_id})
    return last_id


def greeting_of(answer: Answer) -> Greeting:
    """Read the account and the server time from an answer's headers."""
    known = answer.account
    account = Account(
        base_url=known.base_url,
        organization_id=answer.headers.get("anthropic-organization-id") or known.organization_id,
        workspace_id=answer.headers.get("anthropic-workspace-id") or known.workspace_id,
    )
    return Greeting(account=account, server_time=_server_time(answer.headers))


def _server_time(headers: Mapping[str, str]) -> pendulum.DateTime | None:
    try:
        moment = pendulum.instance(parsedate_to_datetime(headers["date"])).in_timezone("UTC")
        age = timedelta(seconds=int(headers.get("age") or 0))
        # An answer that a cache kept for longer says nothing about the time now.
        return moment + age if timedelta() <= age <= _LONGEST_AGE else None
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
