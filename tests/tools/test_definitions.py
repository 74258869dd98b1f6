"""What a tool that can run shows of itself."""

from gateway.tools.definitions import Builtin, Webhook
from tests.tools.files import parse

CANARY = "canary-0123456789"


def test_nothing_printed_of_a_tool_has_a_secret() -> None:
    """Neither its table nor its header nor any text of its templates shows."""
    catalog = parse(
        f"""
        [[tools]]
        name = "book"
        url = "https://h.example/{CANARY}/{{{{ arguments.a }}}}"
        headers = {{ X-Own = "{CANARY}" }}
        query = {{ key = "{CANARY}" }}
        body = {{ key = "{CANARY}" }}
        auth = {{ type = "bearer", token = "{CANARY}" }}
        [[tools]]
        name = "bye"
        builtin = "end_call"
        description = "{CANARY}"
        """
    )
    first, second = catalog.tools

    assert isinstance(first, Webhook)
    assert isinstance(second, Builtin)
    assert CANARY not in repr(first) + repr(second) + repr(catalog)
    assert first.auth == ("Authorization", f"Bearer {CANARY}")
    assert "label='book'" in repr(first)
