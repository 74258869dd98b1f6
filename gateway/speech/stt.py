"""Speech to text by pocketsphinx, held to a JSGF grammar: right and cheap, as long as people keep to it.

One decoder serves the process (its acoustic model is 40 MB); grammars are searches inside it. An utterance is
decoded when it is complete, in 100 ms pieces with a breath between them, because pocketsphinx keeps Python's
interpreter lock for the whole of each call: a piece holds it for about 1 ms, a whole sentence would hold it
for 30. Without the breath an event loop that shares the process gets the lock back only every 5 ms, for one
system call: 15 calls at once were seen to stall for seconds.
"""

import threading
import time
from functools import cache
from typing import Any

import numpy as np
import soxr

from gateway.audio.pcm import Pcm, to_bytes
from gateway.errors import ConfigError
from gateway.speech import extra

RATE_HZ = 16_000
_TELEPHONE_HZ = 8_000
_PIECE_BYTES = RATE_HZ // 10 * 2
_BREATH_S = 0.0005
_CEPSTRAL_MEAN = "47.7,21.2,-39.6,45.6,-27.8,0.2,9.0,-33.6,16.5,-18.0,3.9,5.3,-17.6"
"""Mean of espeak's voices after a telephone line (band limit, µ-law). The decoder starts every utterance from
it; left to its own guess it loses the last words of short sentences (2-4 % of them, against none)."""


class Recogniser:
    """Turns utterances into words of a grammar. Lives as long as the process; any thread may call it."""

    def __init__(self) -> None:
        sphinx = extra.load("pocketsphinx")
        self._lock = threading.Lock()
        self._names: dict[str, str] = {}
        # logfn: pocketsphinx writes to stderr unless told otherwise
        self._decoder: Any = sphinx.Decoder(lm=None, samprate=RATE_HZ, logfn="/dev/null", loglevel="FATAL")

    def learn(self, grammar: str) -> None:
        """Compile a grammar; a known one costs nothing.

        Args:
            grammar: the right side of a JSGF rule: ``[please] (yes | no)``, in lower case.

        Raises:
            ConfigError: it is no JSGF, or uses a word that the dictionary lacks.
        """
        with self._lock:
            self._search(grammar)

    def recognise(self, grammar: str, pcm: Pcm) -> str | None:
        """Return the words of the grammar that an utterance is nearest to, or None when there are none.

        Args:
            grammar: as for :meth:`learn`.
            pcm: int16, shape (n,), 16 kHz, with a little silence on both sides.
        """
        data = to_bytes(_as_by_telephone(pcm))
        with self._lock:
            decoder = self._decoder
            decoder.activate_search(self._search(grammar))
            decoder.set_cmn(_CEPSTRAL_MEAN)
            decoder.start_utt()
            for start in range(0, len(data), _PIECE_BYTES):
                decoder.process_raw(data[start : start + _PIECE_BYTES])
                time.sleep(_BREATH_S)
            decoder.end_utt()
            hypothesis = decoder.hyp()
            return str(hypothesis.hypstr) or None if hypothesis else None

    def _search(self, grammar: str) -> str:
        name = self._names.get(grammar)
        if name is None:
            name = f"grammar{len(self._names)}"
            self._check_words(grammar)
            try:
                self._decoder.add_jsgf_string(name, f"#JSGF V1.0; grammar g; public <said> = {grammar};")
            except (RuntimeError, ValueError):
                raise ConfigError(f"grammar: not JSGF: {grammar}", reason="bad_grammar") from None
            self._names[grammar] = name
        return name

    def _check_words(self, grammar: str) -> None:
        for mark in "()[]|*+;":
            grammar = grammar.replace(mark, " ")
        for word in grammar.split():
            if self._decoder.lookup_word(word) is None:
                raise ConfigError(f"grammar: the dictionary has no word {word!r}", reason="bad_grammar")


def _as_by_telephone(pcm: Pcm) -> Pcm:
    """Limit an utterance to the band of a telephone, as the cepstral mean is of one.

    Without it a microphone's wideband speech is not understood at all.
    """
    narrow = soxr.resample(pcm.astype(np.float32), RATE_HZ, _TELEPHONE_HZ)
    wide = np.rint(soxr.resample(narrow, _TELEPHONE_HZ, RATE_HZ)).clip(-32_768, 32_767)
    limited: Pcm = wide.astype(np.int16)
    return limited


_start = threading.Lock()


@cache
def _shared() -> Recogniser:
    return Recogniser()


def recogniser() -> Recogniser:
    """Return the process's recogniser; the first call takes 0.1 s.

    Raises:
        ConfigError: the extra is missing.
    """
    with _start:
        return _shared()
