"""The simulator's service without HTTP, for tests that make many thousands of calls.

A call takes a tenth of the time that it takes by the SDK over a socket. Answers are the same bytes, read by the same
decoders, and failures are mapped by the client's own rules. What the client itself does is missing: it repeats no call.
The tests of the client and of the submission go over HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NoReturn, TypeVar

import anthropic
import httpx2
import msgspec

from anthropic_batches_provider.batches.account import Account, Greeting
from anthropic_batches_provider.batches.client import calls
from anthropic_batches_provider.batches.client.calls import Answer, BatchPage, Call
from anthropic_batches_provider.batches.client.failures import map_broken_stream, map_failure
from anthropic_batches_provider.batches.limits import MAX_LIST_PAGE
from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.errors import MessageBatchesError
from anthropic_batches_provider.simulator import Simulator
from anthropic_batches_provider.simulator.control.faults import Fault
from anthropic_batches_provider.simulator.control.received import CreateCall
from anthropic_batches_provider.simulator.http.error_replies import html_page, refusal_reply
from anthropic_batches_provider.simulator.http.replies import CutOff, cut_in_line
from anthropic_batches_provider.simulator.service.model_catalog import find_model, models_page
from anthropic_batches_provider.simulator.service.prompt_contents import input_tokens
from anthropic_batches_provider.simulator.service.refusals import Refusal
from anthropic_batches_provider.simulator.service.result_lines import result_chunks
from anthropic_batches_provider.simulator.service.service_settings import DEFAULT_WORKSPACE, VERSIONS
from anthropic_batches_provider.simulator.service.simulated_batch import MessageBatch as SimulatedBatch
from anthropic_batches_provider.simulator.service.simulated_batch import Origin
from anthropic_batches_provider.simulator.service.simulated_clock import http_date

T = TypeVar("T")
_BASE_URL = "http://direct"
_ACCOUNT = Account(base_url=_BASE_URL)
_LOST = ("drop_before_commit", "drop_after_commit", "late_commit")


class DirectService:
    """All calls of the engine, made to a simulator in this thread; no other thread may use the simulator meanwhile."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._origin = Origin(DEFAULT_WORKSPACE, next(iter(VERSIONS)))

    def create(self, content: Iterable[bytes], *, content_length: int, betas: Sequence[str] = ()) -> MessageBatch:
        simulator = self._simulator
        entry = simulator.log.create(simulator.look())
        body = b"".join(content)
        assert len(body) == content_length
        entry.body_bytes = content_length

        def commit(fault: Fault | None) -> bytes:
            prepared = simulator.prepare(body, self._origin)
            entry.requests = len(prepared.requests)
            if fault is not None and fault.action == "late_commit":
                simulator.commit_late(prepared, fault.seconds or 0, entry)
                return b""
            batch = simulator.commit(prepared)
            entry.batch_id = batch.id
            return self._body(batch, fresh=True)

        return self._answer("create", calls.create(content_length, betas), commit, entry)

    def retrieve(self, batch_id: str) -> MessageBatch:
        return self._answer("retrieve", calls.retrieve(batch_id), lambda _: self._body(self._batch(batch_id)))

    def cancel(self, batch_id: str) -> MessageBatch:
        def cancel(_: Fault | None) -> bytes:
            batch = self._batch(batch_id)
            return self._body(batch, fresh=self._simulator.cancel(batch))

        return self._answer("cancel", calls.cancel(batch_id), cancel)

    def greet(self) -> Greeting:
        return self._page(limit=1).greeting

    def count_tokens(self, params: Mapping[str, Any]) -> int:
        call = calls.count_tokens(params, ())
        counted = msgspec.json.decode(call.body or b"")
        return self._answer("count_tokens", call, lambda _: b'{"input_tokens":%d}' % max(1, input_tokens(counted)))

    def model(self, model_id: str) -> dict[str, Any]:
        now = self._simulator.clock.now()

        def described(_: Fault | None) -> bytes:
            found = find_model(model_id, now=now)
            if found is None:
                raise Refusal(404, f"model: {model_id}")
            return msgspec.json.encode(found.info(now))

        return self._answer("models", calls.model(model_id), described)

    def models(self) -> Sequence[dict[str, Any]]:
        found = models_page(self._simulator.clock.now(), lifecycle=frozenset(("active", "deprecated")), extra=())
        page = msgspec.json.encode({"data": found, "has_more": False, "first_id": None, "last_id": None})
        return self._answer("models", calls.models_page(None), lambda _: page)[0]

    def list(self) -> Iterator[MessageBatch]:
        cursor = calls.Cursor()
        while True:
            page = self._page(limit=MAX_LIST_PAGE, after_id=cursor.after_id)
            yield from page.batches
            if not cursor.advance(calls.last_id_of(page)):
                return

    @contextmanager
    def results(self, batch_id: str) -> Iterator[Iterator[bytes]]:
        simulator, call = self._simulator, calls.results(batch_id)
        fault = self._struck("results", call)
        if fault is not None and fault.action in ("truncated_200", "html_200"):
            self._broken_stream(call)
        with self._mapped(call):
            batch = self._batch(batch_id)
            simulator.check_results(batch)
        if fault is not None and fault.action == "drop_after_commit":
            self._lose_the_answer(call)
        chunks = result_chunks(batch, seed=simulator.seed, cache=simulator.cache_of(batch))
        yield self._in_transit(chunks, fault, call)

    def _in_transit(self, chunks: Iterator[bytes], fault: Fault | None, call: Call[Any]) -> Iterator[bytes]:
        if fault is None or fault.action not in ("cut_after_bytes", "cut_after_lines"):
            yield from chunks
            return
        if fault.action == "cut_after_lines":
            with suppress(CutOff):
                yield from cut_in_line(chunks, fault.lines or 0)
        else:
            yield b"".join(chunks)[: fault.bytes or 0]
        self._broken_stream(call)

    def _page(self, *, limit: int, after_id: str | None = None) -> BatchPage:
        def page(_: Fault | None) -> bytes:
            found = self._simulator.page(self._origin.workspace_id, limit=limit, after_id=after_id, before_id=None)
            return msgspec.json.encode(
                {
                    "data": [self._described(batch) for batch in found.batches],
                    "has_more": found.has_more,
                    "first_id": found.batches[0].id if found.batches else None,
                    "last_id": found.batches[-1].id if found.batches else None,
                }
            )

        return self._answer("list", calls.list_page(limit, after_id, None), page)

    def _answer(
        self, operation: str, call: Call[T], work: Callable[[Fault | None], bytes], entry: CreateCall | None = None
    ) -> T:
        fault = self._struck(operation, call, entry)
        with self._mapped(call):
            body = work(fault)
        if fault is not None:
            body = self._spoiled(body, fault, call)
        with self._mapped(call):
            return call.read(Answer(body=body, headers=self._headers(), account=_ACCOUNT))

    def _struck(self, operation: str, call: Call[Any], entry: CreateCall | None = None) -> Fault | None:
        """Count a call, and apply its fault if that comes before any effect."""
        simulator = self._simulator
        simulator.log.count(operation, simulator.clock.now())
        fault = simulator.faults.pick(operation, call.batch_id)
        if entry is not None and fault is not None:
            entry.fault = fault.action
        if fault is not None and fault.action == "status":
            self._refuse(fault.refusal(), call, fault)
        if fault is not None and fault.action == "drop_before_commit":
            self._lose_the_answer(call)
        return fault

    def _spoiled(self, body: bytes, fault: Fault, call: Call[Any]) -> bytes:
        if fault.action in _LOST or fault.action == "cut_after_bytes" or fault.action == "truncated_200":
            self._lose_the_answer(call)
        if fault.action == "status_after_commit":
            self._refuse(fault.refusal(), call, fault)
        return html_page(200, "OK") if fault.action == "html_200" else body

    def _refuse(self, refusal: Refusal, call: Call[Any], fault: Fault | None = None) -> NoReturn:
        """Raise the error that the client makes of a refusal."""
        html, text = (fault.html, fault.body) if fault is not None else (False, None)
        reply = refusal_reply(refusal, self._simulator.request_id(), html=html, body=text)
        usual = {"server": "a gateway"} if reply.from_gateway else self._headers()
        assert isinstance(reply.body, bytes)
        response = httpx2.Response(
            reply.status, headers=usual | reply.headers, content=reply.body,
            request=httpx2.Request(call.method, _BASE_URL + call.path),
        )  # fmt: skip
        try:
            body: object = msgspec.json.decode(reply.body)
        except msgspec.DecodeError:
            body = reply.body.decode()
        self._fail(anthropic.APIStatusError("refused", response=response, body=body), call)

    def _lose_the_answer(self, call: Call[Any]) -> NoReturn:
        self._fail(httpx2.RemoteProtocolError("Server disconnected without sending a response."), call)

    def _broken_stream(self, call: Call[Any]) -> NoReturn:
        raise map_broken_stream(httpx2.RemoteProtocolError("peer closed connection"), call, 0, ()).error

    @staticmethod
    def _fail(error: Exception, call: Call[Any]) -> NoReturn:
        raise map_failure(error, call, ()).error

    @contextmanager
    def _mapped(self, call: Call[Any]) -> Iterator[None]:
        try:
            yield
        except Refusal as refusal:
            self._refuse(refusal, call)
        except MessageBatchesError as error:
            self._fail(error, call)

    def _batch(self, batch_id: str) -> SimulatedBatch:
        return self._simulator.batch(batch_id, self._origin.workspace_id)

    def _body(self, batch: SimulatedBatch, *, fresh: bool = False) -> bytes:
        return msgspec.json.encode(self._described(batch, fresh=fresh))

    def _described(self, batch: SimulatedBatch, *, fresh: bool = False) -> dict[str, Any]:
        simulator = self._simulator
        incremental = simulator.settings.incremental_counts
        return batch.body(simulator.clock.now(), base_url=_BASE_URL, incremental=incremental, fresh=fresh)

    def _headers(self) -> dict[str, str]:
        simulator = self._simulator
        return {
            "date": http_date(simulator.clock.now()),
            "request-id": simulator.request_id(),
            "anthropic-organization-id": simulator.organization_id,
            "anthropic-workspace-id": self._origin.workspace_id,
        }
