"""Places in texts."""

import pytest

from gateway.api.templates import fill, missing_names

CONTEXT = {"customer_name": "Ada", "n": 3, "loop": "{{customer_name}}"}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("Hello {{customer_name}}!", "Hello Ada!"),
        ("{{ customer_name }}{{n}}", "Ada3"),
        ("{{loop}}", "{{customer_name}}"),
        (
            "{{unknown}} {customer_name} {{}} {{1a}} {{a b}}",
            "{{unknown}} {customer_name} {{}} {{1a}} {{a b}}",
        ),
        ("", ""),
    ],
)
def test_places_are_filled_once(text: str, filled: str) -> None:
    """Known names are replaced, anything else stays, and what was put in is not looked at again."""
    assert fill(text, CONTEXT) == filled


def test_missing_names_are_told_in_order_once() -> None:
    """Of all texts together; a text that is not there asks for nothing."""
    assert missing_names(["{{b}} {{a}}", None, "", "{{b}} {{n}}"], CONTEXT) == ["a", "b"]
    assert missing_names(["{{customer_name}}"], CONTEXT) == []
