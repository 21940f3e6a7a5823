"""The service's limits, pace and behavior, as far as a test can set them.

The limits restate https://platform.claude.com/docs/en/build-with-claude/batch-processing and
https://platform.claude.com/docs/en/api/rate-limits#message-batches-api (read 2026-09-26 and 2026-08-22).
"""

from __future__ import annotations

import msgspec

DEFAULT_API_KEY = "sk-ant-simulator"
DEFAULT_WORKSPACE = "wrkspc_01Simulator"
DEFAULT_ORGANIZATION = "00000000-0000-4000-8000-000000000001"
ANY_WORKSPACE = "*"

EXPIRES_AFTER = 24 * 3600.0
ARCHIVED_AFTER = 29 * 24 * 3600.0

VERSION_WITHOUT_SAMPLING = "2026-10-21"
VERSIONS = ("2023-06-01", VERSION_WITHOUT_SAMPLING)


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All settings that can change while the simulator runs. Durations are seconds of the simulator's clock.

    :param batch_duration: how long a batch takes. At 0, a batch is in progress in the answer to its creation and ended
        at the next poll. Beyond 24 h the batch expires, together with the rows that are not done by then.
    :param cancel_duration: how long a canceled batch stays ``canceling``.
    :param cancel_completes: share of the unfinished rows that still finish after a cancel.
    :param incremental_counts: let ``request_counts`` change while a batch is in progress; the documentation says they
        do not.
    :param shuffle_results: return results in a different order than the requests; for batches created afterwards.
    :param gzip_results: compress results for clients that accept it.
    :param retry_after: the hint in answers about in-progress batches; never more than the time the batch still needs.
    :param max_requests: requests in one batch.
    :param max_bytes: bytes in one request body, after decoding.
    :param queue_limit: requests in all batches of the organization that have not ended.
    :param requests_per_minute: the figure in the rate limit headers; with ``enforce_requests_per_minute``, a limit.
    :param cache_hit_rate: share of requests that read the prompt cache entry that another request of their own batch
        wrote. At 0, the requests of a cold batch do not read each other.
    :param warm_cache_hit_rate: share of requests that read the entry that an earlier batch left.
    :param html_413: answer a body that is too large in HTML, as the network in front of the API does.
    :param cancel_ended_status: 200 (the batch, unchanged) or 400, on canceling a batch that has ended.
    :param archived_message: the error for results after 29 days; ``{batch_id}`` is filled in.
    :param extra_models: model ids that are served in addition to the known ones.
    """

    batch_duration: float = 0.0
    cancel_duration: float = 0.0
    cancel_completes: float = 0.25
    incremental_counts: bool = False
    shuffle_results: bool = True
    gzip_results: bool = False
    retry_after: float | None = 10.0
    max_requests: int = 100_000
    max_bytes: int = 256_000_000
    queue_limit: int = 500_000
    requests_per_minute: int = 4_000
    enforce_requests_per_minute: bool = False
    cache_hit_rate: float = 0.0
    warm_cache_hit_rate: float = 1.0
    html_413: bool = False
    cancel_ended_status: int = 200
    archived_message: str = "Message Batch {batch_id} has no available results."
    extra_models: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("batch_duration", "cancel_duration"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 0 or more")
        for name in ("cancel_completes", "cache_hit_rate", "warm_cache_hit_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be between 0 and 1")
        if self.cancel_ended_status not in (200, 400):
            raise ValueError(f"cancel_ended_status is {self.cancel_ended_status}; it must be 200 or 400")


def changed_settings(settings: Settings, changes: dict[str, object]) -> Settings:
    """Return ``settings`` with ``changes``.

    :raises ValueError: a setting does not exist, or its value is not valid; the message names it.
    """
    unknown = sorted(set(changes) - set(Settings.__struct_fields__))
    if unknown:
        raise ValueError(f"no such setting: {', '.join(unknown)}; use one of {', '.join(Settings.__struct_fields__)}")
    try:
        return msgspec.convert(msgspec.to_builtins(settings) | changes, Settings)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
