"""What an estimate leaves out, or rests on: sentences for the person who decides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pendulum

from anthropic_batches_provider.batches.estimates.output_tokens import FromPilot, OutputExpectation, Share
from anthropic_batches_provider.batches.estimates.row_costs import CachedPrefix
from anthropic_batches_provider.batches.limits import BATCH_EXPIRES_AFTER
from anthropic_batches_provider.batches.model_names import without_date
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.batches.repairs import Repair

FEW_ANSWERS = 16
"""With fewer answers of a pilot than this, their interval is not to be trusted."""
_EXCERPT = 300


@dataclass(frozen=True, slots=True)
class Caveat:
    """A sentence or two.

    :param kind: what it is about. Of several jobs, only the first caveat of a kind is shown.
    :param jobs: how many jobs have it.
    """

    kind: str
    text: str
    jobs: int = 1

    def __str__(self) -> str:
        others = self.jobs - 1
        return self.text if not others else f"{self.text} ({counted(others, 'other estimate')} in this sum: likewise.)"


def added(caveats: Iterable[Caveat]) -> tuple[Caveat, ...]:
    """Return the caveats of several jobs, one of each kind."""
    found: dict[str, Caveat] = {}
    for caveat in caveats:
        first = found.get(caveat.kind)
        found[caveat.kind] = caveat if first is None else replace(first, jobs=first.jobs + caveat.jobs)
    return tuple(found.values())


def of_output(output: OutputExpectation, models: Iterable[str]) -> list[Caveat]:
    """Return what the figures for the answers rest on.

    :param models: that the rows ask.
    """
    if isinstance(output, FromPilot):
        seen = without_date(output.model)
        return _of_pilot(output, [model for model in models if seen and without_date(model) != seen])
    if isinstance(output, Share):
        text = (
            f"The expected cost takes {output.share:.4g} of max_tokens for each answer, as asked. Nobody has measured "
            "that, so the interval goes from no answers to answers of max_tokens."
        )
        return [Caveat("output", text)]
    text = (
        "The length of the answers is not known: the expected cost has every answer at max_tokens, and the interval "
        "begins at no answers. Name an earlier job with a pilot, or give the share of max_tokens that you expect."
    )
    return [Caveat("output", text)]


def _of_pilot(output: FromPilot, other_models: Sequence[str]) -> list[Caveat]:
    found = []
    answers, of = len(output.output_tokens), f" of {output.name}" if output.name else ""
    if answers < FEW_ANSWERS:
        text = f"The length of the answers is that of only {counted(answers, 'answer')}{of}: the interval may be wrong."
        found.append(Caveat("few answers", text))
    elif min(output.output_tokens) == max(output.output_tokens):
        text = (
            f"All {answers:,} answers{of} have the same length, so that the interval is that of the input alone; a few "
            "answers of this job may differ."
        )
        found.append(Caveat("equal answers", text))
    if other_models:
        text = (
            f"The length of the answers was seen with {output.model}{of}, and not with {', '.join(other_models)}, "
            "whose answers may be longer."
        )
        found.append(Caveat("other model", text))
    if output.truncated:
        text = (
            f"{counted(output.truncated, 'answer')}{of} {'was' if output.truncated == 1 else 'were'} cut at the "
            "max_tokens of that job: with larger max_tokens, answers may be longer than estimated."
        )
        found.append(Caveat("truncated", text))
    return found


def of_cache(prefix: CachedPrefix | None, why_unmarked: str) -> list[Caveat]:
    """Return what the figures for the prompt cache rest on.

    :param why_unmarked: a sentence; "" if the requests are marked, or if nobody asked for that.
    """
    if prefix is None:
        return [Caveat("no cache", f"{why_unmarked} The figures are without it.")] if why_unmarked else []
    if prefix.expected_writes is None:
        expected = "with pilot=0, nothing goes first to write it, and the expected cost has every row write it"
    else:
        writes = counted(prefix.expected_writes, "row")
        expected = f"the expected cost has {writes} write it, one for each shard, and all others read it"
    text = (
        f"The rows share {counted(prefix.tokens, 'token')} that the prompt cache keeps for {prefix.ttl}: {expected}. "
        "Nobody can promise that: the low figure has one row write it, and the high one every row."
    )
    return [Caveat("cache", text)]


def of_uncounted_prefix() -> Caveat:
    """Return that the length of the marked prefix is not known."""
    text = (
        "The tokens that the rows share could not be counted, so the prompt cache is not in the expected cost. The low "
        "figure has whole prompts read from the cache, and the high one has them written."
    )
    return Caveat("uncounted prefix", text)


def of_own_marks(rows: int) -> Caveat:
    """Return that requests have marks of the prompt cache of their own.

    :param rows: of the sample.
    """
    text = (
        f"{counted(rows, 'sampled row')} {'has its' if rows == 1 else 'have their'} own `cache_control`. "
        "The expected cost takes the price of plain input, the low figure that of reading, and the high one that "
        "of writing."
    )
    return Caveat("own marks", text)


def of_repair(repair: Repair) -> list[Caveat]:
    """Return that answers which are asked for again cost again."""
    if not repair.changes:
        return []
    text = (
        f"repair= asks again for answers that are {', '.join(sorted(repair.changes))}: these cost again, and the "
        "figures, with the bound, are without that."
    )
    return [Caveat("repair", text)]


def of_tools(types: Iterable[str]) -> list[Caveat]:
    """Return that what the service's tools do is in no figure."""
    named = sorted(set(types))
    if not named:
        return []
    text = (
        f"The service runs tools for these rows ({', '.join(named)}). What they find counts as input, and web searches "
        "have a price of their own: the figures, with the bound, are without both."
    )
    return [Caveat("tools", text)]


