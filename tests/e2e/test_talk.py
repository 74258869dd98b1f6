"""The talk page in a real browser: somebody speaks into its microphone, and the agent answers on the page."""

import asyncio
from pathlib import Path

import pytest

from gateway.sandbox import seed
from gateway.sandbox.server import Sandbox
from gateway.speech import extra
from tests.e2e import browser

CHROMIUM = browser.installed()
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH (Debian: apt-get install chromium)"),
    pytest.mark.skipif(not extra.available(), reason="the extra `demo` is not installed"),
    pytest.mark.timeout(90),
]

SHOWN = """[...document.querySelectorAll('#transcript li')]
    .map(line => [...line.childNodes].map(part => part.textContent).join(' '))"""
LINES = ((4.8, "How are you?"), (10.0, "Thank you, goodbye."))


async def test_spoken_question_is_answered_on_the_page(tmp_path: Path) -> None:
    """Both sides' words appear, the agent's level moves, the call ends by itself, and nothing complains."""
    assert CHROMIUM is not None
    voice = tmp_path / "voice.wav"
    await asyncio.to_thread(browser.microphone, voice, LINES, 18.0)
    sandbox = Sandbox(api_key="talk-key")
    await sandbox.warm_up()
    await sandbox.start()
    url = f"{sandbox.url}/talk#key={sandbox.api_key}&agent={seed.BISTRO}"
    try:
        async with browser.opened(CHROMIUM, url, voice) as page:
            await page.until("document.getElementById('start') && !document.getElementById('start').disabled")
            await page.read("document.getElementById('headphones').checked = true")
            await page.read(
                "window.loudest = -60; setInterval(() => { window.loudest = Math.max("
                "window.loudest, document.getElementById('level-agent').value) }, 20); 1"
            )
            await page.read("document.getElementById('start').click()")
            await page.until("document.getElementById('transcript').textContent.includes('Anything else?')")
            await page.screenshot(tmp_path / "talk.png")
            await page.until("document.getElementById('status').textContent.startsWith('ended')")
            said = await page.read(SHOWN)
            loudest = await page.read("window.loudest")
            assert page.complaints == []
    finally:
        await sandbox.stop()

    assert said[:3] == [
        "Agent Hello, this is Vatel Bistro. How can I help you?",
        "You how are you",
        "Agent I am very well, thank you. Anything else?",
    ]
    assert said[3] == "You thank you goodbye"
    assert loudest > -40
    assert (tmp_path / "talk.png").stat().st_size > 10_000
