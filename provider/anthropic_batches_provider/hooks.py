"""Makes an Airflow connection a client of the Message Batches API.

The SDK is imported when a client is first needed, never with this module. Methods for tasks may block. Methods for
triggers are async, and import the SDK and build their client in a thread.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseHook

from anthropic_batches_provider.batches.batch_ids import check_batch_id
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.edge.arguments import seconds_of
from anthropic_batches_provider.edge.connection_form import (
    CONNECTION_TYPE,
    CONNECTION_TYPE_LABEL,
    DEFAULT_CONN_ID,
    UI_FIELD_BEHAVIOUR,
    form_widgets,
)
from anthropic_batches_provider.edge.connections import new_async_client, read_settings, read_settings_async
from anthropic_batches_provider.edge.prices import check_connection_prices
from anthropic_batches_provider.errors import (
    BatchesNotEndedError,
    ConfigurationError,
    MessageBatchesError,
    ResultsUnavailableError,
)

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.client import (
        Anthropic,
        AsyncMessageBatchClient,
        ClientSettings,
        MessageBatchClient,
    )
    from anthropic_batches_provider.batches.clock import Clock
    from anthropic_batches_provider.batches.message_batch import MessageBatch
    from anthropic_batches_provider.batches.one_batch_wait import OneBatchWait

__all__ = ["MessageBatchHook"]


class MessageBatchHook(BaseHook):
    """Every call of the Message Batches API, with the credential of an Airflow connection.

    All methods raise :class:`~anthropic_batches_provider.errors.ConfigurationError` if the connection cannot be used
    or a ``batch_id`` can be no id. They raise :class:`~anthropic_batches_provider.errors.ApiError` and its kinds if the
    service refuses or does not answer.
    Calls other than :meth:`create_batch` are repeated up to twice if that may help.

    :param conn_id: a connection of type ``anthropic_batches``, or of the official provider's type ``anthropic``. Its
        password is the API key, its host the base URL.
    """

    conn_name_attr = "conn_id"
    default_conn_name = DEFAULT_CONN_ID
    conn_type = CONNECTION_TYPE
    hook_name = CONNECTION_TYPE_LABEL

    def __init__(self, conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.conn_id = conn_id
        self._created: set[str] = set()  # the service may not know these everywhere yet

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the form's fields for Airflow below 3.2; none if its form library is not installed."""
        return form_widgets()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return the form's labels for Airflow below 3.2."""
        return UI_FIELD_BEHAVIOUR

    # ------------------------------------------------------------------------------------------ connection and clients

    def settings(self) -> ClientSettings:
        """Read the connection, and mask the secrets that Airflow does not mask by itself.

        :raises ConfigurationError: the connection is missing or cannot be used; names the field.
        """
        return read_settings(self.conn_id, hook=self)

    async def asettings(self) -> ClientSettings:
        """Read the connection on an event loop; as :meth:`settings`."""
        return await read_settings_async(self.conn_id, hook=self)

    def client(self) -> MessageBatchClient:
        """Return a new client of the connection; close it, or use it in a ``with`` statement."""
        from anthropic_batches_provider.batches.client import MessageBatchClient

        return MessageBatchClient(self.settings())

    async def aclient(self) -> AsyncMessageBatchClient:
        """Return a new async client; close it, or use it in an ``async with`` statement.

        Make one and keep it: each one reads the connection and builds a TLS context, both off the loop.
        """
        return await new_async_client(await self.asettings())

    def get_conn(self) -> Anthropic:
        """Return the SDK's own client with the connection's credential, for calls that this hook does not have.

        It behaves as the SDK does: it repeats a create call whose answer was lost, which can make two batches.
        """
        return self._client.sdk

    def test_connection(self) -> tuple[bool, str]:
        """Check the prices, and list one batch; return whether that worked, and the account or the error."""
        try:
            with self.client() as client:
                check_connection_prices(client.settings, self.conn_id)
                return True, f"Connected to {client.greet().account}."
        except MessageBatchesError as error:
            return False, str(error)

    # -------------------------------------------------------------------------------------------------------- the API

    def create_batch(self, requests: Iterable[Mapping[str, Any]], *, betas: Sequence[str] = ()) -> MessageBatch:
        """Create one message batch with one POST; the requests go through a temporary file, not through memory.

        This is the bare call: after an error other than a refusal, a batch may exist and be billed. The submit operator
        records what it sends, and settles such calls.

        :param requests: ``{"custom_id", "params"}`` each; at most 100,000 with 256,000,000 bytes in total. custom_ids
            have 1 to 64 letters, digits, ``-`` or ``_`` and are unique.
        :param betas: values of the ``anthropic-beta`` header, for the whole batch.
        :raises InvalidRowError: a request cannot be sent, or there are too many; nothing was sent.
        :raises EmptyInputError: there are no requests.
        """
        from anthropic_batches_provider.batches.client import spooled_body

        with spooled_body(requests) as body:
            batch = self._client.create(body, content_length=body.content_length, betas=betas)
        self._created.add(batch.id)
        return batch

    def retrieve_batch(self, batch_id: str) -> MessageBatch:
        """Return the current state of a batch.

        :raises BatchNotFoundError: the workspace has no such batch.
        """
        return self._client.retrieve(batch_id)

    def wait_for_batch(
        self, batch_id: str, *, timeout: timedelta | float | None = None, poll_interval: timedelta | float = 60.0
    ) -> MessageBatch:
        """Wait until a batch has ended, and return it; blocks the task for up to 24 hours.

        In a DAG, a deferrable :class:`~anthropic_batches_provider.sensors.MessageBatchSensor` waits without taking a
        worker slot. Young batches are checked sooner. Failures that pass by themselves are waited out for up to a day,
        as long as the service asks.

        :param timeout: how long to wait, in seconds or as a timedelta; None for as long as the batch takes.
        :param poll_interval: longest time between two checks, in seconds or as a timedelta.
        :raises BatchesNotEndedError: the time is up; the batch runs on.
        :raises BatchNotFoundError: the workspace has no such batch; raised at once, unless this hook has just created
            it.
        """
        from anthropic_batches_provider.batches.clock import SystemClock
        from anthropic_batches_provider.batches.one_batch_wait import wait_until_ended

        clock = SystemClock()
        wait = self._new_wait(batch_id, timeout, poll_interval, clock)
        return wait_until_ended(self._client.retrieve, batch_id, wait, clock)

    def list_batches(self, *, limit: int | None = None) -> Iterator[MessageBatch]:
        """Iterate over the workspace's batches, newest first, fetching pages of up to 1000.

        :param limit: how many at most; None for all.
        """
        return self._client.list(limit=limit)

    def job_of(self, batch_id: str, *, storage: str | None = None) -> str | None:
        """Return the URI of the job that a batch belongs to; None if no job of the storage has it.

        The API does not show who made a batch, but the ledger knows the batches of this provider's tasks. This reads
        one small file there, and calls no API. While the answer to a create call is lost, its batch belongs to no job.

        :param storage: the URI of the storage, for tasks that have a ``storage=`` of their own; None for
            ``[anthropic_batches] storage``.
        :returns: what ``job=`` of the operators takes.
        """
        from anthropic_batches_provider.batches.ledger import claim_in
        from anthropic_batches_provider.edge.object_storage import default_storage_uri, open_storage

        jobs = open_storage(storage or default_storage_uri())
        claim = claim_in(jobs, check_batch_id(batch_id, "batch_id="))
        return None if claim is None else f"{jobs.uri}/{claim.job}"

    def cancel_batch(self, batch_id: str) -> MessageBatch:
        """Request the cancellation of a batch; it ends later, and the results it has by then are kept and billed."""
        return self._client.cancel(batch_id)

    def delete_batch(self, batch_id: str) -> None:
        """Delete an ended batch and its results for good; one that has not ended is refused (status 400)."""
        self._client.delete(batch_id)

    def iter_results(self, batch_id: str) -> Iterator[dict[str, Any]]:
        """Iterate over the results of an ended batch in bounded memory, each exactly once.

        :returns: ``{"custom_id", "result": {"type", …}}`` as the API sends them, in no particular order. Only after the
            last one is it certain that all came: publish your output only then.
        :raises BatchesNotEndedError: the batch has not ended.
        :raises ResultsUnavailableError: its results were archived, 29 days after its creation.
        :raises ResultsStreamError: the download broke off, or lines are missing; read the results again from the start.
        """
        from anthropic_batches_provider.batches.client import decoded_results

        batch = self.retrieve_batch(batch_id)
        if not batch.has_ended:
            raise BatchesNotEndedError(
                f"Message batch {batch_id} is {batch.processing_status}: {batch.request_counts.processing:,} of "
                f"{counted(batch.request_counts.total, 'request')} not done. Wait with "
                "wait_for_batch(), or in a DAG with MessageBatchSensor. The batch runs on.",
                batch_ids=(batch_id,),
            )
        if batch.archived_at is not None:
            raise ResultsUnavailableError(
                f"The results of message batch {batch_id} were archived at {batch.archived_at}: the API keeps them for "
                "29 days after the batch's creation. To get them again, send the requests as a new batch, which is "
                "billed again. The archived results are no longer available."
            )
        with self._client.results(batch_id) as chunks:
            yield from decoded_results(chunks, batch)

    def count_tokens(self, params: Mapping[str, Any]) -> int:
        """Return the number of input tokens of one request's params; free, but with a rate limit of its own."""
        return self._client.count_tokens(params)

    def list_models(self) -> list[dict[str, Any]]:
        """Return the models that the key may use, as the API describes them."""
        return self._client.models()

    async def aretrieve_batch(self, batch_id: str) -> MessageBatch:
        """As :meth:`retrieve_batch`; for many calls, keep an :meth:`aclient`."""
        async with await self.aclient() as client:
            return await client.retrieve(batch_id)

    async def await_for_batch(
        self,
        batch_id: str,
        *,
        timeout: timedelta | float | None = None,  # noqa: ASYNC109 - as in the sync twin: the batch runs on
        poll_interval: timedelta | float = 60.0,
    ) -> MessageBatch:
        """As :meth:`wait_for_batch`, without blocking the event loop."""
        from anthropic_batches_provider.batches.clock import SystemClock
        from anthropic_batches_provider.batches.one_batch_wait import wait_until_ended_async

        clock = SystemClock()
        wait = self._new_wait(batch_id, timeout, poll_interval, clock)
        async with await self.aclient() as client:
            return await wait_until_ended_async(client.retrieve, batch_id, wait, clock)

    async def alist_batches(self, *, limit: int | None = None) -> list[MessageBatch]:
        """Return the workspace's batches, newest first.

        :param limit: how many at most; None for all.
        """
        async with await self.aclient() as client:
            return [batch async for batch in client.list(limit=limit)]

    async def acancel_batch(self, batch_id: str) -> MessageBatch:
        """As :meth:`cancel_batch`."""
        async with await self.aclient() as client:
            return await client.cancel(batch_id)

    # ------------------------------------------------------------------------------------------------------- internals

    @cached_property
    def _client(self) -> MessageBatchClient:
        """The client that this hook's own methods share, so that they reuse its connections."""
        return self.client()

    def _new_wait(
        self, batch_id: str, timeout: timedelta | float | None, poll_interval: timedelta | float, clock: Clock
    ) -> OneBatchWait:
        from anthropic_batches_provider.batches.one_batch_wait import OneBatchWait

        interval, limit = seconds_of(poll_interval), None if timeout is None else seconds_of(timeout)
        if not 0 < interval < math.inf:
            raise ConfigurationError(f"poll_interval= must be above 0 seconds, not {poll_interval!r}.")
        if limit is not None and not 0 <= limit < math.inf:
            raise ConfigurationError(f"timeout= must be 0 seconds or more, or None, not {timeout!r}.")
        return OneBatchWait(
            batch_id,
            poll_interval=interval,
            timeout=limit,
            began=clock.steady(),
            is_new=batch_id in self._created,
        )

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_client"}