def of_unknown_price(model: str, rows: int, reason: str) -> Caveat:
    """Return that the rows of a model are in no figure of the cost.

    :param reason: a sentence.
    """
    way = "" if "prices=" in reason else " Or give the model's prices in `prices=`."
    return Caveat(
        f"price of {model}",
        f"The cost of {counted(rows, 'row')} is not in the figures. {reason}{way}",
    )


def of_refusals(numbers: Sequence[int], sampled: int, reason: str) -> list[Caveat]:
    """Return that the API refuses rows of the sample.

    :param numbers: of these rows, from 0.
    :param sampled: how many rows are in the sample.
    :param reason: the error for the first of them.
    """
    if not numbers:
        return []
    text = (
        f"The API refuses {len(numbers):,} of {counted(sampled, 'sampled row')}, for example row {numbers[0]:,} (the "
        f"first is 0). In a batch, such rows fail, and cost nothing: {_shortened(reason)}"
    )
    return [Caveat("refused", text)]


def of_refusal_of_all(rows: int) -> Caveat:
    """Return that a job of which the API refuses all that was counted has no cost.

    :param rows: of the job.
    """
    text = (
        f"Every sampled row is refused, so nothing is known of {'the row' if rows == 1 else f'all {rows:,} rows'}, and "
        "no cost is told. Correct the question, and estimate again."
    )
    return Caveat("all refused", text)


def of_invalid_rows(count: int, first: str) -> list[Caveat]:
    """Return that rows cannot be sent.

    :param first: the reason for the first of them.
    """
    if not count:
        return []
    cannot = f"{counted(count, 'row')} cannot be sent, and {'is' if count == 1 else 'are'} not in the figures."
    return [Caveat("invalid", f"{cannot} The first: {_shortened(first)}")]


def of_retirement(model: str, retires_at: pendulum.DateTime, done_by: pendulum.DateTime) -> list[Caveat]:
    """Return that a model may retire before the job is done.

    :param done_by: when the job is done at the latest, if it begins now.
    """
    if retires_at > done_by:
        return []
    text = (
        f"{model} retires at {_shown(retires_at)}, and the job may take until {_shown(done_by)}: rows that are "
        "answered later fail, unbilled. Ask a newer model."
    )
    return [Caveat(f"retirement of {model}", text)]


def of_unknown_model(model: str, reason: str) -> Caveat:
    """Return that a model could not be looked up."""
    return Caveat(
        f"model {model}", f"The model {model} could not be looked up, so that it may retire soon: {_shortened(reason)}"
    )


def of_queue(rows: int, in_flight: int, days: int) -> list[Caveat]:
    """Return that the job does not fit into the queue at once.

    :param in_flight: how many requests may be in the queue.
    """
    if days <= 1:
        return []
    hours = BATCH_EXPIRES_AFTER.total_seconds() / 3600
    text = (
        f"{counted(rows, 'request')} do not fit into the queue of {in_flight:,} at once. A batch takes up to "
        f"{hours:.0f} hours, so the job takes up to {counted(days, 'day')}; most batches are faster."
    )
    return [Caveat("queue", text)]


def _shown(moment: pendulum.DateTime) -> str:
    return moment.in_timezone("UTC").format("YYYY-MM-DD HH:mm [UTC]")


def _shortened(text: str) -> str:
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}…"
