"""Turns the body of a create call into a batch that only needs to be stored: the heavy part, run in a thread."""

from __future__ import annotations

import random
from array import array
from collections import Counter

import msgspec

from anthropic_batches_provider.simulator.service.create_body import BatchRequest, decode_requests
from anthropic_batches_provider.simulator.service.outcomes import Outcome, OutcomeRules, Row
from anthropic_batches_provider.simulator.service.params_validation import Circumstances, find_fault
from anthropic_batches_provider.simulator.service.prompt_contents import Params, content_hash
from anthropic_batches_provider.simulator.service.refusals import Refusal
from anthropic_batches_provider.simulator.service.service_settings import Settings
from anthropic_batches_provider.simulator.service.simulated_batch import (
    CANCELED,
    ERRORED,
    EXPIRED,
    SUCCEEDED,
    Origin,
    Prepared,
)

_CODES = {"errored": ERRORED, "canceled": CANCELED, "expired": EXPIRED}
_PARAMS = msgspec.json.Decoder(Params)


def prepare(
    body: bytes | bytearray, origin: Origin, settings: Settings, rules: OutcomeRules, *, now: float, order_seed: int
) -> Prepared:
    """Read the body and decide how each of its requests ends.

    :raises Refusal: 400, if the whole call must be refused.
    """
    requests = decode_requests(body, settings)
    circumstances = Circumstances(origin.version, origin.betas, now, settings.extra_models)
    outcomes = _decide(requests, circumstances, rules)
    order = array("L", range(len(requests)))
    # The service does not promise the order of requests, so a client must not rely on it.
    if settings.shuffle_results:
        random.Random(order_seed).shuffle(order)
    by_index = bytearray(len(requests))
    for index, outcome in outcomes.items():
        by_index[index] = _CODES.get(outcome.result, SUCCEEDED)
    codes = bytes(by_index[index] for index in order)
    return Prepared(origin, requests, order, codes, outcomes, len(body))


def _decide(requests: list[BatchRequest], circumstances: Circumstances, rules: OutcomeRules) -> dict[int, Outcome]:
    outcomes: dict[int, Outcome] = {}
    occurrences: Counter[bytes] = Counter()
    for index, request in enumerate(requests):
        try:
            params = _PARAMS.decode(request.params)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Refusal(400, f"The request body is not valid JSON: {error}") from None
        fault = find_fault(params, circumstances)
        if fault is not None:
            outcomes[index] = Outcome("errored", fault.error_type, fault.message)
        elif rules:
            # Hashing decodes and encodes the params once more, and few rules need it.
            content = content_hash(request.params) if rules.need_content else b""
            occurrences[content] += 1
            outcome = rules.decide(Row(request.custom_id, params, content, occurrences[content]))
            if outcome is not None:
                outcomes[index] = outcome
    return outcomes
