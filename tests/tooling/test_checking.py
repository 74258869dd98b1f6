"""Whether a catalogue would work."""

import os
from pathlib import Path

import pytest

from gateway.audio.fillers import load_filler
from gateway.tooling.checking import check
from gateway.tools.loading import load
from tests.tools.workshop import catalog

URL = {"name": "book", "url": "http://127.0.0.1:9000/book"}


async def test_reachable_tool_is_shown_with_what_it_would_be_sent() -> None:
    """Terms, address and a sample request."""
    report = await check(catalog(URL), online=True)
    text = "\n".join(report.lines)

    assert report.held
    assert "127.0.0.1 is 127.0.0.1" in text
    assert "    POST http://127.0.0.1:9000/book" in text


async def test_built_in_tools_need_no_address() -> None:
    """There is nothing to look up and nothing to send."""
    report = await check(catalog({"name": "end", "builtin": "end_call"}), online=True)

    assert report.held
    assert "would send" not in "\n".join(report.lines)


@pytest.mark.parametrize(
    ("host", "told"),
    [("nobody.invalid", "cannot be looked up"), ("localhost", "")],
)
async def test_host_is_looked_up(host: str, told: str) -> None:
    """A name that leads nowhere is found before a caller finds it."""
    report = await check(catalog({**URL, "url": f"http://{host}:9000/"}), online=True)

    assert report.held is not bool(told)
    assert told in "\n".join(report.lines)


async def test_offline_nothing_is_looked_up() -> None:
    """A file can be checked where there is no network."""
    report = await check(catalog({**URL, "url": "https://nobody.invalid/"}), online=False)

    assert report.held
    assert "cannot be looked up" not in "\n".join(report.lines)


async def test_name_that_leads_to_a_refused_address_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address, what it is, and where to allow it."""

    async def rebound(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(0, 0, 0, "", ("10.1.2.3", 0))]

    monkeypatch.setattr("asyncio.base_events.BaseEventLoop.getaddrinfo", rebound)
    report = await check(catalog({**URL, "url": "https://tools.example.com/"}), online=True)

    assert not report.held
    assert "10.1.2.3 is" in "\n".join(report.lines)
    assert "allow_private" in "\n".join(report.lines)


UNMAKEABLE = {"headers": {"X": "{{ arguments.n / 2 }}"}}


async def test_sample_that_cannot_be_made_is_told() -> None:
    """A template may need what nobody can make up; that is no fault of the file."""
    report = await check(catalog({**URL, **UNMAKEABLE}), online=True)

    assert report.held
    assert "no sample can be shown: The tool cannot be used with these values" in "\n".join(report.lines)


async def test_host_is_looked_up_without_a_sample_too() -> None:
    """What cannot be shown can still be reached, or not."""
    report = await check(catalog({**URL, **UNMAKEABLE, "url": "https://nobody.invalid/"}), online=True)

    assert not report.held
    assert "  url: nobody.invalid cannot be looked up" in "\n".join(report.lines)


@pytest.mark.parametrize(
    ("callback_url", "held", "told"),
    [
        ("https://nobody.invalid/late", False, "callback_url: nobody.invalid cannot be looked up"),
        ("http://127.0.0.1:9000/late", True, "callback_url: 127.0.0.1 is 127.0.0.1"),
    ],
)
async def test_callback_is_looked_up(callback_url: str, held: bool, told: str) -> None:
    """A late result that can be told nobody is found before it is late."""
    report = await check(catalog({**URL, "callback_url": callback_url}), online=True)

    assert report.held is held
    assert told in "\n".join(report.lines)


async def test_host_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many tools of one host take no longer than one."""
    asked: list[object] = []

    async def remembered(_: object, host: object, *__: object, **___: object) -> list[tuple[object, ...]]:
        asked.append(host)
        return [(0, 0, 0, "", ("93.184.215.14", 0))]

    monkeypatch.setattr("asyncio.base_events.BaseEventLoop.getaddrinfo", remembered)
    one = {**URL, "url": "https://tools.example.com/one", "callback_url": "https://late.example.com/"}
    report = await check(
        catalog(one, {"name": "two", "url": "https://tools.example.com/{{ arguments.id }}"}), online=True
    )

    assert report.held
    assert asked == ["tools.example.com", "late.example.com"]
    assert "\n".join(report.lines).count("url: tools.example.com is 93.184.215.14") == 2


async def test_sample_has_the_key_that_the_entry_makes() -> None:
    """What makes two runs the same is to be seen before it does."""
    schema = {"type": "object", "properties": {"order": {"examples": ["A-17"]}}}
    entry = {**URL, "arguments": schema, "idempotency": {"key": "{{ call.from }}-{{ arguments.order }}"}}
    report = await check(catalog(entry), online=False)

    assert "    Idempotency-Key: +15005550006-A-17" in report.lines


async def test_every_tool_of_the_example_file_has_a_sample() -> None:
    """The file to learn from shows a request for each of its tools."""
    path = Path(__file__).parents[2] / "config" / "tools.example.toml"
    shelf = load(path, os.environ, load_filler)
    text = "\n".join((await check(shelf, online=False)).lines)

    assert "no sample can be shown" not in text
    assert "    GET https://example.com/customers/sample%20text/orders?limit=5&language=en" in text
