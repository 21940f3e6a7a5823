"""The environment in which all three packages run: this one and both peers, on one Airflow and one SDK."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
_FOLDER = ".matrix/peers"
_PINS = "constraints/peers.txt"
_WANTED = "constraints/peers.in"
DISTRIBUTIONS = (
    "airflow-provider-anthropic-batches",
    "apache-airflow-providers-anthropic",
    "apache-airflow-providers-common-ai",
    "apache-airflow",
    "anthropic",
)


def peers_python() -> str:
    """Make or update the environment, and return its interpreter.

    :raises subprocess.CalledProcessError: the installation failed; the installer has printed the reason.
    """
    python = str(REPOSITORY / _FOLDER / "bin" / "python")
    subprocess.run(["sh", ".ci/environment", _FOLDER, _PINS, "3.11", "4.0", ""], cwd=REPOSITORY, check=True)
    options = ["--quiet", "--constraint", _PINS, "--requirement", _WANTED]
    with_uv = [python, "-m", "uv", "pip", "install", "--compile-bytecode", "--python", python, *options]
    if subprocess.run(with_uv, cwd=REPOSITORY, check=False).returncode:
        # uv does not read pip's configuration. If it cannot reach a package index, pip does the same, only slower.
        with_pip = [python, "-m", "pip", "install", "--disable-pip-version-check", *options]
        subprocess.run(with_pip, cwd=REPOSITORY, check=True)
    return python


def versions(python: str, distributions: Sequence[str] = DISTRIBUTIONS) -> dict[str, str]:
    """Return the versions that are installed there, by distribution, and the version of Python."""
    program = (
        "import sys; from importlib.metadata import version; print(sys.version.split()[0]);"
        " print(*map(version, sys.argv[1:]), sep='\\n')"
    )
    answer = subprocess.run([python, "-c", program, *distributions], capture_output=True, text=True, check=True)
    own, *others = answer.stdout.split()
    return {**dict(zip(distributions, others, strict=True)), "Python": own}
