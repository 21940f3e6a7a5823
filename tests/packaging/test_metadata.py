"""The metadata of a release: for resolvers, for the page on a package index, and for its readers."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tomllib
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from markdown_it import MarkdownIt

import anthropic_batches_provider
from tests.packaging.conftest import ROOT, Built

CONFIGURATION: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
URLS: dict[str, str] = CONFIGURATION["project"]["urls"]
HOMEPAGE = URLS["Homepage"]
FILES_OF_THIS_VERSION = f"{HOMEPAGE}/blob/v{anthropic_batches_provider.__version__}/"
DISTRIBUTION = "airflow-provider-anthropic-batches"


def test_the_metadata_says_what_a_resolver_needs(metadata: Message) -> None:
    assert metadata["Name"] == DISTRIBUTION
    assert metadata["Version"] == anthropic_batches_provider.__version__
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"
    required = metadata.get_all("Requires-Dist") or []
    assert {"apache-airflow>=3.0", "anthropic>=1.0"} <= set(required)
    assert not [each for each in required if "==" in each.partition(";")[0] or "<" in each.partition(";")[0]]


def test_pyroma_has_nothing_to_add() -> None:
    pyroma = Path(sys.executable).with_name("pyroma")
    rated = subprocess.run([pyroma, "--min", "10", ROOT], capture_output=True, text=True, check=False)
    assert "Final rating: 10/10" in rated.stdout, rated.stdout + rated.stderr


def test_the_supported_pythons_are_those_that_make_tests() -> None:
    named = re.findall(
        r"Programming Language :: Python :: (3\.\d+)", "\n".join(CONFIGURATION["project"]["classifiers"])
    )
    assert re.findall(r"^PYTHONS \?= (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE) == [" ".join(named)]
    assert named[0] == CONFIGURATION["project"]["requires-python"].removeprefix(">=")


def test_every_address_begins_with_that_of_the_repository_and_is_in_one_file() -> None:
    (links,) = CONFIGURATION["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]
    assert set(URLS) == {"Homepage", "Documentation", "Source", "Changelog", "Issues"}
    assert [
        url for url in (*URLS.values(), links["replacement"].removeprefix("](")) if not url.startswith(HOMEPAGE)
    ] == []
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "provider").rglob("*.py")]
    assert [page.name for page in pages if HOMEPAGE in page.read_text()] == []


def test_the_addresses_of_pages_lead_to_files() -> None:
    beginning = f"{HOMEPAGE}/blob/main/"
    paths = [url.removeprefix(beginning) for url in URLS.values() if url.startswith(beginning)]
    assert len(paths) == 2
    assert [path for path in paths if not (ROOT / path).is_file()] == []


def test_every_link_on_the_index_page_leads_somewhere(metadata: Message, built: Built) -> None:
    description = metadata.get_payload()
    assert isinstance(description, str)
    links = re.findall(r'<a href="([^"]*)"', MarkdownIt().render(description))
    ours = [unquote(link).removeprefix(FILES_OF_THIS_VERSION) for link in links if link.startswith(HOMEPAGE)]
    assert [link for link in links if not link.startswith("https://")] == []
    assert {"docs/spending.md", "docs/index.md", "dags", "CHANGELOG.md"} <= set(ours)
    with tarfile.open(built.sdist) as archive:
        top = built.sdist.name.removesuffix(".tar.gz")
        files = [name.removeprefix(f"{top}/") for name in archive.getnames()]
    known = {*files, *(str(parent) for name in files for parent in Path(name).parents)}
    assert [path for path in ours if path.partition("#")[0] not in known] == []
