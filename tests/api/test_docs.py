"""The description for programs and people."""

import re

from gateway.api.docs import page
from tests.api.test_openapi import DESCRIPTION
from tests.control_room import ControlRoom


async def test_both_are_served_from_here(room: ControlRoom) -> None:
    """Without a key; the page may load nothing from elsewhere."""
    described = await room.get("/openapi.json", key=None, prefix="")
    shown = await room.get("/docs", key=None, prefix="")

    assert described.body["openapi"] == "3.1.0"
    assert shown.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in shown.headers["Content-Security-Policy"]
    assert not re.search(rb"""(src|href)=["']?(https?:)?//""", shown.raw)
    assert b"<script" not in shown.raw
    for path in described.body["paths"]:
        assert path.encode() in shown.raw


def test_page_shows_each_operation_once() -> None:
    """Method, path and what it is for, grouped by what it is about."""
    text = page(DESCRIPTION)

    assert text.count('<span class="method">') == 4
    assert text.count("<h2>things</h2>") == 1
    assert "Make a thing." in text
    assert "Needs: api_key or link_token." in text
    assert "Needs: nothing." in text


def test_words_of_the_description_are_no_html() -> None:
    """Whatever a summary says, it is text."""
    hostile = {
        **DESCRIPTION,
        "info": {"title": "<script>alert(1)</script>", "description": "<b>&", "version": "1"},
    }

    assert "<script>" not in page(hostile)
    assert "&lt;b&gt;&amp;" in page(hostile)
