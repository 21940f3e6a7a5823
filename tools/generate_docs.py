"""Rewrites the tables of the docs that are generated from the code: ``make docs``.

Two lines in a page mark the place of a table. All text between them is generated::

    <!-- generated: NAME -->
    <!-- end -->

A new table needs one entry in :data:`TABLES`. ``tests/unit/test_docs.py`` compares every page with the code.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import anthropic_batches_provider
from anthropic_batches_provider.batches.row_failures import FAILURES, RowFailure
from anthropic_batches_provider.cli.commands import COMMANDS, PROGRAM
from anthropic_batches_provider.edge.configuration import BOUNDS, OPTIONS, SECTION, Option
from anthropic_batches_provider.hooks import MessageBatchHook
from tools.columns_table import columns_table, formats_table, table_columns_table
from tools.constants_table import constants_table
from tools.parameters_table import SECTIONS, markdown, parameters_table
from tools.prompt_cache_tables import cached_models, cost_by_hit_share

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_BLOCK = re.compile(r"(^<!-- generated: ([\w-]+) -->\n).*?(^<!-- end -->$)", re.MULTILINE | re.DOTALL)
_PUBLIC_MODULES = re.compile(r"^- ((?:``\w+``(?:, )?)+): ", re.MULTILINE)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}", *(f"| {' | '.join(row)} |" for row in cells)]


def configuration() -> list[str]:
    header = ("name", "type", "default", "meaning", "environment variable")
    return table(header, (_configuration_row(option) for option in OPTIONS))


def _configuration_row(option: Option) -> Sequence[str]:
    default = "unset" if option.default_text is None else option.default_text
    example = f" Example: `{option.example}`" if option.example else ""
    return f"`{option.name}`", option.type, default, option.meaning + example, f"`{option.environment_variable}`"


def bounds() -> list[str]:
    rows = ((f"`{option.name}`", str(option.default), option.meaning) for option in BOUNDS)
    return table((f"`[{SECTION}]`", "default", "meaning"), rows)


def public_modules() -> list[str]:
    rows = (
        (f"`anthropic_batches_provider.{name}`", ", ".join(f"`{each}`" for each in public_names(name)))
        for name in public_module_names()
    )
    return table(("module", "names"), rows)


def public_module_names() -> list[str]:
    """Return the public modules, as listed in the package's docstring."""
    listed = _PUBLIC_MODULES.findall(anthropic_batches_provider.__doc__ or "")
    return [name for names in listed for name in re.findall(r"\w+", names)]


def public_names(module: str) -> list[str]:
    """Return the names that users may import from a public module."""
    names: list[str] = import_module(f"anthropic_batches_provider.{module}").__all__
    return names


def hook_methods() -> list[str]:
    """Return the table of the hook's own methods: the signature, and the first paragraph of the docstring."""
    header = ("method", "does")
    return table(header, (_method_row(name, method) for name, method in own_methods(MessageBatchHook).items()))


def own_methods(cls: type[Any]) -> dict[str, Callable[..., Any]]:
    """Return the public methods that a class defines, except those that Airflow calls for its forms."""
    found = {name: value for name, value in vars(cls).items() if inspect.isfunction(value)}
    return {name: method for name, method in found.items() if not name.startswith("_")}


def _method_row(name: str, method: Callable[..., Any]) -> Sequence[str]:
    shown = ", ".join(_shown(each) for each in _with_star(inspect.signature(method)))
    kind = "await " if inspect.iscoroutinefunction(method) else ""
    paragraph = (inspect.getdoc(method) or "").partition("\n\n")[0].partition("\n:")[0]
    return f"`{kind}{name}({shown})`", markdown(" ".join(paragraph.split()))


def _with_star(signature: inspect.Signature) -> list[inspect.Parameter | str]:
    """Return the parameters after ``self``, with a star before those that need their name."""
    parameters: list[inspect.Parameter | str] = []
    parameters.extend(list(signature.parameters.values())[1:])
    by_name = [each for each in signature.parameters.values() if each.kind is inspect.Parameter.KEYWORD_ONLY]
    if by_name:
        parameters.insert(parameters.index(by_name[0]), "*")
    return parameters


def _shown(parameter: inspect.Parameter | str) -> str:
    if isinstance(parameter, str):
        return parameter
    return parameter.name if parameter.default is parameter.empty else f"{parameter.name}={parameter.default!r}"


def commands() -> list[str]:
    return table(("command", "does"), ((f"`{PROGRAM} {each.name}`", each.summary) for each in COMMANDS))


def row_failures() -> list[str]:
    header = ("column", "value", "what happened", "billed", "sent again in a further round", "what to do")
    return table(header, map(_row_failure, FAILURES))


def _row_failure(failure: RowFailure) -> Sequence[str]:
    again = "yes; it also stops the job until somebody acts" if failure.stops else "yes" if failure.again else "no"
    if failure.repair:
        again = f"only with `repair={{{failure.name!r}: {failure.repair}}}`, and paid for again"
    to_do = failure.advice or ("nothing" if failure.again else "ask again for these rows in a job of their own")
    return f"`{failure.kind}`", f"`{failure.name}`", failure.meaning, failure.billed, again, to_do


TABLES: dict[str, Callable[[], list[str]]] = {
    "configuration": configuration,
    "bounds": bounds,
    "constants": constants_table,
    "output-columns": columns_table,
    "output-formats": formats_table,
    "table-columns": table_columns_table,
    "commands": commands,
    "row-failures": row_failures,
    "cached-models": lambda: table(*cached_models()),
    "cost-by-hit-share": lambda: table(*cost_by_hit_share()),
    "hook-methods": hook_methods,
    "public-modules": public_modules,
    **{name: partial(parameters_table, name) for name in SECTIONS},
}


def regenerated(text: str) -> str:
    """Return a page with its tables generated again from the code.

    :raises KeyError: a marker names no table.
    """
    return _BLOCK.sub(lambda block: "".join((block[1], *(f"{line}\n" for line in TABLES[block[2]]()), block[3])), text)


def used_tables(text: str) -> set[str]:
    """Return the names of the tables that a page holds."""
    return {block[2] for block in _BLOCK.finditer(text)}


def main() -> None:
    """Rewrite every page whose tables have changed."""
    for page in PAGES:
        before = page.read_text()
        after = regenerated(before)
        if after != before:
            page.write_text(after)
            print(f"rewritten: {page.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
