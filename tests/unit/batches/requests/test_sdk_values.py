"""Params written for the SDK become what the SDK itself would send."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pydantic
import pytest
from airflow.sdk import ObjectStoragePath
from anthropic.types import Message, RedactedThinkingBlock, TextBlock, ThinkingBlock, ToolUseBlock
from anthropic.types.parsed_message import ParsedTextBlock
from jinja2.sandbox import SandboxedEnvironment

from anthropic_batches_provider.batches.requests import PromptTemplate, Question, encode_ready_request
from anthropic_batches_provider.batches.requests.encoding import NotJsonError, encode_arguments, encode_values
from anthropic_batches_provider.batches.rows import prepare_requests
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError
from tests.worlds.strict_rows import valid_rows

PNG = b"\x89PNG\r\n\x1a\n\xff"
PNG_BASE64 = "iVBORw0KGgr/"
OMITTED = [anthropic.NOT_GIVEN, anthropic.omit, anthropic.NotGiven(), anthropic.Omit()]
COMPLETE: dict[str, Any] = {"model": "m", "max_tokens": 8, "messages": [{"role": "user", "content": "Hello"}]}


class Answer(pydantic.BaseModel):
    label: str = pydantic.Field(alias="the label")
    score: float = 0.5


class Reserved(pydantic.BaseModel):
    """A model that does not send all of its fields, as those of the SDK may not."""

    __api_exclude__ = {"mine"}
    label: str
    mine: Any


class Tagged(pydantic.BaseModel):
    tags: Any


@dataclass
class Own:
    x: Any


class OtherPath(os.PathLike[str]):
    """A path that is none of pathlib's."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


class StorePath:
    """A path in an object store: neither pathlib's nor in the file system, as Airflow's ObjectStoragePath may be."""

    def open(self, mode: str) -> Any:
        assert mode == "rb"
        return io.BytesIO(PNG)

    def read_bytes(self) -> bytes:
        raise AssertionError("reads files of any size")


class Wrapped:
    """An open file that only delegates to one, as Airflow's of an object store does."""

    def __init__(self, opened: Any) -> None:
        self.opened = opened

    def __getattr__(self, name: str) -> Any:
        return getattr(self.opened, name)


class OnlyRead:
    def __init__(self) -> None:
        self.read = io.BytesIO(PNG).read


