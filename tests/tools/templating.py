"""What the tests of templates fill them with."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from gateway.tools.expressions import Scope
from gateway.tools.templates import REQUEST_NAMES

NOW = datetime(2026, 11, 26, 9, 5, tzinfo=UTC)

SCOPE = Scope(REQUEST_NAMES, lambda text: text.replace("${KEY}", "s3cret{{ call }}"))


def facts(**arguments: object) -> dict[str, object]:
    """Return what a template sees of a call with these arguments."""
    call = {"id": "c1", "from": "+15005550006", "direction": "inbound", "context": {"plan": "gold"}}
    return {"arguments": arguments, "call": call, "now": NOW}


HOSTILE = (
    st.text()
    | st.text(alphabet=st.sampled_from("./\\%2eE5cf?#&=;:@{}[]\"'<>$ \r\n\0\t,u0"))
    | st.sampled_from(
        [
            "..",
            ".",
            "%2e%2e",
            "..%2f",
            "../../admin",
            "..;/",
            '","x":1,"y":"',
            "a\r\nX-Evil: 1",
            "?x=1#",
            "\ud800",
        ]
    )
)
"""Texts that somebody might send to break a template."""
