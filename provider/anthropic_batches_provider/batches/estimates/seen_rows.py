"""The rows of a job as they pass by: by kind, with a sample of each, and into how many batches they would be cut."""

from __future__ import annotations

from anthropic_batches_provider.batches.estimates.batch_counts import BatchCounts
from anthropic_batches_provider.batches.estimates.kept_rows import RowFiles
from anthropic_batches_provider.batches.estimates.row_facts import PICTURE_SIZE, facts_of, pictures_of
from anthropic_batches_provider.batches.estimates.strata import Kind, Stratum
from anthropic_batches_provider.batches.invalid_rows import InvalidRow
from anthropic_batches_provider.batches.rows import PreparedRow
from anthropic_batches_provider.batches.sharding import ShardLimits


class SeenRows:
    """Takes the rows of a job, in constant memory.

    :param limits: of its shards.
    :param draws: how many rows of each kind are drawn.
    :param shared_blocks: how many blocks of the first message are in the cached prefix.
    :param prefix_bytes: the bytes of the cached prefix, in which rows do not differ; 0 without one.
    """

    def __init__(
        self,
        limits: ShardLimits,
        *,
        draws: int,
        seed: str,
        files: RowFiles,
        shared_blocks: int = 0,
        prefix_bytes: int = 0,
    ) -> None:
        self.strata: dict[Kind, Stratum] = {}
        self.batches = BatchCounts(limits)
        self.invalid_rows = 0
        self.first_reason = ""
        self._draws, self._seed, self._files = draws, seed, files
        self._shared_blocks = shared_blocks
        self._prefix_bytes = prefix_bytes

    def add(self, row: PreparedRow | InvalidRow) -> None:
        """Take the next row."""
        if isinstance(row, InvalidRow):
            self._add_invalid(row.reason)
            return
        params = row.params
        if not self.batches.add(row.number, len(params)):
            self._add_invalid(f"Row {row.number:,} (the first is 0) is too long for a batch.")
            return
        facts, pictures = facts_of(params), pictures_of(params, self._shared_blocks)
        kind = Kind(facts.model, facts.geography, pictures.number > 0)
        stratum = self.strata.get(kind)
        if stratum is None:
            stratum = Stratum(kind, draws=self._draws, seed=self._seed, files=self._files)
            self.strata[kind] = stratum
        size = len(params) - self._prefix_bytes - pictures.data_bytes + PICTURE_SIZE * pictures.number
        stratum.add(row, facts, max(size, 1))

    def _add_invalid(self, reason: str) -> None:
        self.invalid_rows += 1
        self.first_reason = self.first_reason or reason
