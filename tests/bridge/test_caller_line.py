"""What goes out to the phone, and what a recording is told of it."""

from gateway.bridge.caller_line import CallerLine
from gateway.bridge.talk import TalkClock
from gateway.recording.tape import Recorder
from gateway.twilio import messages as twilio
from gateway.twilio.protocol import MediaStream
from tests.bridge.stage import CALL, STREAM_SID

PIECE = b"\x11" * 800


class Socket:
    """Takes what is sent, or will not take audio."""

    def __init__(self) -> None:
        self.sent: list[twilio.GatewayMessage] = []
        self.stalled = False

    def send(self, text: str, *, urgent: bool = False) -> bool:
        """Take a message."""
        if self.stalled and not urgent:
            return False
        self.sent.append(twilio.parse_gateway(text, stream_sid=STREAM_SID))
        return True


def line(recorder: Recorder | None) -> tuple[CallerLine, Socket]:
    """Return a line and its socket."""
    stream, socket = MediaStream(), Socket()
    stream.receive(twilio.dump_twilio(twilio.Connected()))
    stream.receive(twilio.dump_twilio(twilio.Start(STREAM_SID, CALL.call_sid, CALL.account_sid)))
    return CallerLine(stream, socket, recorder, TalkClock()), socket


def told(recorder: Recorder) -> list[tuple[int, float]]:
    """Return what a recorder was told: how much audio, and from when on it is heard."""
    return [(len(audio), round(at_s, 3)) for audio, at_s in recorder._pieces]


def test_pieces_follow_each_other() -> None:
    """What is sent at once is heard one after the other, behind what was sent before."""
    recorder = Recorder("r", 0.0)
    out, socket = line(recorder)
    out.play_from(0.0, 5.0)
    assert out.play(PIECE)
    assert out.play(PIECE)
    out.play_from(5.2, 5.1)
    assert out.play(PIECE)

    assert told(recorder) == [(800, 5.0), (800, 5.1), (800, 5.2)]
    assert socket.sent == [twilio.Play(STREAM_SID, PIECE)] * 3


def test_lag_is_the_quickest_mark_s_and_stays_within_a_spurt() -> None:
    """Marks that were held up say nothing; one that comes back in mid-spurt moves nothing yet."""
    recorder = Recorder("r", 0.0)
    out, _ = line(recorder)
    for lag_s in (0.3, 0.1, 0.2):
        out.mark_returned(lag_s)
    out.play_from(0.0, 5.0)
    out.play(PIECE)
    out.mark_returned(0.05)
    out.play_from(5.1, 5.05)
    out.play(PIECE)
    out.clear(5.12)
    out.play_from(5.12, 6.0)
    out.play(PIECE)

    assert told(recorder) == [(800, 5.1), (800, 5.2), (0, 5.22), (800, 6.05)]


def test_piece_that_was_not_taken_is_not_recorded() -> None:
    """Its time passes all the same."""
    recorder = Recorder("r", 0.0)
    out, socket = line(recorder)
    out.play_from(0.0, 5.0)
    socket.stalled = True
    assert not out.play(PIECE)
    socket.stalled = False
    assert out.play(PIECE)

    assert told(recorder) == [(800, 5.1)]


def test_frame_of_the_caller_s_is_recorded_by_its_stamp() -> None:
    """With the time when it came, a frame later."""
    recorder = Recorder("r", 0.0)
    out, _ = line(recorder)
    out.heard(twilio.Media(STREAM_SID, 2, 1, 120, b"\x22" * 160), 7.0)

    assert recorder._frames == [(b"\x22" * 160, 120, 7.0)]


def test_line_without_a_recorder_sends_the_same() -> None:
    """Marks and clears go out, audio too; a clear at the end of the stream is not told."""
    out, socket = line(None)
    out.heard(twilio.Media(STREAM_SID, 2, 1, 120, b"\x22" * 160), 7.0)
    out.play_from(0.0, 5.0)
    out.play(PIECE)
    out.mark("m-1")
    out.clear(5.0)
    out.clear(6.0, tell=False)

    assert socket.sent == [
        twilio.Play(STREAM_SID, PIECE),
        twilio.SetMark(STREAM_SID, "m-1"),
        twilio.Clear(STREAM_SID),
    ]
