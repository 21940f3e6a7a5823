"""Tells what the prompt cache of a job does: in the log while its parts are written, and in the manifest.

The records of the parts are the memory of what was told: later attempts do not repeat a warning. It comes before the
record, so that a kill in between repeats it rather than losing it.
"""

from __future__ import annotations

import logging
import math

import msgspec

from anthropic_batches_provider.batches.ledger import (
    JobFolder,
    PartRecord,
    PromptCacheRecord,
    latest_parts,
    sent_pilots,
)
from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.batches.output.manifest import Manifest
from anthropic_batches_provider.batches.output.source import OutputSource
from anthropic_batches_provider.batches.output.tally import Tally
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.batches.prompt_cache.cache_gains import (
    CacheGains,
    JobCacheGains,
    gains_by_batch,
    gains_of,
)
from anthropic_batches_provider.batches.prompt_cache.cache_uses import UseByModel, added_up, cache_use_in
from anthropic_batches_provider.batches.prompt_cache.cached_models import why_nothing_was_cached

log = logging.getLogger(__name__)


class CacheReport:
    """Tells in the log what the prompt cache of a job does; nothing of a job without one.

    :param job: a sealed job.
    """

    def __init__(self, job: JobFolder) -> None:
        self._job = job
        self._cache = job.first_seal().prompt_cache
        self._uses: dict[int, UseByModel] | None = None
        self._sum: UseByModel = {}

    def tell_part(self, part: PartRecord, batch_id: str) -> None:
        """Tell what the cache did for a part that is about to be recorded; warn if the job turns to a loss by it.

        :param batch_id: the batch of its shard. What its primers, pilots and further rounds did is told with it.
        """
        if self._cache is None:
            return
        ttl, uses = self._cache.ttl, added_up(part.tally.cache.values())
        others = len(part.tally.cache.keys() - {batch_id})
        batches = f"{batch_id} and {counted(others, 'other batch')}" if others else batch_id
        log.info("%s: prompt cache: %s", batches, gains_of(uses, ttl))
        known = self._known_beside(part)
        before, is_new = self._sum, part.shard not in known
        known[part.shard] = uses
        self._sum = added_up([before, uses] if is_new else known.values())
        self._warn(before, self._sum, self._cache)

    def tell_all(self, manifest: Manifest) -> None:
        """Warn of a loss where all rows were collected at once, unless the collection before had one, too.

        :param manifest: of a collection that is not recorded yet.
        """
        if self._cache is not None:
            before = self._job.last_collection()
            self._warn({} if before is None else before.cache, cache_use_in(manifest.usage), self._cache)

    def _known_beside(self, part: PartRecord) -> dict[int, UseByModel]:
        """Return what the cache did by shard, as far as parts were written before this one."""
        if self._uses is None:
            others = (other for other in self._job.known_parts() if other != part)
            self._uses = {shard: added_up(other.tally.cache.values()) for shard, other in latest_parts(others).items()}
            self._sum = added_up(self._uses.values())
        return self._uses

    def _warn(self, before: UseByModel, now: UseByModel, cache: PromptCacheRecord) -> None:
        was, gains = gains_of(before, cache.ttl), gains_of(now, cache.ttl)
        if gains.requests and not gains.tokens and not was.requests and not self._pilot_has_told():
            log.warning(
                "The prompt cache of %s has no effect so far: nothing was written to or read from the cache by %s. %s "
                "Without an effect it costs nothing more than no cache.",
                self._job.uri, counted(gains.requests, "answered request"),
                why_nothing_was_cached(max(now, key=lambda name: now[name].requests), cache.prefix_tokens),
            )  # fmt: skip
        if _wastes(gains) and not _wastes(was):
            log.warning(
                "The prompt cache of %s costs more than no cache so far: %s. %s The answers are not affected. Batches "
                "that are sent already are paid for as they are.",
                self._job.uri, gains, self._advice(cache),
            )  # fmt: skip

    def _pilot_has_told(self) -> bool:
        """Return whether a pilot has shown that nothing is cached, which was said when it was judged."""
        records = (self._job.pilot(pilot) for pilot in sent_pilots(self._job.rounds()))
        return any(record is not None and record.cached_nothing for record in records)

    def _advice(self, cache: PromptCacheRecord) -> str:
        if not any(shard.is_primer for shard in self._job.first_seal().pilot_shards):
            return (
                "It was submitted with pilot=0, so that every batch is cold: its requests do not read what others of "
                'it write. Set pilot="auto" or leave out prompt_cache= the next time.'
            )
        return (
            "Check whether pilot=0 is set, which sends all batches without waiting for their primers. Check in the log "
            f"whether rows expired, or batches began later than {cache.ttl} after their primer. Check whether repair= "
            "names another model, which has a cache of its own. If it stays so, leave out prompt_cache= the next time."
        )


def _wastes(gains: CacheGains) -> bool:
    """Return whether the cache loses, and not only because few requests have read yet what had to be written."""
    return gains.loses and bool(gains.above_least_tokens)


def job_gains(work: OutputSource, tally: Tally) -> JobCacheGains | None:
    """Return what the prompt cache did, for the manifest; None without one."""
    cache = work.prompt_cache
    if cache is None:
        return None
    found = tally.cache.by_batch()
    in_order = [batch.id for batch in sorted(work.batches, key=_birth)]
    total = gains_of(added_up(found.values()), cache.ttl)
    return JobCacheGains(
        **msgspec.structs.asdict(total),
        ttl=cache.ttl,
        prefix_tokens=cache.prefix_tokens,
        batches=gains_by_batch({batch_id: found.get(batch_id, {}) for batch_id in in_order}, cache.ttl),
    )


def _birth(batch: MessageBatch) -> float:
    return math.inf if batch.created_at is None else batch.created_at.timestamp()


def tell_of_job(manifest: Manifest) -> None:
    """Say in the log what the prompt cache of a job did."""
    gains = manifest.prompt_cache
    if gains is None:
        return
    above = gains.above_least_tokens
    least = f"; {above:,} more than the least possible" if above is not None and gains.tokens else ""
    log.info("Prompt cache of %s: %s%s", manifest.job, gains, least)
