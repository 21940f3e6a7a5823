"""What a long text that all rows share costs with the prompt cache, by package and by the service's hits.

Every cell is a run: the real operators send 1,000 contracts to a simulator of their own, whose cache is empty. The cost
is that of all input, by the simulator's bill.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from anthropic_batches_provider.simulator import Settings, Simulator, SimulatorServer
from benchmarks.contestants import COMMON_AI, OFFICIAL, OURS, Contestant, connections
from benchmarks.dag_tests import DagTests, dag_variables

ROWS = 1_000
HIT_SHARES = (0.0, 0.3, 0.98)
_WRITE, _READ = (
    2.0,
    0.1,
)  # of claude-haiku-5-5, for an hour; https://platform.claude.com/docs/en/build-with-claude/prompt-caching


@dataclass(frozen=True)
class Way:
    """One way to send the contracts.

    :param module: the DAG.
    :param how: how this package uses the cache.
    """

    title: str
    contestant: Contestant
    module: str
    how: str = ""


WAYS = (
    Way("this package, no cache", OURS, "cache_ours", "none"),
    Way("official provider, each request marked", OFFICIAL, "cache_official"),
    Way("common-ai, `request_params` marked", COMMON_AI, "cache_common_ai"),
    Way('this package, `prompt_cache="1h"`, `pilot=0`', OURS, "cache_ours", "cold"),
    Way('this package, `prompt_cache="1h"`', OURS, "cache_ours", "primed"),
)


@dataclass(frozen=True)
class Cost:
    """What the input of one run cost.

    :param written: tokens that were written to the cache.
    :param read: tokens that were read from it.
    :param plain: all other tokens of input.
    """

    written: int
    read: int
    plain: int
    batches: int

    @property
    def tokens(self) -> float:
        """The cost in tokens of plain input."""
        return self.written * _WRITE + self.read * _READ + self.plain


Costs = Mapping[tuple[str, float], Cost]


def measure(python: str, home: Path) -> Costs:
    """Run every way at every share of hits; see :class:`DagTests`."""
    tests = DagTests(python, home)
    return dict(_measured(tests, home))


def _measured(tests: DagTests, home: Path) -> Iterator[tuple[tuple[str, float], Cost]]:
    for number, way in enumerate(WAYS):
        for share in HIT_SHARES:
            cost = _cost_of(way, share, tests, home / f"{number}-{share:g}")
            print(f"{way.title}, {share:.0%} hits in a cold batch: {cost}", flush=True)
            yield (way.title, share), cost


def _cost_of(way: Way, share: float, tests: DagTests, home: Path) -> Cost:
    output = home / "output"
    with SimulatorServer(Simulator(settings=Settings(cache_hit_rate=share))) as server:
        variables = {
            **connections(server.base_url, server.api_key), **dag_variables(output, ROWS), "BENCHMARK_CACHE": way.how
        }  # fmt: skip
        answer = tests.run(way.module, home, variables)
        delivered = way.contestant.delivered(output)
        bill = server.control.billing()
    if answer["state"] != "success" or delivered != ROWS or bill.rows_billed != ROWS:
        raise RuntimeError(f"{way.title}: {answer}; {delivered} delivered, {bill.rows_billed} billed; see {home}")
    tokens = bill.tokens
    return Cost(
        written=tokens.cache_creation_input_tokens, read=tokens.cache_read_input_tokens, plain=tokens.input_tokens,
        batches=len(bill.batches),
    )  # fmt: skip


def as_table(costs: Costs) -> Sequence[str]:
    """Return the lines of a Markdown table, a line per way and a column per share of hits."""
    shares = " | ".join(f"{share:.0%} hits in a cold batch" for share in HIT_SHARES)
    lines = [f"| | batches | {shares} |", "|---" * (len(HIT_SHARES) + 2) + "|"]
    for way in WAYS:
        found = [costs[way.title, share] for share in HIT_SHARES]
        cells = (f"{cost.tokens / 1e6:.2f}" for cost in found)
        lines.append(f"| {way.title} | {found[0].batches} | {' | '.join(cells)} |")
    return lines
