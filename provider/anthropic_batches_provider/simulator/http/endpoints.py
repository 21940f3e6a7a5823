"""The operations of the API: each takes an admitted call and answers it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from typing import Any

import msgspec

from anthropic_batches_provider.simulator.control.simulator import Simulator
from anthropic_batches_provider.simulator.http.api_calls import Call
from anthropic_batches_provider.simulator.http.replies import DroppedConnection, Reply, cut_in_line
from anthropic_batches_provider.simulator.service.identifiers import make_id
from anthropic_batches_provider.simulator.service.model_answers import PromptUsage, Served, make_message
from anthropic_batches_provider.simulator.service.model_catalog import find_model, models_page
from anthropic_batches_provider.simulator.service.outcomes import Outcome, Row
from anthropic_batches_provider.simulator.service.params_validation import Circumstances, find_fault
from anthropic_batches_provider.simulator.service.prompt_contents import Params, content_hash, input_tokens
from anthropic_batches_provider.simulator.service.refusals import Refusal
from anthropic_batches_provider.simulator.service.result_lines import gzipped, result_chunks
from anthropic_batches_provider.simulator.service.simulated_batch import MessageBatch

JSON_LINES = "application/x-jsonl"
DEFAULT_PAGE = 20
LARGEST_PAGE = 1000
_STATUS_OF_FAULT = {"invalid_request_error": 400, "not_found_error": 404}
_STATUS_OF_ERROR = {"rate_limit_error": 429, "overloaded_error": 529, "permission_error": 403, "timeout_error": 504}


class Endpoints:
    """The API's operations on one simulator."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._preparing = asyncio.Lock()

    async def create(self, call: Call) -> Reply:
        """Make a batch and record its id in the call's entry.

        A thread reads the body, one body at a time, so that other calls are answered meanwhile.

        :raises Refusal: 400 for the body, 429 for a full queue.
        :raises DroppedConnection: the fault ``late_commit`` strikes; the batch appears later.
        """
        simulator = self._simulator
        # One at a time: two threads must not work on two bodies of 256 MB and their outcome rules.
        async with self._preparing:
            prepared = await asyncio.to_thread(simulator.prepare, call.body, call.origin)
        if call.entry is not None:
            call.entry.requests = len(prepared.requests)
        if call.fault is not None and call.fault.action == "late_commit" and call.entry is not None:
            simulator.commit_late(prepared, call.fault.seconds or 0, call.entry)
            raise DroppedConnection
        batch = simulator.commit(prepared)
        if call.entry is not None:
            call.entry.batch_id = batch.id
        return self._batch_reply(call, batch, fresh=True)

    async def retrieve(self, call: Call) -> Reply:
        """Answer with a batch and, while it is in progress, with the ``retry-after`` of the settings, if any."""
        batch = self._simulator.batch(call.batch_id, call.origin.workspace_id)
        reply = self._batch_reply(call, batch)
        hint = self._retry_after(batch)
        if hint is not None:
            reply.headers["retry-after"] = hint
        return reply

    async def list(self, call: Call) -> Reply:
        """Answer with a page of the workspace's batches, newest first."""
        query = call.request.query_params
        page = self._simulator.page(
            call.origin.workspace_id,
            limit=_page_limit(query.get("limit")),
            after_id=query.get("after_id"),
            before_id=query.get("before_id"),
        )
        return _json(_page_body([self._body(call, batch) for batch in page.batches], page.has_more))

    async def cancel(self, call: Call) -> Reply:
        """Cancel a batch; a second cancel changes nothing.

        :raises Refusal: 400, if it has ended and the settings demand this refusal.
        """
        batch = self._simulator.batch(call.batch_id, call.origin.workspace_id)
        return self._batch_reply(call, batch, fresh=self._simulator.cancel(batch))

    async def delete(self, call: Call) -> Reply:
        batch = self._simulator.batch(call.batch_id, call.origin.workspace_id)
        self._simulator.delete(batch)
        return _json({"id": batch.id, "type": "message_batch_deleted"})

    async def results(self, call: Call) -> Reply:
        """Stream the results as JSON Lines, made row by row while they are sent.

        :raises Refusal: 404, if there are no results yet, or no longer any.
        """
        simulator = self._simulator
        batch = simulator.batch(call.batch_id, call.origin.workspace_id)
        simulator.check_results(batch)
        chunks = result_chunks(batch, seed=simulator.seed, cache=simulator.cache_of(batch))
        headers = {"content-disposition": f'attachment; filename="{batch.id}_results.jsonl"'}
        compress = simulator.settings.gzip_results and "gzip" in call.request.headers.get("accept-encoding", "")
        if compress:
            headers["content-encoding"] = "gzip"
        return Reply(200, _encoded(chunks, call, compress=compress), JSON_LINES, headers)

    async def count_tokens(self, call: Call) -> Reply:
        """Guess the tokens of a prompt; ``max_tokens`` is neither needed nor checked."""
        params = _params(call) | {"max_tokens": 1}
        self._check(params, call)
        return _json({"input_tokens": max(1, input_tokens(params))})

    async def messages(self, call: Call) -> Reply:
        """Answer one Messages call at once, under the outcome rules; it is not billed.

        :raises Refusal: 400 for a stream, or the error that the params or a rule cause.
        """
        simulator = self._simulator
        params = _params(call)
        if params.get("stream"):
            raise Refusal(400, "stream: the simulator does not stream; leave stream out")
        self._check(params, call)
        content = content_hash(bytes(call.body))
        outcome = simulator.rules.decide(Row("", params, content, 1)) if simulator.rules else None
        _refuse_if(outcome)
        served = Served(simulator.seed, make_id("msg_", simulator.request_id()), service_tier="standard")
        return _json(make_message(params, outcome, PromptUsage(input_tokens(params)), served))

    async def models(self, call: Call) -> Reply:
        """Answer with a page of models; without ``lifecycle`` it leaves out the retired ones."""
        query = call.request.query_params
        lifecycle = frozenset(query.getlist("lifecycle[]") or query.getlist("lifecycle") or ("active", "deprecated"))
        models = models_page(
            self._simulator.clock.now(), lifecycle=lifecycle, extra=self._simulator.settings.extra_models
        )
        limit = _page_limit(query.get("limit"))
        ids = [model["id"] for model in models]
        first, last = 0, len(models)
        if query.get("after_id") in ids:
            first = ids.index(query["after_id"]) + 1
        elif query.get("before_id") in ids:
            last = ids.index(query["before_id"])
            first = max(0, last - limit)
        shown = models[first:last][:limit]
        more = first > 0 if query.get("before_id") else last - first > limit
        return _json(_page_body(shown, more))

    async def model(self, call: Call) -> Reply:
        """Answer with a model by id or alias.

        :raises Refusal: 404, if the model is not served at the simulator's time.
        """
        name = str(call.request.path_params["model_id"])
        now = self._simulator.clock.now()
        found = find_model(name, now=now, extra=self._simulator.settings.extra_models)
        if found is None:
            raise Refusal(404, f"model: {name}")
        return _json(found.info(now))

    def _check(self, params: Params, call: Call) -> None:
        fault = find_fault(params, self._circumstances(call))
        if fault is not None:
            raise Refusal(_STATUS_OF_FAULT[fault.error_type], fault.message)

    def _circumstances(self, call: Call) -> Circumstances:
        simulator = self._simulator
        return Circumstances(
            call.origin.version,
            call.origin.betas,
            simulator.clock.now(),
            simulator.settings.extra_models,
            batched=False,
        )

    def _body(self, call: Call, batch: MessageBatch, *, fresh: bool = False) -> dict[str, Any]:
        incremental = self._simulator.settings.incremental_counts
        return batch.body(self._simulator.clock.now(), base_url=call.base_url, incremental=incremental, fresh=fresh)

    def _batch_reply(self, call: Call, batch: MessageBatch, *, fresh: bool = False) -> Reply:
        return _json(self._body(call, batch, fresh=fresh))

    def _retry_after(self, batch: MessageBatch) -> str | None:
        """Return the hint for the next poll: as set, but never more real seconds than the batch still needs."""
        hint, clock = self._simulator.settings.retry_after, self._simulator.clock
        now = clock.now()
        if hint is None or batch.has_ended(now):
            return None
        needs = (batch.ends_at - now) / clock.speed if clock.speed else hint
        return str(math.ceil(min(hint, needs)))


