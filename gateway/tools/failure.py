"""What the agent gets when a tool has failed. PURE."""

import json
from datetime import datetime

from gateway.errors import ToolError
from gateway.tools.catalog import Builtin, Webhook
from gateway.tools.question import Question, ToolOutcome
from gateway.tools.request import scope


def failed(
    tool: Webhook | Builtin | None, question: Question, error: ToolError, now: datetime
) -> ToolOutcome:
    """Return the outcome of a failure: the tool's own ``on_error``, else JSON that can be read aloud from."""
    return ToolOutcome(_text(tool, question, error, now), failure=error.reason)


def _text(tool: Webhook | Builtin | None, question: Question, error: ToolError, now: datetime) -> str:
    told = {"message": str(error), "reason": error.reason}
    if tool is not None and tool.on_error is not None:
        try:
            return tool.on_error.render(scope(question, now) | {"error": told})
        except ToolError:
            pass  # the failure is what counts; the plain form tells it
    return json.dumps({"error": told["message"], "reason": told["reason"]}, ensure_ascii=False)
