"""The limit: read, decode, encode, write the shard, send; receive, decode, encode, write.

No Airflow, no SDK, no ordering, no checks: ``msgspec`` and the standard library's HTTP client, with large buffers.
Requests and texts become Python objects on the way, as in a program that processes each of them;
``size_limit_bytes.py`` omits that.
"""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from benchmarks.programs.size_arguments import Arguments, run

_CHUNK = 1 << 20
_PATH = "/v1/messages/batches"


class _Request(msgspec.Struct):
    custom_id: str
    params: dict[str, Any]


class _Block(msgspec.Struct):
    type: str
    text: str = ""


class _Message(msgspec.Struct):
    content: list[_Block]
    usage: msgspec.Raw


class _Result(msgspec.Struct):
    type: str
    message: _Message | None = None


class _Line(msgspec.Struct):
    custom_id: str
    result: _Result


class _Row(msgspec.Struct):
    custom_id: str
    result_type: str
    text: Any
    usage: msgspec.Raw


def submit(arguments: Arguments) -> None:
    send(arguments, msgspec.json.Decoder(_Request))


def send(arguments: Arguments, decoder: msgspec.json.Decoder[Any]) -> None:
    """Write the shard and send it.

    :param decoder: decodes a request into an object with ``custom_id`` and ``params``.
    """
    shard = arguments.folder / "shard.json"
    _write_shard(arguments.input, shard, decoder)
    with shard.open("rb") as body:
        headers = {"content-type": "application/json", "content-length": str(shard.stat().st_size)}
        response = _call("POST", _PATH, headers, body)
    arguments.reference.write_text(json.dumps(json.loads(response.read())["id"]))


def _write_shard(requests: Path, shard: Path, decoder: msgspec.json.Decoder[Any]) -> None:
    encoder = msgspec.json.Encoder()
    buffer = bytearray()
    with requests.open("rb", _CHUNK) as source, shard.open("wb", _CHUNK) as target:
        target.write(b'{"requests":[')
        for number, line in enumerate(source):
            request = decoder.decode(line)
            request.custom_id = f"limit-{number}"
            encoder.encode_into(request, buffer)
            target.write(b"," + buffer if number else buffer)
        target.write(b"]}")


def collect(arguments: Arguments) -> None:
    receive(arguments, msgspec.json.Decoder(_Line), "".join)


def receive(
    arguments: Arguments, decoder: msgspec.json.Decoder[Any], joined: Callable[[Iterator[Any]], object]
) -> None:
    """Write a row for each result.

    :param decoder: decodes a result into an object with ``custom_id`` and ``result``.
    :param joined: joins the texts of a result's text blocks.
    """
    batch_id = json.loads(arguments.reference.read_text())
    encoder = msgspec.json.Encoder()
    arguments.output.mkdir()
    with (arguments.output / "rows.jsonl").open("wb", _CHUNK) as file:
        for line in _lines(_call("GET", f"{_PATH}/{batch_id}/results")):
            item = decoder.decode(line)
            message = item.result.message or _Message([], msgspec.Raw(b"null"))
            text = joined(block.text for block in message.content if block.type == "text")
            row = _Row(item.custom_id, item.result.type, text, message.usage)
            file.write(encoder.encode(row) + b"\n")


def _lines(response: http.client.HTTPResponse) -> Iterator[bytes]:
    held = b""
    while chunk := response.read1(_CHUNK):
        *lines, held = (held + chunk).split(b"\n")
        yield from lines


def _call(method: str, path: str, headers: dict[str, str] | None = None, body: Any = None) -> http.client.HTTPResponse:
    connection = json.loads(os.environ["AIRFLOW_CONN_ANTHROPIC_DEFAULT"])
    address = urlsplit(connection["host"])
    client = http.client.HTTPConnection(address.hostname or "", address.port, blocksize=_CHUNK)
    own = {"x-api-key": connection["password"], "anthropic-version": "2023-06-01"}
    client.request(method, path, body, {**own, **(headers or {})})
    response = client.getresponse()
    if response.status != 200:
        raise RuntimeError(f"{method} {path} answered {response.status}: {response.read(2000)!r}")
    return response


if __name__ == "__main__":
    run({"submit": submit, "collect": collect})