def _json(value: Any) -> Reply:
    return Reply(200, msgspec.json.encode(value))


def _page_body(data: list[dict[str, Any]], has_more: bool) -> dict[str, Any]:
    return {
        "data": data,
        "has_more": has_more,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
    }


def _page_limit(text: str | None) -> int:
    """Return the page size.

    :raises Refusal: 400, if it is not a whole number from 1 to 1000.
    """
    if text is None:
        return DEFAULT_PAGE
    try:
        limit = int(text)
    except ValueError:
        raise Refusal(400, "limit: Input should be a valid integer, unable to parse string as an integer") from None
    if limit < 1:
        raise Refusal(400, "limit: Input should be greater than or equal to 1")
    if limit > LARGEST_PAGE:
        raise Refusal(400, f"limit: Input should be less than or equal to {LARGEST_PAGE}")
    return limit


def _params(call: Call) -> Params:
    """Decode the body of a Messages call.

    :raises Refusal: 400, if it is not a JSON object.
    """
    try:
        params = msgspec.json.decode(call.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(400, f"The request body is not valid JSON: {error}") from None
    if not isinstance(params, dict):
        raise Refusal(400, "Input should be a valid dictionary")
    return params


def _refuse_if(outcome: Outcome | None) -> None:
    """Raise the error of a rule as the answer: a single message has no row that could be errored."""
    if outcome is not None and outcome.result == "errored":
        status = _STATUS_OF_FAULT.get(outcome.error_type) or _STATUS_OF_ERROR.get(outcome.error_type, 500)
        raise Refusal(status, outcome.message, error_type=outcome.error_type)


def _encoded(chunks: Iterator[bytes], call: Call, *, compress: bool) -> Iterator[bytes]:
    """Return the results as they are sent; a fault that counts lines strikes before the compression."""
    if call.fault is not None and call.fault.action == "cut_after_lines":
        chunks = cut_in_line(chunks, call.fault.lines or 0)
    return gzipped(chunks) if compress else chunks
