"""Judges answers, by how they end and by the schema that they must fit."""

from anthropic_batches_provider.batches.judging.judge import Judge, judge_for, judge_text, judged_by
from anthropic_batches_provider.batches.judging.model_checks import imported_model
from anthropic_batches_provider.batches.judging.schema_checks import check_is_schema

__all__ = ["Judge", "check_is_schema", "imported_model", "judge_for", "judge_text", "judged_by"]
