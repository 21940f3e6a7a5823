"""The per-row prompt of a task: from text or a template file, in the DAG's own environment, without its secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jinja2 import TemplateNotFound

from anthropic_batches_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from anthropic_batches_provider.batches.requests import PromptTemplate

PROMPT_FILES = (".jinja", ".j2")

# A lookup per row would be slow and would put secrets into shards.
_HIDDEN = frozenset(("var", "conn", "ti", "task_instance"))


def load_prompt(prompt: str, context: Context) -> PromptTemplate:
    """Return the template that is rendered for each row.

    :param prompt: Jinja text, or the name of a file that ends in ``.jinja`` or ``.j2``, found as Airflow finds
        templates.
    :raises ConfigurationError: the file does not exist, or the template is not valid.
    """
    from anthropic_batches_provider.batches.requests import PromptTemplate

    dag: Any = context["dag"]
    environment = dag.get_template_env(force_sandboxed=True)
    source = prompt
    if prompt.endswith(PROMPT_FILES):
        try:
            source = environment.loader.get_source(environment, prompt)[0]
        except TemplateNotFound as error:
            raise ConfigurationError(
                f"The prompt file {prompt!r} was not found in the DAG's folder or its template_searchpath. Correct the "
                "name, or put the file there."
            ) from error
    return PromptTemplate(source, environment, {k: value for k, value in context.items() if k not in _HIDDEN})
