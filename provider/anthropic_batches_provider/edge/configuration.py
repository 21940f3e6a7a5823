"""Every option of ``[anthropic_batches]``: the only list, used by readers, provider info and ``docs/configuration.md``.

This module imports nothing outside the standard library: Airflow reads provider info in each of its processes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.submission import SubmissionBounds

SECTION = "anthropic_batches"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of Airflow's configuration.

    :param meaning: what the option does, in Markdown that reads well as plain text.
    :param example: a possible value; None if the default says enough.
    """

    type: ClassVar[str]

    name: str
    meaning: str
    example: str | None = None
    version_added: str = "0.1.0"

    @property
    def environment_variable(self) -> str:
        return f"AIRFLOW__{SECTION.upper()}__{self.name.upper()}"

    @property
    def default_text(self) -> str | None:
        """The default as ``airflow.cfg`` would spell it; None if the option has none."""
        raise NotImplementedError

    def as_provider_info(self) -> dict[str, Any]:
        """Return the option as Airflow's ``provider_info.schema.json`` describes it."""
        return {
            "description": self.meaning,
            "version_added": self.version_added,
            "type": self.type,
            "example": self.example,
            "default": self.default_text,
        }


class TextOption(Option):
    """An option without a default: its meaning says what applies while it is unset."""

    type: ClassVar[str] = "string"

    @property
    def default_text(self) -> None:
        return None

    def read(self) -> str | None:
        """Return the configured text; None if the option is unset."""
        from airflow.providers.common.compat.sdk import conf

        return conf.get(SECTION, self.name, fallback=None) or None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondsOption(Option):
    """A duration."""

    type: ClassVar[str] = "integer"

    default: int

    @property
    def default_text(self) -> str:
        return str(self.default)

    def read(self) -> float:
        """Return the configured duration, in seconds."""
        from airflow.providers.common.compat.sdk import conf

        return float(conf.getfloat(SECTION, self.name, fallback=float(self.default)))


STORAGE = TextOption(
    name="storage",
    meaning=(
        "The folder where jobs keep everything that must outlive a task: the request shards as sent, the rows' keys, "
        "and the ledger of what was submitted and paid for. Set any path that Airflow's ObjectStoragePath accepts, "
        "with a connection if the store needs one. Unset: file://{AIRFLOW_HOME}/anthropic_batches, which is accepted "
        "only if tasks share a disk (LocalExecutor and dag.test()). Every other executor needs a store that all "
        "workers reach. An operator's storage= overrides this option. Do not delete jobs that may still be retried or "
        "cleared: the next run pays again for everything that the ledger no longer records."
    ),
    example="s3://aws_default@my-bucket/anthropic_batches",
)

SPOOL = TextOption(
    name="spool",
    meaning=(
        "A local folder for the temporary files of tasks. Each attempt has its own folder in it, removed when the "
        "attempt ends (after a kill: when the same user's next attempt on this host starts). It needs room for one "
        "message batch per running task: up to 256 MB of requests, or the results twice over. Each row's key needs "
        "another 30 to 120 bytes. The files hold prompts and answers, and only their user may read them. Unset: the "
        "system's temporary folder. On a network disk without locks, the folders of killed attempts are not removed."
    ),
    example="/mnt/scratch",
)

# A lost create call is certain to have made no batch once the sum of these three durations has passed.
POST_START = SecondsOption(
    name="post_start_seconds",
    default=60,
    meaning="A create call may start only this long after its intent was recorded.",
)
POST_DEADLINE = SecondsOption(
    name="post_deadline_seconds",
    default=900,
    meaning="The body of a create call is cut off this long after it started.",
)
SETTLE = SecondsOption(
    name="settle_seconds",
    default=600,
    meaning=(
        "How long after that the batch of a lost call may still become visible in the service. If a lost call made no "
        "batch, it delays its shard by the sum of these three durations; then the shard is sent again. If the sum is "
        "too short, a shard can be paid for twice."
    ),
)

BOUNDS = (POST_START, POST_DEADLINE, SETTLE)
OPTIONS: tuple[Option, ...] = (STORAGE, SPOOL, *BOUNDS)


def default_deferrable() -> bool:
    """Return ``[operators] default_deferrable`` if somebody has set it in the environment; else True.

    Airflow writes its own default, False, into the ``airflow.cfg`` that it generates: nobody has chosen that. A batch
    takes minutes to hours, so waiting is deferred unless somebody says otherwise.
    """
    from airflow.providers.common.compat.sdk import conf

    variable = "AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE"
    if any(f"{variable}{suffix}" in os.environ for suffix in ("", "_CMD", "_SECRET")):
        return bool(conf.getboolean("operators", "default_deferrable"))
    return True


def submission_bounds() -> SubmissionBounds:
    """Return the configured time limits of a create call."""
    import pendulum

    from anthropic_batches_provider.batches.submission import SubmissionBounds

    return SubmissionBounds(
        start_within=pendulum.duration(seconds=POST_START.read()),
        post_deadline=pendulum.duration(seconds=POST_DEADLINE.read()),
        settle_time=pendulum.duration(seconds=SETTLE.read()),
    )
