"""The single list of formats of an output file, which operators, checks, messages and docs use.

A new format needs one module next to this one, and one entry here. This module is imported when a DAG is parsed; a
writer is imported only when a file is opened.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from anthropic_batches_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.output.columns import RowLayout
    from anthropic_batches_provider.batches.output.row_sink import RowSink


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFormat:
    """A format of an output file.

    :param name: the value of ``output_format=``.
    :param suffix: the suffix of the file's name.
    :param writer: ``module:function``; takes a local path and a :class:`RowLayout`, and returns a context manager of
        the :class:`RowSink` that writes the file. The file is complete when the context ends without an error.
    :param meaning: for the docs; Markdown.
    :param is_table: whether each row has the same columns, each with one type.
    :param extra: the extra of this distribution that the writer needs; "" for none.
    :param package: what that extra installs, and the writer imports; "" for none.
    """

    name: str
    suffix: str
    writer: str
    meaning: str = ""
    is_table: bool = False
    extra: str = ""
    package: str = ""

    def check_installed(self) -> None:
        """Check that this worker has what the writer needs, before anything is paid for that it could not write.

        :raises ConfigurationError: it does not. The message names the extra.
        """
        try:
            if self.package:
                import_module(self.package)
        except ImportError as error:
            raise ConfigurationError(
                f"output_format={self.name!r} needs {self.package}, which this worker does not have ({error}). Install "
                f"it on every worker: pip install 'airflow-provider-anthropic-batches[{self.extra}]'. Nothing was "
                "written, and nothing is lost."
            ) from error

    def open(self, path: Path, layout: RowLayout) -> AbstractContextManager[RowSink]:
        """Open a local file for rows.

        :param path: the file; existing content is overwritten.
        :param layout: which columns of the result the rows have.
        """
        module, _, function = self.writer.partition(":")
        opened: AbstractContextManager[RowSink] = getattr(import_module(module), function)(path, layout)
        return opened


FORMATS = (
    OutputFormat(
        name="jsonl",
        suffix=".jsonl",
        meaning="JSON Lines in UTF-8: one JSON object a line. Every line ends with a line feed.",
        writer="anthropic_batches_provider.batches.output.json_lines:open_plain",
    ),
    OutputFormat(
        name="jsonl.gz",
        suffix=".jsonl.gz",
        meaning="The same, compressed with gzip.",
        writer="anthropic_batches_provider.batches.output.json_lines:open_gzip",
    ),
    OutputFormat(
        name="parquet",
        suffix=".parquet",
        meaning="[Parquet](#parquet), with typed columns.",
        writer="anthropic_batches_provider.batches.output.parquet_files:open_parquet",
        is_table=True,
        extra="parquet",
        package="pyarrow",
    ),
    OutputFormat(
        name="csv",
        suffix=".csv",
        meaning="[CSV](#csv) in UTF-8, with a header.",
        writer="anthropic_batches_provider.batches.output.delimited_files:open_csv",
        is_table=True,
    ),
)

STAGED = OutputFormat(
    name="staged",
    suffix=".rows",
    writer="anthropic_batches_provider.batches.output.staged_rows:open_staged",
    is_table=True,
)
"""How the parts of a table wait in the job folder; not for users."""

DEFAULT_FORMAT = FORMATS[0].name


def format_names() -> tuple[str, ...]:
    """Return the valid values of ``output_format=``."""
    return tuple(output_format.name for output_format in FORMATS)


def find_format(name: str) -> OutputFormat:
    """Return the format with a given name.

    :raises ConfigurationError: no format has that name.
    """
    for output_format in (*FORMATS, STAGED):
        if output_format.name == name:
            return output_format
    known = " or ".join(map(repr, format_names()))
    raise ConfigurationError(f"output_format= must be {known}, not {name!r}. Nothing was spent.")
