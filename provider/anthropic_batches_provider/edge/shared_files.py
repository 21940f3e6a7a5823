"""The files of ``shared_context=``: where they are, and what they hold."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateNotFound
from jinja2.loaders import split_template_path

from anthropic_batches_provider.batches.limits import MAX_MESSAGE_BYTES
from anthropic_batches_provider.edge.cell_files import read_cell_file
from anthropic_batches_provider.edge.uris import local_path, shown_uri
from anthropic_batches_provider.errors import ConfigurationError, SourceError

if TYPE_CHECKING:
    from airflow.sdk import Context

NAME = "shared_context"
NOT_SENT = "This attempt sent nothing."

_WILDCARDS = re.compile(r"[*?\[]")


def local_file(uri: str) -> Path | None:
    """Return the local path that a URI names; None if it names an object store.

    :raises ConfigurationError: it is no absolute path.
    """
    try:
        return local_path(uri)
    except ConfigurationError as error:
        raise ConfigurationError(f"{NAME}=: {error} {NOT_SENT}") from None


def found_file(name: str, context: Context) -> Path:
    """Return the place of a file that is found as Airflow finds templates.

    :raises ConfigurationError: there is none.
    """
    dag: Any = context["dag"]
    # The loader itself would read the file as a template: without the line breaks of Windows, and in UTF-8 alone.
    folders = getattr(dag.get_template_env().loader, "searchpath", ())
    with suppress(TemplateNotFound):
        pieces = split_template_path(name)
        for folder in folders:
            if (path := Path(folder, *pieces)).is_file():
                return path
    raise ConfigurationError(
        f"The file {name!r:.200} of {NAME}= was not found in the DAG's folder or its template_searchpath. Correct the "
        f"name, or put the file there. If this is the text itself, end it with a full stop. {NOT_SENT}"
    )


def content_of(uri: str) -> bytes:
    """Return the content of a file, up to one byte more than a request may have.

    :raises ConfigurationError: there can be no such file.
    :raises SourceError: there is none, or it cannot be read now.
    """
    from anthropic_batches_provider.batches.requests.content_blocks import absence_of
    from anthropic_batches_provider.batches.requests.wording import reason

    local_file(uri)
    shown = f"The file {shown_uri(uri)} of {NAME}="
    try:
        return read_cell_file(uri, MAX_MESSAGE_BYTES + 1)
    except FileNotFoundError as error:
        wildcards = " Wildcards are not looked up: give a list of files." if _WILDCARDS.search(uri) else ""
        raise SourceError(
            f"{shown} does not exist. Check the path; a retry looks for it again.{wildcards} If this is the text "
            f"itself, begin it with another character. {NOT_SENT}"
        ) from error
    except IsADirectoryError as error:
        raise ConfigurationError(f"{shown} is a folder. Give a list of its files. {NOT_SENT}") from error
    except (OSError, ValueError, ConfigurationError) as error:
        problem = absence_of(error)
        if problem is not None:
            raise ConfigurationError(f"{shown} cannot be read: {problem} {NOT_SENT}") from error
        raise SourceError(
            f"{shown} cannot be read now: {reason(error)}. Check the store and its permissions: without the right to "
            f"list a bucket, S3 says Forbidden of a missing object, too. A retry reads it again. {NOT_SENT}"
        ) from error
