"""The arguments that define the job of an operator, as rendered for one attempt."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.prompt_cache import CacheTtl
    from anthropic_batches_provider.batches.submission import Pilot
    from anthropic_batches_provider.edge.output_schemas import SchemaArgument
    from anthropic_batches_provider.edge.row_arguments import RowsArgument
    from anthropic_batches_provider.edge.shared_context import SharedContext


@dataclass(frozen=True, slots=True, kw_only=True)
class JobArguments:
    """The parameters of the same names of :class:`MessageBatchSubmitOperator`, which describes them.

    :ivar result_columns: returns the names of the output's columns where ``columns=`` chooses them, by the JSON Schema
        of the answers; else None.
    :ivar max_columns_bytes: the most bytes of the rows' own columns, where the output goes to XCom; else None.
    """

    rows: RowsArgument
    requests: RowsArgument
    key: str | Sequence[str] | None
    keep: str | Sequence[str]
    prompt: str | None
    images: str | Sequence[str]
    documents: str | Sequence[str]
    system: str | Sequence[Mapping[str, Any]] | None
    shared_context: SharedContext
    model: str | None
    max_tokens: int | str | None
    message_params: Mapping[str, Any] | str | None
    betas: Sequence[str] | str
    request_builder: Callable[[dict[str, Any]], Mapping[str, Any]] | None
    output_schema: SchemaArgument | None
    column_prefix: str
    on_empty: Literal["fail", "skip"]
    on_changed_input: Literal["fail", "restart"]
    max_rounds: int
    repair: Mapping[str, Mapping[str, Any]] | None
    max_failed_rows: int | float | str
    unit: str | None
    edition: str
    storage: str | None
    max_requests_per_shard: int
    max_bytes_per_shard: int
    max_requests_in_flight: int
    show_prompt: bool
    pilot: Pilot
    prompt_cache: CacheTtl | None
    conn_id: str
    max_columns_bytes: int | None
    result_columns: Callable[[Mapping[str, Any] | None], Collection[str] | None]

    @classmethod
    def of(cls, operator: Any) -> JobArguments:
        """Return the arguments of an operator whose template fields are rendered.

        :param operator: has an attribute for each of them.
        """
        return cls(**{each.name: getattr(operator, each.name) for each in fields(cls)})
