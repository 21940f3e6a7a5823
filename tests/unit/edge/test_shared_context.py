"""What all rows share: which texts are texts and which name files, what is rendered, and what Airflow shows of it."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any, cast

import pytest
from airflow.sdk import DAG, ObjectStoragePath, XComArg
from airflow.sdk.bases.operator import BaseOperator
from airflow.sdk.definitions._internal.mixins import ResolveMixin
from airflow.sdk.definitions.template import literal
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem

from anthropic_batches_provider.edge.shared_context import SharedContext
from anthropic_batches_provider.errors import ConfigurationError, SourceError
from anthropic_batches_provider.operators import MessageBatchOperator
from tests.worlds.pictures import pdf, png

LONG = "Answer by these rules.\n1. Be brief.\n"


class Output(ResolveMixin):
    """Stands for the output of another task."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def iter_references(self) -> list[Any]:
        return []

    def resolve(self, context: Any) -> Any:
        return self.value


@pytest.fixture
def store() -> ObjectStoragePath:
    attach("memory", fs=MemoryFileSystem())
    return ObjectStoragePath(f"memory://lake/{uuid.uuid4().hex}.md")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of files, which is also the DAG's search path for templates."""
    (tmp_path / "guides").mkdir()
    (tmp_path / "guide.md").write_bytes(b"# Guide\r\n{{ ds }} stays\r\n")
    (tmp_path / "guides" / "Long Guide.TXT").write_text("a long guide")
    (tmp_path / "rendered.j2").write_text("Rules of {{ ds }}.pdf")
    (tmp_path / "guide-2026-03-14.pdf").write_bytes(pdf())
    (tmp_path / "map v2.png").write_bytes(png())
    return tmp_path


def shared(value: Any, folder: Path, **context: Any) -> tuple[SharedContext, Any]:
    """Return the value as a running task has it, and the task's context."""
    with DAG("d", template_searchpath=[str(folder)]) as dag:
        task = MessageBatchOperator(
            task_id="t", rows=[{"n": 1}], prompt="{{ row.n }}", model="m", max_tokens=1, shared_context=value
        )
    of_run = cast("Any", {"task": task, "dag": dag, "ds": "2026-03-14", **context})
    task.render_template_fields(of_run)
    return task.shared_context, of_run


def blocks(value: Any, folder: Path, **context: Any) -> list[Any]:
    """Return the texts and the kinds of other blocks."""
    found, of_run = shared(value, folder, **context)
    read = found.blocks(of_run, model="m")
    assert found.resolve(of_run) is found, "what was rendered once is data"
    return [block["text"] if block["type"] == "text" else block["source"]["media_type"] for block in read]


@pytest.mark.parametrize(
    "text",
    [
        LONG,
        "Be brief.",
        "See s3://lake/guide.md and answer",
        "https://example.com is the address of the shop",
        "version 1.2",
        "/data/guide.md\nis where the guide is",
        "/* " + "x" * 5_000,
        "- one\r- two.md",
    ],
)
def test_everything_else_is_the_text_itself_and_is_sent_as_it_is(text: str, folder: Path) -> None:
    assert blocks(text, folder) == [text]
    assert blocks(Output(text), folder) == [text]


@pytest.mark.parametrize("as_value", [str, Path, Path.as_uri, lambda path: ObjectStoragePath(f"file://{path}")])
def test_a_path_or_a_uri_of_any_kind_names_a_file(folder: Path, as_value: Any) -> None:
    assert blocks(as_value(folder / "guide.md"), folder) == ["# Guide\r\n{{ ds }} stays\r\n"]
    assert blocks(Output(as_value(folder / "guide-2026-03-14.pdf")), folder) == ["application/pdf"]


def test_paths_may_hold_spaces_where_it_is_plain_that_they_are_paths(folder: Path) -> None:
    path = folder / "map v2.png"
    for value in (path, str(path), ObjectStoragePath(f"file://{path}")):
        assert blocks(value, folder) == ["image/png"]
    with pytest.raises(
        ConfigurationError, match=r"looks like a URI but holds white space\. Give a file of such a name"
    ):
        blocks(f"file://{path}", folder)


def test_an_object_of_a_store_is_read_by_its_uri(folder: Path, store: ObjectStoragePath) -> None:
    store.write_bytes(b"# In memory\n")
    assert blocks(str(store), folder) == ["# In memory\n"]


