"""Whether a catalogue would work."""

import pytest

from gateway.tooling.checking import check
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


async def test_sample_that_cannot_be_made_is_told() -> None:
    """A template may need what no schema describes; that is no fault of the file."""
    report = await check(catalog({**URL, "headers": {"X": "{{ arguments.undescribed }}"}}), online=True)

    assert report.held
    assert "no sample can be shown: The tool cannot be used with these values" in "\n".join(report.lines)
