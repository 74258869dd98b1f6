"""The caller's telephone: microphone, ear, keys, and what the caller did with them. PURE.

Lives as long as its call, so a second stream of the same call goes on with the same caller.
"""

from collections import deque
from collections.abc import Iterator

from gateway.simulator import events
from gateway.simulator.caller import Caller
from gateway.simulator.ear import Ear
from gateway.simulator.microphone import FRAME_MS, Microphone


class Handset:
    """What a caller holds during one call; the other half of :class:`~gateway.simulator.caller.Phone`.

    Attributes:
        cuts: the microphone's frames with which the caller cut in: for each time the first, and how many.
        missed: steps whose deadline passed.
        digits: keys pressed and not yet sent.
    """

    def __init__(
        self,
        caller: Caller,
        call_sid: str,
        *,
        keep_audio: bool = True,
        watch: events.Watcher = events.ignore,
    ) -> None:
        self.mic = Microphone(keep_audio=keep_audio)
        self.ear = Ear()
        self.listens = caller.listens or watch is not events.ignore
        self.cuts: list[tuple[int, int]] = []
        self.missed: list[str] = []
        self.digits: deque[str] = deque()
        self.hung_up = False
        self._call_sid = call_sid
        self._watch = watch
        self._act: Iterator[None] | None = caller.act(self)

    @property
    def now_ms(self) -> int:
        """Milliseconds of microphone sent so far."""
        return self.mic.frames * FRAME_MS

    def advance(self) -> bytes:
        """Let the caller do the next 20 ms' worth of things.

        Returns:
            The microphone's frame: base64, 216 characters.
        """
        if self._act is not None and not self.hung_up and next(self._act, self) is self:
            self._act = None
        return self.mic.next_frame()

    def note_speech(self, text: str) -> None:
        """Tell who watches what is being said."""
        interrupting = bool(self.cuts) and self.cuts[-1][0] == self.mic.frames
        self._watch(events.CallerSays(self._call_sid, text, interrupting))

    def note_interruption(self, frames: int) -> None:
        """Remember the frame with which the caller cuts in, and for how many."""
        self.cuts.append((self.mic.frames, frames))

    def note_missed(self, step: str) -> None:
        """Remember a step whose deadline passed."""
        self.missed.append(step)

    def press(self, digits: str) -> None:
        """Press keys; they leave with the next frame."""
        self.digits.extend(digits)

    def hang_up(self) -> None:
        """Put the phone down: nothing more is said."""
        self.hung_up = True
        self.mic.hush()
