"""A task that waits in the triggerer for the run's ``seconds``."""

from datetime import timedelta
from typing import Any

from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import DAG, BaseOperator, Context


class Defers(BaseOperator):
    template_fields = ("seconds",)

    def __init__(self, *, seconds: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seconds = seconds

    def execute(self, context: Context) -> None:
        trigger = TimeDeltaTrigger(timedelta(seconds=float(self.seconds)))
        self.defer(trigger=trigger, method_name=self.resume.__name__)

    def resume(self, context: Context, event: Any = None) -> dict[str, str]:
        self.log.info("Resumed after %s s", self.seconds)
        return {"waited": self.seconds}


with DAG("stack_deferral", schedule=None, params={"seconds": 1}):
    Defers(task_id="waits", seconds="{{ params.seconds }}")