class Unseekable(io.BytesIO):
    """An open file that is read once, such as a pipe."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise OSError("not seekable")


def assistant(*content: Any) -> dict[str, Any]:
    return COMPLETE | {"messages": [*COMPLETE["messages"], {"role": "assistant", "content": list(content)}]}


def image(data: Any) -> dict[str, Any]:
    source = {"type": "base64", "media_type": "image/png", "data": data}
    return COMPLETE | {"messages": [{"role": "user", "content": [{"type": "image", "source": source}]}]}


def data_of(encoded: bytes) -> Any:
    return json.loads(encoded)["messages"][0]["content"][0]["source"]["data"]


def built(answer: Any, **fields: Any) -> bytes:
    return Question(request_builder=lambda row: answer, **fields).encode_params({}, 3)


@pytest.fixture
def png(tmp_path: Path) -> Path:
    path = tmp_path / "x.png"
    path.write_bytes(PNG)
    return path


TEXT = TextBlock(type="text", text="é 😀", citations=None)
ANSWER = Answer.model_validate({"the label": "a"})
PARSED = ParsedTextBlock[Answer](type="text", text="{}", parsed_output=ANSWER)
BLOCKS = [
    ThinkingBlock(type="thinking", thinking="Hm.", signature="s"),
    RedactedThinkingBlock(type="redacted_thinking", data="d"),
    TEXT,
    PARSED,
    TextBlock(type="text", text="never set: citations"),
    TextBlock.model_construct(type="text", text="new field", later={"b": 1, "a": [2]}),
    ToolUseBlock(type="tool_use", id="t", name="look", input={"z": {"n": 1}, "a": [None, "é"]}),
]

LOOP: list[Any] = [TEXT]
LOOP.append(LOOP)

AS_THE_SDK: dict[str, dict[str, Any]] = {
    "plain": COMPLETE | {"system": "s", "temperature": 0.5},
    "omitted": COMPLETE | {f"p{number}": value for number, value in enumerate(OMITTED)},
    "omitted below": COMPLETE | {"metadata": {"user_id": anthropic.omit}, "tools": [{"name": anthropic.NOT_GIVEN}]},
    "blocks of an answer": assistant(*BLOCKS),
    "blocks among dicts": assistant({"type": "text", "text": "a", "cache_control": anthropic.omit}, TEXT),
    "a tuple of messages": COMPLETE | {"messages": tuple(COMPLETE["messages"])},
    "the result of a tool": assistant({"type": "tool_result", "tool_use_id": "t", "content": [TEXT]}),
    "a model as message": COMPLETE | {"messages": [Message.model_construct(role="assistant", content=[TEXT])]},
    "a model of one's own": assistant({"type": "tool_use", "id": "t", "name": "look", "input": ANSWER}),
    "a model with fields of its own": COMPLETE | {"metadata": Reserved(label="a", mine={"set"})},
    "system of models": COMPLETE | {"system": [TextBlock(type="text", text="s")]},
}


@pytest.fixture
def sent_by_the_sdk() -> Iterator[Any]:
    bodies = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        bodies.append(json.loads(request.read()))
        return httpx2.Response(200, json={"id": "msgbatch_1", "type": "message_batch"})

    def send(params: Any) -> Any:
        client.messages.batches.create(requests=[{"custom_id": "a", "params": params}])
        return bodies.pop()["requests"][0]["params"]

    with (
        httpx2.Client(transport=httpx2.MockTransport(answer)) as http,
        anthropic.Anthropic(api_key="k", base_url="http://127.0.0.1", http_client=http) as client,
    ):
        yield send


@pytest.mark.parametrize("params", AS_THE_SDK.values(), ids=AS_THE_SDK)
def test_the_params_of_a_builder_are_those_that_the_sdk_sends(params: dict[str, Any], sent_by_the_sdk: Any) -> None:
    assert json.loads(built(params)) == sent_by_the_sdk(params)


def test_files_are_those_that_the_sdk_sends(png: Path, sent_by_the_sdk: Any) -> None:
    for data in [png, io.BytesIO(PNG), io.StringIO("é")]:
        assert json.loads(built(image(data))) == sent_by_the_sdk(image(data))
    with png.open("rb") as opened:
        opened.read(3)  # both read the rest
        assert json.loads(built(image(opened))) == sent_by_the_sdk(image(opened))


@pytest.mark.parametrize("value", OMITTED)
def test_an_omitted_field_is_left_out_also_where_the_operator_gives_it(value: Any) -> None:
    params = COMPLETE | {"system": value, "stream": value, "betas": value, "metadata": {"user_id": value}}
    expected = COMPLETE | {"metadata": {}}
    assert json.loads(built(params, system="s", params={"stream": False})) == expected
    assert json.loads(encode_ready_request({"custom_id": "a", "params": params}, 0)[1]) == expected


@pytest.mark.parametrize("value", OMITTED)
@pytest.mark.parametrize("name", COMPLETE)
def test_a_required_field_must_not_be_omitted(name: str, value: Any) -> None:
    with pytest.raises(InvalidRowError, match=rf"Row 3 .*`{name}` (is missing|must be a list)"):
        built(COMPLETE | {name: value}, model="m", max_tokens=8)


def test_an_omitted_value_outside_of_a_dict_is_refused() -> None:
    with pytest.raises(InvalidRowError, match=r"Row 3 .*type Omit .*\(at stop_sequences\[1\]\)"):
        built(COMPLETE | {"stop_sequences": ["a", anthropic.omit]})


def test_a_class_of_the_same_name_omits_nothing() -> None:
    class Omit:
        pass

    with pytest.raises(InvalidRowError, match=r"type Omit .*\(at top_k\)"):
        built(COMPLETE | {"top_k": Omit()})


def test_the_fields_of_a_model_keep_their_order() -> None:
    assert encode_arguments([TEXT, PARSED]) == (
        '[{"citations":null,"text":"é 😀","type":"text"},{"text":"{}","type":"text"}]'.encode()
    )


@pytest.mark.parametrize("tags", [{"a", "b"}, [{"a"}], {"n": frozenset("a")}, Tagged(tags={"a"}), Own({"a"})])
def test_a_model_that_holds_a_set_is_refused(tags: Any) -> None:
    with pytest.raises(InvalidRowError, match=r"Row 3 .*the Tagged at metadata\.user holds a set"):
        built(COMPLETE | {"metadata": {"user": Tagged(tags=tags)}})


def test_a_model_that_cannot_be_dumped_is_named() -> None:
    with pytest.raises(InvalidRowError, match=r"Row 3 .*the Tagged at metadata raised PydanticSerializationError"):
        built(COMPLETE | {"metadata": Tagged(tags=object())})


@pytest.mark.parametrize("value", [float("nan"), [{"a": float("inf")}], Answer.model_construct(score=float("-inf"))])
def test_a_number_of_a_model_that_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(InvalidRowError, match=r"Row 3 .*the Tagged at metadata holds NaN or infinity"):
        built(COMPLETE | {"metadata": Tagged(tags=value)})


def test_params_that_hold_themselves_beside_a_model_are_refused() -> None:
    with pytest.raises(InvalidRowError, match="contains itself"):
        built(COMPLETE | {"metadata": LOOP})


def test_an_object_that_refuses_questions_is_no_file() -> None:
    class Shy:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

    with pytest.raises(InvalidRowError, match="type Shy"):
        built(COMPLETE | {"metadata": Shy()})


def test_dataclasses_are_sent_as_ever() -> None:
    assert b'"metadata":{"x":1}' in built(COMPLETE | {"metadata": Own(1)})


@pytest.mark.parametrize("value", [TEXT, anthropic.omit, Path("x")])
def test_in_keys_and_kept_columns_such_values_are_refused(value: Any) -> None:
    with pytest.raises(NotJsonError, match="no JSON form"):
        encode_values({"a": value})


def test_paths_and_open_files_are_sent_as_base64(png: Path) -> None:
    with png.open("rb") as opened, png.open("rb", buffering=0) as raw:
        paths = [png, OtherPath(png), StorePath(), ObjectStoragePath(png.as_uri())]
        files = [opened, raw, Wrapped(opened), io.BytesIO(PNG), Unseekable(PNG), OnlyRead()]
        for data in [*paths, *files]:
            assert data_of(built(image(data))) == PNG_BASE64
        assert data_of(encode_ready_request({"custom_id": "a", "params": image(opened)}, 0)[1]) == PNG_BASE64


def test_a_file_that_several_rows_share_is_whole_in_each() -> None:
    opened = io.BytesIO(b"..." + PNG)
    opened.read(3)
    asked = Question(request_builder=lambda row: image(opened))
    assert [data_of(asked.encode_params({}, number)) for number in range(3)] == [PNG_BASE64] * 3


def test_a_file_is_read_for_each_row(png: Path) -> None:
    asked = Question(request_builder=lambda row: image(png))
    before = asked.encode_params({}, 0)
    png.write_bytes(PNG * 2)
    assert len(data_of(asked.encode_params({}, 1))) > len(data_of(before))


def closed() -> Any:
    opened = io.BytesIO(PNG)
    opened.close()
    return opened


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (Path("/nowhere/x.png"), "cannot be read: FileNotFoundError: .*'/nowhere/x.png'"),
        (OtherPath(Path("/nowhere/x.png")), "cannot be read: FileNotFoundError"),
        (Path("/"), "cannot be read: IsADirectoryError: .*'/'"),
        (closed(), "cannot be read: ValueError: I/O operation on closed file.*binary file that is still open"),
        (io.BytesIO(), r"holds no bytes\. "),
        (Path(os.devnull), rf"holds no bytes \({os.devnull}\)"),
    ],
)
def test_a_file_that_cannot_be_sent_is_named_with_row_and_place(data: Any, problem: str) -> None:
    place = r"the file at messages\[0\]\.content\[0\]\.source\.data"
    with pytest.raises(InvalidRowError, match=rf"Row 3 .*: in the params given by request_builder, {place} {problem}"):
        built(image(data))
    with pytest.raises(InvalidRowError, match=rf"Row 4 .*: in the params given by requests, {place} {problem}"):
        encode_ready_request({"custom_id": "a", "params": image(data)}, 4)


@pytest.mark.parametrize(
    ("params", "place"),
    [
        ({"system": Path("x")}, "system"),
        ({"metadata": {"type": "base64", "file": Path("x")}}, r"metadata\.file"),
        ({"metadata": {"type": "text", "data": Path("x")}}, r"metadata\.data"),
        ({"metadata": {"data": io.BytesIO(PNG)}}, r"metadata\.data"),
        ({"metadata": [{"type": "base64", "data": [Path("x")]}]}, r"metadata\[0\]\.data\[0\]"),
    ],
)
def test_a_file_elsewhere_is_refused(params: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidRowError, match=rf"Row 3 .*request_builder, {place} is a (PosixPath|BytesIO)\."):
        built(COMPLETE | params)


def test_no_more_of_a_file_is_read_than_fits_into_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    sdk_values = "anthropic_batches_provider.batches.requests.sdk_values"
    monkeypatch.setattr(f"{sdk_values}.MAX_FILE_BYTES", len(PNG))
    assert data_of(built(image(io.BytesIO(PNG)))) == PNG_BASE64
    with pytest.raises(InvalidRowError, match=rf"has more than {len(PNG)} bytes \(/dev/zero\)"):
        built(image(Path("/dev/zero")))


def test_the_size_of_a_row_counts_its_files(monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(built(image(io.BytesIO(PNG))))
    monkeypatch.setattr("anthropic_batches_provider.batches.requests.params.MAX_PARAMS_BYTES", size)
    built(image(io.BytesIO(PNG)))
    with pytest.raises(InvalidRowError, match=rf"Row 3 .*{size + 4:,} bytes"):
        built(image(io.BytesIO(PNG + b"abc")))


def test_omitted_values_and_models_of_the_operator_are_those_of_the_sdk() -> None:
    asked = Question(
        request_builder=lambda row: COMPLETE,
        model=anthropic.NOT_GIVEN,  # type: ignore[arg-type]  # as a helper of the user's own may give it
        system=[TextBlock(type="text", text="s")],  # type: ignore[list-item]  # so does the SDK
        params={"model": "m", "stream": anthropic.omit, "metadata": {"user_id": anthropic.omit, "n": 1}},
    )
    asked.validate()
    assert json.loads(asked.encode_params({}, 0)) == COMPLETE | {
        "system": [{"type": "text", "text": "s"}],
        "metadata": {"n": 1},
    }
    plain = Question(
        request_builder=asked.request_builder,
        system=[{"type": "text", "text": "s"}],
        params={"model": "m", "metadata": {"n": 1}},
    )
    assert asked.fingerprint() == plain.fingerprint()


def test_beside_a_prompt_the_operator_may_omit_the_messages() -> None:
    prompt = PromptTemplate("{{ row.text }}", SandboxedEnvironment(), {})
    asked = Question(prompt=prompt, model="m", max_tokens=8, params={"messages": anthropic.omit})
    assert json.loads(asked.encode_params({"text": "Hello"}, 0)) == COMPLETE


def test_the_fingerprint_covers_the_files_of_the_operator(png: Path) -> None:
    def asked(data: Any) -> Question:
        return Question(request_builder=lambda row: {}, model="m", max_tokens=8, params=image(data)["messages"][0])

    before = asked(png).fingerprint()
    assert before == asked(png).fingerprint() == asked(Unseekable(PNG)).fingerprint()
    png.write_bytes(PNG * 2)
    assert asked(png).fingerprint() != before


def test_a_file_of_the_operator_is_read_once_for_all_rows() -> None:
    asked = Question(request_builder=lambda row: {}, params=image(Unseekable(PNG)))
    asked.validate()
    assert asked.fingerprint()
    assert [data_of(asked.encode_params({}, number)) for number in range(2)] == [PNG_BASE64] * 2


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        (image(Path("/nowhere/x.png")), r"In `message_params` or `system`, the file at messages\[0\]\.content\[0\]"),
        ({"metadata": Path("x")}, "In `message_params` or `system`, metadata is a PosixPath"),
        ({"metadata": LOOP}, "`message_params` or `system` is not JSON: it is nested too deeply, or contains itself"),
        ({"metadata": Tagged(tags={"a"})}, "`message_params` or `system` is not JSON: the Tagged at metadata holds"),
    ],
)
def test_a_value_of_the_operator_that_cannot_be_sent_is_refused_before_the_first_row(
    params: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        Question(request_builder=lambda row: {}, params=params).validate()


@pytest.mark.parametrize(("value", "asks"), [({"effort": "low"}, True), (anthropic.omit, False)])
def test_a_ready_request_that_omits_its_output_config_asks_for_no_json(value: Any, asks: bool, tmp_path: Path) -> None:
    request = {"custom_id": "a", "params": COMPLETE | {"output_config": value}}
    (row,) = valid_rows(prepare_requests([request], spool_folder=tmp_path))
    assert row.asks_for_json is asks
