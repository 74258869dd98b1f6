import asyncio
import threading

import numpy as np
import pytest

from gateway.errors import ConfigError
from gateway.speech import extra, tts

pytestmark = pytest.mark.skipif(not extra.available(), reason="the extra `demo` is not installed")

SENTENCE = "I would like to book a table."


def test_sentence_takes_the_time_a_person_takes_for_it() -> None:
    """A sentence of seven words at 150 words a minute lasts one to three seconds."""
    pcm = tts.render(SENTENCE, tts.CALLER_VOICE)
    assert 1.0 < len(pcm) / 24_000 < 3.0


def test_peak_leaves_head_room() -> None:
    """Speech peaks at -3 dBFS, so that resampling does not clip it."""
    pcm = tts.render(SENTENCE, tts.CALLER_VOICE)
    assert 0.65 < np.abs(pcm.astype(np.int32)).max() / 32_768 < 0.75


def test_rate_changes_the_samples_not_the_duration() -> None:
    """The same sentence at 8 kHz has a third of the samples it has at 24 kHz."""
    at_8k = tts.render(SENTENCE, tts.CALLER_VOICE, 8_000)
    assert abs(len(at_8k) * 3 - len(tts.render(SENTENCE, tts.CALLER_VOICE))) <= 3


def test_two_voices_sound_different() -> None:
    """Agent and caller differ by more than their words: the same sentence has another length and shape."""
    agent = tts.render(SENTENCE, tts.AGENT_VOICE)
    caller = tts.render(SENTENCE, tts.CALLER_VOICE)
    assert len(agent) != len(caller)


def test_second_rendering_is_the_first_one() -> None:
    """What was said once is kept, and nobody can change it."""
    first = tts.render(SENTENCE, tts.CALLER_VOICE)
    assert tts.render(SENTENCE, tts.CALLER_VOICE) is first
    assert not first.flags.writeable


def test_no_words_give_no_sound() -> None:
    """An empty text is silence, not an error."""
    assert np.abs(tts.render("", tts.AGENT_VOICE).astype(np.int32)).max(initial=0) < 100


def test_unknown_voice_is_named() -> None:
    """The error names the voice that espeak-ng does not have."""
    with pytest.raises(ConfigError, match="no voice 'en-martian'"):
        tts.render(SENTENCE, tts.Voice("en-martian"))


def test_threads_do_not_mix_their_sentences() -> None:
    """Voices asked for at the same time from many threads last as long as when asked for alone.

    To some 15 ms: espeak-ng never says a sentence twice in quite the same way.
    """
    voices = [tts.Voice("en-us", words_per_minute=wpm) for wpm in range(120, 200, 10)]
    together: dict[tts.Voice, int] = {}

    def render(voice: tts.Voice) -> None:
        together[voice] = len(tts.render("One, two, three.", voice, 22_050))

    threads = [threading.Thread(target=render, args=(voice,)) for voice in voices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tts.render.cache_clear()
    alone = {voice: len(tts.render("One, two, three.", voice, 22_050)) for voice in voices}
    assert all(abs(together[voice] - alone[voice]) < 700 for voice in voices)


async def test_loop_runs_on_while_speech_is_rendered() -> None:
    """Rendering happens in a thread: other tasks get their turns before it is done."""
    turns = 0
    async with asyncio.TaskGroup() as group:
        speaking = group.create_task(
            asyncio.to_thread(tts.render, "This is said for the first time.", tts.AGENT_VOICE)
        )
        while not speaking.done():
            turns += 1
            await asyncio.sleep(0)
    assert turns > 1
    assert len(speaking.result())


@pytest.mark.parametrize(("slow", "fast"), [(100, 200), (80, 450)])
def test_faster_voice_is_done_sooner(slow: int, fast: int) -> None:
    """Words a minute are what the name says, at both ends of what espeak-ng can do."""
    lengths = [len(tts.render(SENTENCE, tts.Voice("en-us", words_per_minute=wpm))) for wpm in (slow, fast)]
    assert lengths[0] > 1.5 * lengths[1]


def test_voice_is_chosen_for_each_sentence_anew() -> None:
    """Who spoke last leaves nothing of their voice for the next: the engine keeps it in globals."""
    slow = tts.Voice("en-us", words_per_minute=90)
    first = len(tts.render("One, two, three.", tts.AGENT_VOICE, 11_025))
    tts.render("One, two, three.", slow, 11_025)
    tts.render.cache_clear()
    assert len(tts.render("One, two, three.", tts.AGENT_VOICE, 11_025)) == pytest.approx(first, abs=350)


@pytest.mark.parametrize(
    "text", ["Crêpes für 4 · 19:30", '<b>& "quoted"</b>', "日本", "a" * 5_000, "...", "\n"]
)
def test_any_text_can_be_asked_for(text: str) -> None:
    """Whatever a tool answers, speaking it gives samples or silence, never an error."""
    pcm = tts.render(text, tts.AGENT_VOICE, 8_000)
    assert pcm.dtype == np.int16
    assert np.abs(pcm.astype(np.int32)).max(initial=0) <= 0.75 * 32_768
