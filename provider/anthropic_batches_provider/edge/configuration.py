"""Every option of ``[anthropic_batches]``: the one list behind readers, provider info and ``docs/configuration.md``.

Imports nothing outside the standard library: Airflow reads provider info in each of its processes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.submission import SubmissionBounds

SECTION = "anthropic_batches"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of Airflow's configuration.

    :param meaning: what it does, in Markdown that reads well as plain text.
    :param example: a value somebody may set; None where the default says enough.
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
        """The default as it would stand in ``airflow.cfg``; None where the option has none."""
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
    """An option without a default: its meaning says what holds while it is unset."""

    type: ClassVar[str] = "string"

    @property
    def default_text(self) -> None:
        return None

    def read(self) -> str | None:
        """Return what is configured; None if nothing is."""
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
        """Return what is configured, in seconds."""
        from airflow.providers.common.compat.sdk import conf

        return float(conf.getfloat(SECTION, self.name, fallback=float(self.default)))


STORAGE = TextOption(
    name="storage",
    meaning=(
        "Where jobs keep what must outlive a task: the request shards as sent, the rows' keys, and the ledger of what "
        "was submitted and paid for. Any path that Airflow's ObjectStoragePath accepts, with a connection where the "
        "store needs one. Unset: file://{AIRFLOW_HOME}/anthropic_batches, which is accepted only where tasks share a "
        "disk (LocalExecutor and dag.test()); every other executor needs a store that all workers reach. Operators "
        "take storage= for a different place. Do not delete jobs from it that may still be retried or cleared: what "
        "the ledger forgets is paid for again."
    ),
    example="s3://aws_default@my-bucket/anthropic_batches",
)

SPOOL = TextOption(
    name="spool",
    meaning=(
        "A local folder for what tasks write on their way, one folder for each attempt, removed when it ends (after a "
        "kill: when the user's next one on this host starts). Needs room for one message batch per running task: up "
        "to 256 MB of requests, or the results twice over; besides, 30 to 120 bytes per row for its key. Files hold "
        "prompts and answers, and only their user may read them. Unset: the system's temporary folder. On a network "
        "disk without locks, what killed attempts leave is not removed."
    ),
    example="/mnt/scratch",
)

# How long a create call may take decides when a lost one is certain to have made no batch: after the three together.
POST_START = SecondsOption(
    name="post_start_seconds",
    default=60,
    meaning="A create call may start only this long after its intent was recorded.",
)
POST_DEADLINE = SecondsOption(
    name="post_deadline_seconds",
    default=900,
    meaning="The body of a create call is broken off this long after it started.",
)
SETTLE = SecondsOption(
    name="settle_seconds",
    default=600,
    meaning=(
        "How long after that the service may still make a batch of a lost call visible. The three together are how "
        "long a lost call that made no batch holds up its shard before it is sent again. Too short a time can pay "
        "twice."
    ),
)

BOUNDS = (POST_START, POST_DEADLINE, SETTLE)
OPTIONS: tuple[Option, ...] = (STORAGE, SPOOL, *BOUNDS)


def submission_bounds() -> SubmissionBounds:
    """Return how long a create call may take."""
    import pendulum

    from anthropic_batches_provider.batches.submission import SubmissionBounds

    return SubmissionBounds(
        start_within=pendulum.duration(seconds=POST_START.read()),
        post_deadline=pendulum.duration(seconds=POST_DEADLINE.read()),
        settle_time=pendulum.duration(seconds=SETTLE.read()),
    )
