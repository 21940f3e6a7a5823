"""Whether a text can be a prompt. This is checked when a DAG is parsed too, so nothing heavy is imported here."""

from __future__ import annotations

from jinja2 import Environment, TemplateSyntaxError

from anthropic_batches_provider.errors import ConfigurationError


def checked_source(source: object) -> str:
    """Return the text of a prompt.

    :raises ConfigurationError: it is no text, or an empty one.
    """
    if not isinstance(source, str) or not source.strip():
        raise ConfigurationError(
            f"`prompt` is {source!r:.40}; it must be text that is not empty, such as 'Label this: {{{{ row.text }}}}'."
        )
    return source


def check_syntax(source: str, environment: Environment) -> None:
    """Check that a text is a template of an environment, with its extensions, filters and tests.

    :raises ConfigurationError: it is not; names the line.
    """
    try:
        environment.compile(source, raw=True)
    except TemplateSyntaxError as error:
        raise no_template(error) from error


def no_template(error: TemplateSyntaxError) -> ConfigurationError:
    """Return the error about a prompt that is no template."""
    return ConfigurationError(
        f"The prompt is not a valid Jinja template (line {error.lineno}: {error.message}). "
        f"To write literal braces, use {{{{ '{{{{' }}}} or {{% raw %}}."
    )
