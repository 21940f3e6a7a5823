"""Reports the progress of a task's job: at intervals a line in its log, and the same figures in its XCom."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from anthropic_batches_provider.batches.closing import closed_after
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.edge.xcom_keys import PROGRESS_KEY

if TYPE_CHECKING:
    from airflow.sdk import Context

    from anthropic_batches_provider.batches.ledger import FirstPromptRecord, JobFolder

log = logging.getLogger(__name__)

_EVERY_SECONDS = 30.0
_ROWS_BETWEEN_LOOKS = 1_000  # the clock is read once per so many rows
_Row = TypeVar("_Row")


class ProgressReport:
    """The progress of one attempt.

    :param context: of the task, whose XCom ``progress`` receives the figures.
    :param show_prompt: whether these hold the text of the first prompt, and not its length and hash alone.
    :param seconds: returns a monotonic time, in seconds.
    """

    def __init__(
        self, context: Context, *, show_prompt: bool = False, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._context = context
        self._show_prompt = show_prompt
        self._first_prompt: FirstPromptRecord | None = None
        self._seconds = seconds
        self._began_at = seconds()
        self._told_at = self._began_at

    def building(self, rows: Iterable[_Row], *, step: str = "Building shards") -> Iterator[_Row]:
        """Yield the rows unchanged, and report how many were built.

        :param step: the name under which the log folds these reports.
        """
        count = 0
        with closed_after(rows), log_group(step):
            for count, row in enumerate(rows, 1):
                if not count % _ROWS_BETWEEN_LOOKS and self._is_due():
                    self._tell_built(count)
                yield row
            self._tell_built(count)

    def report(self, job: JobFolder, *, force: bool = False) -> None:
        """Report the progress of a sealed job, if a report is due.

        :param force: whether to report in any case.
        """
        if not (force or self._is_due()):
            return
        import pendulum

        from anthropic_batches_provider.batches.progress import JobProgress

        self._told_at = self._seconds()
        progress = JobProgress.of(job, now=pendulum.now("UTC"))
        log.info("Progress: %s", progress)
        self._push({**progress.as_dict(), "first_prompt": self._described_prompt(job)})

    def _described_prompt(self, job: JobFolder) -> dict[str, Any] | None:
        """Return the first prompt of the one job of this report; None if it is not known."""
        from anthropic_batches_provider.batches.first_prompt import first_prompt_of

        if self._first_prompt is None:
            try:
                self._first_prompt = first_prompt_of(job, with_text=self._show_prompt)
            except Exception as error:  # noqa: BLE001 - a failed display must stop nothing
                log.warning("The first prompt of %s could not be read, and is not shown: %s", job.uri, error)
        return None if self._first_prompt is None else self._first_prompt.as_dict()

    def _is_due(self) -> bool:
        return self._seconds() - self._told_at >= _EVERY_SECONDS

    def _tell_built(self, rows: int) -> None:
        self._told_at = self._seconds()
        passed = self._told_at - self._began_at
        rate = rows / passed if passed > 0 else None
        log.info("Progress: %s built%s", counted(rows, "row"), f", {rate:,.0f} rows/s" if rate else "")
        self._push({"rows_built": rows, "rows_per_second": rate})

    def _push(self, figures: dict[str, Any]) -> None:
        task_instance: Any = self._context["ti"]
        try:
            task_instance.xcom_push(key=PROGRESS_KEY, value=figures)
        except Exception as error:  # noqa: BLE001 - a report must not fail the work that it describes
            log.warning("The progress could not be shown in XCom: %s", error)


@contextmanager
def log_group(name: str) -> Iterator[None]:
    """Fold the log lines of a step in Airflow's log view, so that the log of a large job stays readable."""
    log.info("::group::%s", name)
    try:
        yield
    finally:
        log.info("::endgroup::")