@pytest.mark.parametrize("name", ["guide.md", " guide.md\n", "guides/Long Guide.TXT"])
def test_a_text_that_ends_in_txt_or_md_is_found_as_templates_are_and_not_rendered(name: str, folder: Path) -> None:
    (content,) = blocks(name, folder)
    assert content in ("# Guide\r\n{{ ds }} stays\r\n", "a long guide")


def test_texts_uris_and_template_files_are_rendered_once(folder: Path) -> None:
    assert blocks("Today is {{ ds }}, {{ text }}.", folder, text="{{ ds }}") == ["Today is 2026-03-14, {{ ds }}."]
    assert blocks(f"{folder}/guide-{{{{ ds }}}}.pdf", folder) == ["application/pdf"]
    assert blocks(folder / "guide-{{ ds }}.pdf", folder) == ["application/pdf"]
    assert blocks("{{ name }}", folder, name="guide.md") == ["# Guide\r\n{{ ds }} stays\r\n"]
    assert blocks("rendered.j2", folder) == ["Rules of 2026-03-14.pdf"], "it is a text, whatever it looks like"


def test_the_output_of_another_task_is_never_rendered(folder: Path) -> None:
    assert blocks(Output("Password: {{ ds }}"), folder) == ["Password: {{ ds }}"]
    assert blocks(["{{ ds }} is today", Output(["{{ ds }}", LONG])], folder) == [
        "2026-03-14 is today",
        "{{ ds }}",
        LONG,
    ]
    assert blocks(literal("{{ ds }} as it is"), folder) == ["{{ ds }} as it is"]


def test_several_keep_their_order_whatever_they_are(folder: Path) -> None:
    given = [LONG, folder / "map v2.png", "guide.md", ("Be brief.", str(folder / "guide-2026-03-14.pdf"))]
    assert blocks(given, folder) == [
        LONG, "image/png", "# Guide\r\n{{ ds }} stays\r\n", "Be brief.", "application/pdf"
    ]  # fmt: skip


def test_nothing_given_is_nothing_shared(folder: Path) -> None:
    assert blocks(None, folder) == []
    assert str(SharedContext(None)) == ""


NEVER_RIGHT: list[tuple[Any, str]] = [
    ("guide.pdf", r"^shared_context= is 'guide\.pdf', which looks like the name of a file, .*parent / 'guide\.pdf'"),
    ("data/rows.JSON", r"looks like the name of a file"),
    (r"C:\guides\guide.docx", r"looks like the name of a file"),
    ("s3:/lake/guide.csv", r"looks like the name of a file"),
    ("s3://lake/my guide.pdf", r"looks like a URI but holds white space"),
    ("https://example.com/guide.pdf", r"^shared_context= is the web address 'https://example.com/guide.pdf'"),
    ("file://guide.md", r"^shared_context=: 'file://guide.md' is not an absolute path"),
    (" None\n", r"^shared_context= is the text 'None', which is what a template renders that finds nothing"),
    ("", r"^shared_context= holds an empty text"),
    ([" \n"], r"^shared_context= holds an empty text"),
    ([], r"^shared_context= is an empty list"),
    ([LONG, None], r"has type NoneType \(a task that returns nothing has the output None\)"),
    (5, r"^shared_context= has type int. Give a text, a URI, a pathlib.Path"),
    (b"text", r"^shared_context= has type bytes"),
    ({"type": "text", "text": "a"}, r"^shared_context= has type dict"),
    (Path("guide.md"), r"^shared_context= is the relative path 'guide.md'"),
]


