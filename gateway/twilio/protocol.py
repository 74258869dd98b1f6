"""The order of a media stream: ``connected``, ``start``, then media, marks and keys, then ``stop``.

No I/O and no clock: text in, messages out, and the texts to send back. Gaps are counted, never repaired here:
what Twilio threw away stays missing.
"""

from enum import StrEnum

from gateway.errors import CallerProtocolError
from gateway.twilio import messages
from gateway.twilio.continuity import Continuity, StreamCounters
from gateway.twilio.fields import encode_payload
from gateway.twilio.marks import MarkLedger, MarkReturned
from gateway.twilio.messages import Clear, Connected, Dtmf, Mark, Media, SetMark, Start, Stop, TwilioMessage

__all__ = ["MarkReturned", "MediaStream", "StreamCounters", "StreamState"]

MAX_BAD_MESSAGES = 50


class StreamState(StrEnum):
    """How far a stream has come."""

    OPENED = "opened"
    CONNECTED = "connected"
    STARTED = "started"
    STOPPED = "stopped"


class MediaStream:
    """Both halves of one media stream; lives as long as one caller socket.

    Attributes:
        state: how far the stream has come.
        stream_sid: empty until ``start``.
        failed: True once the peer has broken the order of messages, or sent too many bad ones: close the
            socket with 1008.
        counters: what happened so far.
    """

    __slots__ = (
        "_continuity",
        "_marks",
        "_play_prefix",
        "counters",
        "failed",
        "state",
        "stream_sid",
    )

    def __init__(self) -> None:
        self.state = StreamState.OPENED
        self.stream_sid = ""
        self.failed = False
        self.counters = StreamCounters()
        self._play_prefix = ""
        self._continuity = Continuity(self.counters)
        self._marks = MarkLedger()

    @property
    def pending_marks(self) -> int:
        """Count the marks that have not come back, those that ``clear`` flushed among them."""
        return len(self._marks)

    def receive(self, text: str | bytes) -> TwilioMessage | MarkReturned | None:
        """Take in one text frame; None when it is counted and changes nothing.

        Raises:
            CallerProtocolError: bad input, by the reasons of ``messages.parse``; or ``before_connected``,
                ``before_start``, ``connected_twice``, ``start_twice``; or ``too_many_errors``. Go on unless
                ``failed`` is True.
        """
        try:
            message = messages.parse(text)
        except CallerProtocolError as error:
            raise self._refuse(error) from None
        if self.state is not StreamState.STARTED:
            return self._outside(message)
        if not isinstance(message, Media):
            return self._inside(message)
        if message.stream_sid != self.stream_sid:
            self.counters.wrong_stream += 1
            return None
        return message if self._continuity.take(message) else None

    def play(self, ulaw: bytes) -> str:
        """Write audio for the caller: µ-law bytes, at least one, 8 kHz mono.

        Raises:
            ValueError: before ``start``, or no audio (Twilio refuses an empty payload with 31951).
        """
        if not ulaw or not self._play_prefix:
            raise ValueError("play needs a started stream and some audio")
        counters = self.counters
        counters.frames_sent += 1
        counters.bytes_sent += len(ulaw)
        return self._play_prefix + encode_payload(ulaw) + messages.PLAY_SUFFIX

    def mark(self, name: str) -> str:
        """Write a mark; its echo comes back from ``receive`` as ``MarkReturned``."""
        self._marks.add(name)
        self.counters.marks_sent += 1
        return messages.dump(SetMark(self.stream_sid, name))

    def clear(self) -> str:
        """Write a clear; from now on every pending mark counts as flushed."""
        self._marks.flush()
        self.counters.clears += 1
        return messages.dump(Clear(self.stream_sid))

    def _outside(self, message: TwilioMessage) -> TwilioMessage | None:
        """Handle what comes before ``start`` or after ``stop``."""
        if self.state is StreamState.STOPPED:
            self.counters.after_stop += 1
            return None
        match message:
            case Stop():
                self.state = StreamState.STOPPED
            case Connected() if self.state is StreamState.OPENED:
                self.state = StreamState.CONNECTED
            case Connected():
                raise self._broken_order("connected_twice")
            case Start() if self.state is StreamState.CONNECTED:
                self._start(message)
            case _ if self.state is StreamState.OPENED:
                raise self._broken_order("before_connected")
            case _:
                raise self._broken_order("before_start")
        return message

    def _start(self, message: Start) -> None:
        self.state = StreamState.STARTED
        self.stream_sid = message.stream_sid
        self._play_prefix = messages.play_prefix(message.stream_sid)
        self._continuity.start(message.sequence)

    def _inside(self, message: Connected | Start | Mark | Dtmf | Stop) -> TwilioMessage | MarkReturned | None:
        """Handle what comes between ``start`` and ``stop``, audio apart."""
        match message:
            case Connected():
                raise self._broken_order("connected_twice")
            case Start():
                raise self._broken_order("start_twice")
            case _ if message.stream_sid != self.stream_sid:
                self.counters.wrong_stream += 1
                return None
            case _ if not self._continuity.is_new(message.sequence):
                return None
            case Mark():
                return self._mark_returned(message.name)
            case Stop():
                self.state = StreamState.STOPPED
            case Dtmf():  # pragma: no branch
                self.counters.keys += 1
        return message

    def _mark_returned(self, name: str) -> MarkReturned | None:
        counters = self.counters
        returned = self._marks.returned(name)
        if returned is None:
            counters.marks_unprompted += 1
        elif returned.flushed:
            counters.marks_flushed += 1
        else:
            counters.marks_played += 1
        return returned

    def _broken_order(self, reason: str) -> CallerProtocolError:
        self.failed = True
        return self._refuse(CallerProtocolError("the message comes out of order", reason=reason))

    def _refuse(self, error: CallerProtocolError) -> CallerProtocolError:
        bad = self.counters.bad_messages
        bad[error.reason] = bad.get(error.reason, 0) + 1
        # An event that Twilio invents tomorrow must not end calls: it is counted and goes by.
        if sum(bad.values()) - bad.get("unknown_event", 0) < MAX_BAD_MESSAGES:
            return error
        self.failed = True
        return CallerProtocolError("too many bad messages on one stream", reason="too_many_errors")
