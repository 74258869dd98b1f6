import asyncio

import numpy as np
import pytest

from gateway.audio import ulaw
from gateway.audio.pcm import Pcm
from gateway.audio.resample import make_resampler
from gateway.errors import ConfigError
from gateway.speech import extra, stt, tts

soxr = pytest.importorskip("soxr")
pytestmark = pytest.mark.skipif(not extra.available(), reason="the extra `demo` is not installed")

PEOPLE = "[a table] for (two | three | four | five) [people] [please]"


def by_telephone(text: str, *, level_db: float = 0.0, noise_dbfs: float = -60.0, seed: int = 0) -> Pcm:
    """Say a text on a telephone line: 8 kHz, µ-law, up to 24 kHz, down to what the recogniser takes."""
    spoken = tts.render(text, tts.CALLER_VOICE, 8_000) * 10 ** (level_db / 20)
    line = np.pad(spoken, (1_600, 3_200))
    line += np.random.default_rng(seed).normal(0.0, 32_768 * 10 ** (noise_dbfs / 20), len(line))
    heard = ulaw.decode(ulaw.encode(line.clip(-32_768, 32_767).astype(np.int16)))
    up = make_resampler("soxr", 8_000, 24_000)
    wide = np.concatenate([up.push(heard), up.flush()])
    return np.asarray(soxr.resample(wide, 24_000, stt.RATE_HZ), np.int16)


@pytest.mark.parametrize("level_db", [0.0, -9.0])
@pytest.mark.parametrize("noise_dbfs", [-75.0, -50.0])
def test_sentence_of_the_grammar_survives_the_telephone(level_db: float, noise_dbfs: float) -> None:
    """Loud or soft, on a clean line or a noisy one, the words that were said are understood."""
    pcm = by_telephone("A table for four people, please.", level_db=level_db, noise_dbfs=noise_dbfs)
    assert stt.recogniser().recognise(PEOPLE, pcm) == "a table for four people please"


def test_silence_is_no_words() -> None:
    """A second without speech gives None."""
    assert stt.recogniser().recognise(PEOPLE, np.zeros(stt.RATE_HZ, np.int16)) is None


def test_no_audio_is_no_words() -> None:
    """An utterance without a single sample gives None."""
    assert stt.recogniser().recognise(PEOPLE, np.zeros(0, np.int16)) is None


def test_grammars_take_turns_in_one_decoder() -> None:
    """An utterance is understood by the grammar it is asked with, whatever came before."""
    hears = stt.recogniser().recognise
    four = by_telephone("For four people, please.")
    time = by_telephone("At seven thirty.")
    clock = "[at] (six | seven | eight) (o'clock | thirty)"
    heard = [hears(PEOPLE, four), hears(clock, time), hears(PEOPLE, four), hears(clock, time)]
    assert heard == ["for four people please", "at seven thirty"] * 2


async def test_loop_runs_on_while_an_utterance_is_understood() -> None:
    """Recognition in a thread lets the loop have its turns between the pieces."""
    pcm, turns = by_telephone("For two people."), 0
    async with asyncio.TaskGroup() as group:
        hearing = group.create_task(asyncio.to_thread(stt.recogniser().recognise, PEOPLE, pcm))
        while not hearing.done():
            turns += 1
            await asyncio.sleep(0)
    assert hearing.result() == "for two people"
    assert turns > len(pcm) // (stt.RATE_HZ // 10)


def test_word_without_a_pronunciation_is_named() -> None:
    """A grammar with a word the dictionary lacks is refused, and the error says which."""
    with pytest.raises(ConfigError, match="no word 'blorftable'"):
        stt.recogniser().learn("i want a blorftable")


def test_broken_grammar_is_refused() -> None:
    """What is no JSGF is an error of the scenario, not a crash of the decoder."""
    with pytest.raises(ConfigError, match="not JSGF"):
        stt.recogniser().learn("( two | three")


def test_process_has_one_recogniser() -> None:
    """Every session shares the one acoustic model."""
    assert stt.recogniser() is stt.recogniser()


async def test_utterances_asked_for_at_once_do_not_mix() -> None:
    """Many sessions share the decoder: each gets the words of its own utterance."""
    two, five = by_telephone("For two people."), by_telephone("For five people.")
    async with asyncio.TaskGroup() as group:
        hears = stt.recogniser().recognise
        hearing = [group.create_task(asyncio.to_thread(hears, PEOPLE, pcm)) for pcm in (two, five) * 3]
    assert [task.result() for task in hearing] == ["for two people", "for five people"] * 3


def test_known_grammar_is_not_compiled_again() -> None:
    """Learning twice adds no second search: sessions come and go, the decoder stays as large as it is."""
    recogniser = stt.recogniser()
    recogniser.learn(PEOPLE)
    before = dict(recogniser._names)
    recogniser.learn(PEOPLE)
    assert recogniser._names == before


def test_refused_grammar_leaves_the_recogniser_as_it_was() -> None:
    """A scenario that is wrong costs nobody else their ears."""
    for grammar in ("i want a blorftable", "( two | three"):
        with pytest.raises(ConfigError):
            stt.recogniser().learn(grammar)
    four = by_telephone("For four people, please.")
    assert stt.recogniser().recognise(PEOPLE, four) == "for four people please"


def by_microphone(text: str) -> Pcm:
    """Say a text into a microphone: 48 kHz, all the way up to what the recogniser takes."""
    spoken = np.pad(tts.render(text, tts.CALLER_VOICE, 48_000), (9_600, 19_200))
    return np.asarray(soxr.resample(spoken, 48_000, stt.RATE_HZ), np.int16)


@pytest.mark.parametrize(
    ("grammar", "text", "words"),
    [
        (PEOPLE, "A table for four people, please.", "a table for four people please"),
        ("how are you [today] | tell me a (joke | story)", "How are you today?", "how are you today"),
        ("how are you [today] | tell me a (joke | story)", "Tell me a story.", "tell me a story"),
    ],
)
def test_wideband_speech_is_understood_as_by_telephone(grammar: str, text: str, words: str) -> None:
    """A browser's microphone hears more than a telephone: what is beyond its band is left out."""
    assert stt.recogniser().recognise(grammar, by_microphone(text)) == words
