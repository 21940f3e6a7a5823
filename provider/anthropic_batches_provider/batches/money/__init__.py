"""What requests cost: exact, in integer pico-dollars (10⁻¹² dollars), or unknown with a reason. Pure, without network.

How the rest of the engine uses it::

    # Once for a job: `given_prices`, `price_list`, and for each part, or for the job, `cost_sums`.
    prices = PriceList(GivenPrices(asked))
    sums = CostSums(prices)

    # Once for each batch that is read, by the service's time of its creation.
    add = sums.of_batch(created_at)

    # For each succeeded or unreadable result; None is an unknown cost.
    pico = add(result.model, billed_usage(result.usage))
    exact_dollars(pico)

    # By model, as JSON: to keep it, to add it elsewhere, to publish it. `ModelCost` is in `model_costs`.
    other.include(sums.as_dict())
    sums.by_model()
    sums.total()

``ModelCost`` has the cost in a batch by kind, the same usage outside of one on the same day (``live``), and the cost if
the prompt cache were none (``uncached``). It counts the requests whose cost is unknown, by reason. With any of these,
``str()`` says "at least": they are in no sum. So the costs of requests add up to that of the job, to the last digit. A
row that was sent in several rounds costs their sum, and its cost is unknown if that of one is.

An estimate takes ``prices.of(model, now, geography)``, which are ``ModelPrices`` or ``UnknownPrices``, and
``costs.kind_costs(numbers, model_prices.batch)``.

Invariants: a price is never that of another model, and never one outside of batches for a batch. Nothing is rounded
except by ``dollars.rounded_dollars``. Whatever is not known, such as a model, a geography, a server tool or a tier of
service, makes a cost unknown; it is never guessed.
"""

from __future__ import annotations
