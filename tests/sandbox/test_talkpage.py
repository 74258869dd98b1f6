import re

import pytest

from tests.sandbox.rest.office import Office

FILES = ("/talk", "/talk/talk.js", "/talk/microphone.js", "/talk/talk.css", "/favicon.ico")


@pytest.mark.parametrize("path", FILES)
async def test_page_is_served_whole_and_without_a_key(office: Office, path: str) -> None:
    """Each file has its type and the headers that keep a page to itself."""
    office.key = ""
    answer = await office.get(path)
    assert answer.status == 200
    assert answer.body
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_page_asks_for_nothing_from_elsewhere(office: Office) -> None:
    """All that it refers to is one of its files or of the public API; nothing of it is inline."""
    texts = [(await office.get(path)).body.decode() for path in FILES[:4]]
    html = texts[0]
    referred = set(re.findall(r'(?:src|href)="([^"]+)"', html)) | set(
        re.findall(r'"(/[a-z][^"]*)"', "".join(texts))
    )
    assert referred <= {*FILES, "/v1/agents", "/v1/session-token", "/v1/connection"}
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son[a-z]+=|https?://", html)


async def test_page_can_be_used_without_eyes(office: Office) -> None:
    """Every field has a label, the transcript is read out as it grows, the state too."""
    html = (await office.get("/talk")).body.decode()
    for name in ("key", "agent", "output", "headphones", "level-you", "level-agent"):
        assert re.search(rf'<label[^>]*>[^<]*(<[^/][^>]*id="{name}"|<input id="{name}")', html), name
    assert 'role="log" aria-live="polite"' in html
    assert 'role="status"' in html
    assert '<html lang="en">' in html


async def test_page_is_no_secret_keeper(office: Office) -> None:
    """The key is in none of its files: it comes with the address, behind the #, which is never sent."""
    for path in FILES:
        assert office.sandbox.api_key.encode() not in (await office.get(path)).body
