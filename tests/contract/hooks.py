"""What schemathesis must not send: undeclared query parameters, which the contract does not forbid."""

from typing import Any

import schemathesis


@schemathesis.hook
def filter_query(context: schemathesis.HookContext, query: dict[str, Any] | None) -> bool:
    """Let through only queries of declared parameters, whatever their values."""
    if not query or context.operation is None:
        return True
    return set(query) <= {parameter.name for parameter in context.operation.query}
