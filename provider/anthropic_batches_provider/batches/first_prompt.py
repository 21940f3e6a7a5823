"""The first prompt of a job, as its seal describes it, or as its shards still hold it.

Prompts hold data: the text is recorded and returned only for a task that asks for it.
"""

from __future__ import annotations

from itertools import islice

from anthropic_batches_provider.batches.ledger import FirstPromptRecord, JobFolder
from anthropic_batches_provider.batches.requests.first_prompt import prompt_of


def described_prompt(request: bytes, *, with_text: bool, shared_blocks: int = 0) -> FirstPromptRecord | None:
    """Describe the prompt of a request.

    :param request: a line of a shard.
    :param with_text: whether the description holds the beginning of the text.
    :param shared_blocks: how many content blocks of the first user message all rows share: they are no part of the
        row's own prompt.
    :returns: None if it has no user message.
    """
    prompt = prompt_of(request, shared_blocks=shared_blocks)
    if prompt is None:
        return None
    return FirstPromptRecord.of(prompt, with_text=with_text, shared_blocks=shared_blocks)


def first_prompt_of(job: JobFolder, *, with_text: bool) -> FirstPromptRecord | None:
    """Return the description of the first prompt of a sealed job.

    A job that an older version sealed has none in its seal, and one that was sealed without ``show_prompt`` has no
    text there. Its shard is read instead, while it is there: it is removed when its rows are written.

    :param with_text: whether to return the beginning of the text, if it is known.
    :returns: None if it is not known.
    """
    seal = job.first_seal()
    recorded = seal.first_prompt
    if recorded is not None and not with_text:
        return recorded.without_text()
    if recorded is not None and recorded.text is not None:
        return recorded
    try:
        (request,) = islice(job.lines_of(seal.shards[0].requests_file), 1)
    except (FileNotFoundError, ValueError):
        return recorded
    shared_blocks = 0 if recorded is None else recorded.shared_blocks
    return described_prompt(request, with_text=with_text, shared_blocks=shared_blocks)