@pytest.mark.parametrize(("value", "message"), NEVER_RIGHT, ids=lambda value: repr(value)[:40])
def test_a_mistake_fails_the_import_of_the_dag_and_also_comes_from_another_task(
    value: Any, message: str, folder: Path
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        shared(value, folder)
    at_run = r"holds no text" if "empty text" in message else message
    with pytest.raises(ConfigurationError, match=at_run):
        blocks(Output(value), folder)


def test_a_task_in_place_of_its_output_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^shared_context= is the task 'guide', not its output"):
        SharedContext(BaseOperator(task_id="guide"))


def test_an_upstream_task_that_returns_nothing_is_a_mistake(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"the output None\). Give a text"):
        blocks(Output(None), folder)


def test_a_template_that_finds_nothing_is_a_mistake_and_not_the_text_none(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"^shared_context= is the text 'None'.* Correct the template\."):
        blocks("{{ found }}", folder, found=None)
    assert blocks("None.", folder) == ["None."]


def error_of(value: Any, folder: Path) -> str:
    with pytest.raises((ConfigurationError, SourceError)) as caught:
        blocks(value, folder)
    message = str(caught.value)
    assert message.endswith("This attempt sent nothing.")
    return f"{type(caught.value).__name__}: {message}"


def test_a_file_that_cannot_be_used_is_named_with_the_way_out(folder: Path) -> None:
    (folder / "latin.txt").write_bytes("Käse".encode("latin-1"))
    (folder / "empty.md").touch()
    (folder / "archive.zip").write_bytes(b"PK\x03\x04\0")
    assert error_of("missing.md", folder).startswith(
        "ConfigurationError: The file 'missing.md' of shared_context= was not found in the DAG's folder or its "
        "template_searchpath."
    )
    assert "'../guide.md' of shared_context= was not found" in error_of("../guide.md", folder)
    assert "is text, but not in UTF-8: byte 0xe4 at position 1" in error_of("latin.txt", folder)
    assert "The file 'empty.md' of shared_context= holds no bytes." in error_of("empty.md", folder)
    assert f"'{folder}/archive.zip' of shared_context= seems to be a zip file" in error_of(
        folder / "archive.zip", folder
    )
    assert f"The file '{folder}' of shared_context= is a folder. Give a list" in error_of(folder, folder)
    assert "'nosuch://a/b' cannot be opened: " in error_of("nosuch://a/b", folder)
    assert "Item 2 of shared_context= holds no text" in error_of([LONG, Output("")], folder)
    assert "cannot be read: it is no file (OSError: [Errno 36] File name too long" in error_of("/" + "x" * 300, folder)


def test_a_file_that_may_be_there_later_is_an_error_that_a_retry_may_pass(
    folder: Path, store: ObjectStoragePath
) -> None:
    missing = error_of("/no/such/file", folder)
    assert missing.startswith(
        "SourceError: The file '/no/such/file' of shared_context= does not exist. Check the path;"
    )
    assert "Wildcards are not looked up" in error_of(f"{folder}/*.md", folder)
    assert error_of(str(store), folder).startswith(
        f"SourceError: The file '{store}' of shared_context= does not exist."
    )


def test_a_store_that_fails_says_so(folder: Path, store: ObjectStoragePath, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise PermissionError("Forbidden")

    monkeypatch.setattr(MemoryFileSystem, "open", fail)
    message = error_of(str(store), folder)
    assert message.startswith(f"SourceError: The file '{store}' of shared_context= cannot be read now: PermissionError")


def test_airflow_shows_places_and_never_texts(folder: Path) -> None:
    secret = "a text of another task"
    given = [LONG, folder / "guide.md", "guide.md", Output(secret), "{{ secret }}"]
    found, _ = shared(given, folder, secret="rendered secret")
    assert found.serialize() == (
        f"[<text of {len(LONG)} characters>, {folder}/guide.md, guide.md, <text of {len(secret)} characters>, "
        "<text of 15 characters>]"
    )
    upstream = XComArg(BaseOperator(task_id="upstream"))
    before = SharedContext([LONG, "{{ params.guide }}", upstream]).serialize()
    assert before == f"[<text of {len(LONG)} characters>, {{{{ params.guide }}}}, {upstream}]"
    assert SharedContext(5).serialize() == "<int>"


def test_the_edge_of_an_upstream_task_is_kept_wherever_its_output_is() -> None:
    with DAG("d"):
        first, second = BaseOperator(task_id="first"), BaseOperator(task_id="second")
        asked: dict[str, Any] = {"rows": [{"n": 1}], "prompt": "{{ row.n }}", "model": "m", "max_tokens": 1}
        task = MessageBatchOperator(task_id="t", shared_context=[LONG, XComArg(first), [XComArg(second)]], **asked)
        del asked["rows"]
        partial = MessageBatchOperator.partial(task_id="u", shared_context=XComArg(first), **asked)
        mapped = partial.expand(rows=[[{"n": 1}]])
    assert task.upstream_task_ids == {"first", "second"}
    assert mapped.upstream_task_ids == {"first"}


def test_uris_are_those_of_files_alone(folder: Path) -> None:
    found, _ = shared([LONG, folder / "guide.md", "s3://c@lake/g.pdf", "guide.md", Output("/data/{{ x }}.md")], folder)
    assert found.uris() == [f"{folder}/guide.md", "s3://c@lake/g.pdf", "/data/{{ x }}.md"]
