"""Write answers as Parquet, and aggregate them with pyarrow in the next task, which draws a chart.

The question is how hopeful American presidents sound, by decade. ``parsed_tone`` and ``year`` are columns of their own
in the files, so ``draw`` reads these two and nothing else. It writes ``tones.svg``, a bar for each decade, and returns
the counts. Rows without an answer that fits have no tone, and are not counted.

Any tool that reads Parquet can take the place of ``draw``: DuckDB, Spark, polars.

Needs the connection ``anthropic_default``, and the extra ``[parquet]``. With the simulator behind it, it costs nothing,
and the answers are guesses; with a real key, the 240 passages cost a few cents.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

import pendulum
from airflow.sdk import DAG, ObjectStoragePath, Param, task
from pydantic import BaseModel

from anthropic_batches_provider.operators import MessageBatchOperator

PASSAGES = Path(__file__).parent / "data" / "sotu_passages.jsonl"
FOLDER = "{{ params.output }}/chart_from_parquet/{{ run_id }}"

Tone = Literal["hopeful", "neutral", "alarmed"]
COLOURS = dict(zip(get_args(Tone), ("#4a7", "#bbb", "#c53"), strict=True))
LEFT, WIDTH, STEP = 60, 360, 22  # pixels: where the bars begin, the length of 100 %, from bar to bar


class Judged(BaseModel):
    """What is asked about each passage."""

    tone: Tone


def counted(uris: list[str]) -> dict[str, dict[str, int]]:
    """Return how many passages of each decade have which tone."""
    import pyarrow as arrow
    import pyarrow.compute
    import pyarrow.parquet

    files = [ObjectStoragePath(uri).open("rb") for uri in uris]
    columns = ["year", "parsed_tone"]
    table = arrow.concat_tables([pyarrow.parquet.read_table(file, columns=columns) for file in files])
    decade = pyarrow.compute.multiply(pyarrow.compute.divide(table["year"], 10), 10)
    groups = table.append_column("decade", decade).drop_null().group_by(["decade", "parsed_tone"])
    decades: dict[str, dict[str, int]] = {}
    for group in groups.aggregate([([], "count_all")]).sort_by("decade").to_pylist():
        decades.setdefault(f"{group['decade']}s", {})[group["parsed_tone"]] = group["count_all"]
    return decades


def bars_of(tones: dict[str, int], y: int) -> str:
    """Return the bar of a decade, a piece for each tone."""
    pieces, left, all_tones = [], float(LEFT), sum(tones.values())
    for tone, colour in COLOURS.items():
        width = tones.get(tone, 0) / all_tones * WIDTH
        pieces.append(f'<rect x="{left:.1f}" y="{y}" width="{width:.1f}" height="{STEP - 4}" fill="{colour}"/>')
        left += width
    return "".join(pieces) + f'<text x="{LEFT + WIDTH + 8}" y="{y + 13}">{all_tones}</text>'


def stacked_bars(decades: dict[str, dict[str, int]]) -> str:
    """Return an SVG with a bar for each decade, and the number of its passages beside it."""
    lines = [f'<text x="4" y="{y + 13}">{decade}</text>' + bars_of(tones, y)
             for y, (decade, tones) in zip(range(2 * STEP, 100_000, STEP), decades.items(), strict=False)]  # fmt: skip
    legend = "".join(f'<tspan fill="{colour}">■</tspan> {tone}  ' for tone, colour in COLOURS.items())
    width, height = LEFT + WIDTH + 50, STEP * (len(decades) + 2) + 4
    start = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
    start += 'font-size="13"><rect width="100%" height="100%" fill="#fff"/>'
    return "\n".join([start, f'<text x="{LEFT}" y="20" xml:space="preserve">{legend}</text>', *lines, "</svg>\n"])


with DAG(
    "chart_from_parquet",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 3},
    params={
        "output": Param("/tmp/anthropic_batches_examples", type="string", description="Folder or URI for the output")
    },
    tags=["anthropic_batches", "example"],
    doc_md=__doc__,
) as dag:
    judge = MessageBatchOperator(
        task_id="judge",
        rows=str(PASSAGES),
        key="passage_id",
        keep=["year", "president"],
        model="claude-haiku-5-5",
        prompt="What is the tone of this passage?\n\n{{ row.text }}",
        output_schema=Judged,
        max_tokens=100,
        destination=FOLDER,
        output_format="parquet",
        max_failed_rows=0.05,
    )

    @task
    def draw(manifest: dict[str, Any], folder: str) -> dict[str, dict[str, int]]:
        """Write the chart, and return the counts."""
        decades = counted([part["uri"] for part in manifest["parts"]])
        (ObjectStoragePath(folder) / "tones.svg").write_text(stacked_bars(decades), encoding="utf-8")
        return decades

    draw(judge.output, FOLDER)  # type: ignore[arg-type]
