"""The imitated service: its batches, and the settings and rules for them. It never fails: other modules add faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from anthropic_batches_provider.simulator.service.billing import BillBook, Billing
from anthropic_batches_provider.simulator.service.identifiers import digest_number, make_id
from anthropic_batches_provider.simulator.service.outcomes import OutcomeRules
from anthropic_batches_provider.simulator.service.preparation import prepare
from anthropic_batches_provider.simulator.service.prompt_caching import PromptCache, PromptCaches
from anthropic_batches_provider.simulator.service.refusals import Refusal, batch_not_found, no_results
from anthropic_batches_provider.simulator.service.service_settings import (
    ANY_WORKSPACE,
    DEFAULT_API_KEY,
    DEFAULT_ORGANIZATION,
    DEFAULT_WORKSPACE,
    Settings,
)
from anthropic_batches_provider.simulator.service.simulated_batch import MessageBatch, Origin, Prepared
from anthropic_batches_provider.simulator.service.simulated_clock import Clock


@dataclass(frozen=True)
class Page:
    """A page of batches, newest first."""

    batches: list[MessageBatch]
    has_more: bool


class MessageBatchService:
    """A Message Batches service in memory.

    :param clock: its time; default: the wall clock.
    :param seed: of answers and random draws and, together with the clock's start, of ids.
    :param api_keys: the accepted keys, each with its workspaces. The first workspace is the key's home; ``"*"`` stands
        for any other.
    :param settings: limits, pace and behavior at the start; :meth:`reset` restores them.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        seed: int = 0,
        api_keys: Mapping[str, Sequence[str]] | None = None,
        settings: Settings | None = None,
        organization_id: str = DEFAULT_ORGANIZATION,
    ) -> None:
        self.clock = clock or Clock()
        self.seed = seed
        self.api_keys = {
            key: tuple(workspaces)
            for key, workspaces in (api_keys or {DEFAULT_API_KEY: (DEFAULT_WORKSPACE, ANY_WORKSPACE)}).items()
        }
        self.organization_id = organization_id
        self._first_settings = settings or Settings()
        self._resets = count()
        self.reset()

    def reset(self) -> None:
        """Forget batches, outcome rules and changed settings; the clock keeps running."""
        generation = next(self._resets)
        # The clock's start is part of the seed: ids of two simulators must differ, unless their time was injected.
        self._id_seed = (self.seed, repr(self.clock.start), generation)
        self.settings = self._first_settings
        self.rules = OutcomeRules(self.seed)
        self._bills = BillBook(self.seed)
        self._caches = PromptCaches(self.seed)
        self._batches: dict[str, MessageBatch] = {}
        self._deleted: list[MessageBatch] = []
        self._ids = count()
        self._orders = count()

    def look(self) -> float:
        """Return the time, in seconds since the epoch; a subclass first completes any work due by then."""
        return self.clock.now()

    def request_id(self) -> str:
        """Make the next ``req_`` id; ids depend on the seed, the clock's start and the number of resets."""
        return make_id("req_", *self._id_seed, next(self._ids))

    def prepare(self, body: bytes | bytearray, origin: Origin) -> Prepared:
        """Read a create call; may run in another thread, one call at a time.

        :raises Refusal: 400, if the whole call must be refused.
        """
        order_seed = digest_number(self.seed, "order", next(self._orders))
        return prepare(body, origin, self.settings, self.rules, now=self.clock.now(), order_seed=order_seed)

    def commit(self, prepared: Prepared) -> MessageBatch:
        """Turn prepared requests into a batch.

        :raises Refusal: 429, if the queue is full.
        """
        now = self.look()
        self._check_queue(prepared, now)
        return self._store(prepared, now)

    def _check_queue(self, prepared: Prepared, now: float) -> None:
        queued = sum(len(batch) for batch in self._batches.values() if not batch.has_ended(now))
        if queued + len(prepared.requests) > self.settings.queue_limit:
            raise Refusal(
                429,
                f"This request would exceed your organization's limit of {self.settings.queue_limit} requests in the "
                f"batch processing queue ({queued} are queued). Please try again later.",
            )

    def _store(self, prepared: Prepared, created_at: float) -> MessageBatch:
        batch_id = make_id("msgbatch_", *self._id_seed, "batch", len(self._batches) + len(self._deleted))
        batch = MessageBatch(batch_id, prepared, created_at, self.settings.batch_duration)
        self._batches[batch_id] = batch
        self._caches.note(batch)
        return batch

    def batch(self, batch_id: str, workspace_id: str) -> MessageBatch:
        """Return the batch of this id.

        :raises Refusal: 404, if the workspace has none.
        """
        self.look()
        batch = self._batches.get(batch_id)
        # A batch of another workspace is not forbidden but unknown, as in the real service.
        if batch is None or batch.prepared.origin.workspace_id != workspace_id:
            raise batch_not_found(batch_id)
        return batch

    def batches(self) -> list[MessageBatch]:
        """Return the batches of all workspaces, oldest first, without deleted ones."""
        self.look()
        return list(self._batches.values())

    def page(self, workspace_id: str, *, limit: int, after_id: str | None, before_id: str | None) -> Page:
        """Return a page of a workspace's batches; cursors are exclusive.

        :param after_id: return the batches that follow it in the list; they are older.
        :param before_id: return the batches just before it in the list; they are newer.
        :raises Refusal: 400 for two cursors, 404 for a cursor that is no batch of the workspace.
        """
        if after_id and before_id:
            raise Refusal(400, "Only one of after_id and before_id may be given.")
        newest_first = [b for b in reversed(self.batches()) if b.prepared.origin.workspace_id == workspace_id]
        cursor = after_id or before_id
        if not cursor:
            return Page(newest_first[:limit], len(newest_first) > limit)
        place = next((i for i, batch in enumerate(newest_first) if batch.id == cursor), None)
        if place is None:
            raise batch_not_found(cursor)
        if before_id:
            newer = newest_first[:place]
            return Page(newer[-limit:], len(newer) > limit)
        older = newest_first[place + 1 :]
        return Page(older[:limit], len(older) > limit)

    def cancel(self, batch: MessageBatch) -> bool:
        """Cancel a batch; return False if it had ended or was already being canceled.

        :raises Refusal: 400, if it has ended and the settings demand this refusal.
        """
        now = self.look()
        if batch.has_ended(now):
            if self.settings.cancel_ended_status == 400:
                raise Refusal(400, f"Message Batch {batch.id} has already ended and cannot be canceled.")
            return False
        if batch.cancel_initiated_at is not None:
            return False
        batch.cancel(now, takes=self.settings.cancel_duration, completes=self.settings.cancel_completes)
        return True

    def delete(self, batch: MessageBatch) -> None:
        """Delete an ended batch; its bill stays.

        :raises Refusal: 400, if it has not ended.
        """
        if not batch.has_ended(self.look()):
            raise Refusal(400, "In progress batches cannot be deleted. Consider canceling the batch instead.")
        # Kept for the bill: deleting a batch refunds nothing.
        self._deleted.append(self._batches.pop(batch.id))

    def check_results(self, batch: MessageBatch) -> None:
        """Check that the batch has results.

        :raises Refusal: 404, if the batch has not ended or its results are gone.
        """
        now = self.look()
        if not batch.has_ended(now):
            raise no_results(batch.id)
        if batch.archived_at(now) is not None:
            raise Refusal(404, self.settings.archived_message.format(batch_id=batch.id))

    def cache_of(self, batch: MessageBatch) -> PromptCache:
        """Return the prompt cache as the requests of a batch find it."""
        return self._caches.of(batch, self.settings, now=self.clock.now())

    def billing(self) -> Billing:
        """Compute the bill up to now; may run in another thread."""
        now = self.clock.now()
        batches = sorted([*self._deleted, *self._batches.values()], key=lambda batch: batch.created_at)
        return self._bills.billing(batches, now=now, cache_of=self.cache_of)
