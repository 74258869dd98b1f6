"""What a window of load showed, as the two vendors saw it from outside."""

from tests.bench.histogram import Histogram


class Board:
    """All that is counted while calls run; wiped at the begin of a window.

    Attributes:
        uplink: from a caller frame sent to its `input_audio` received, matched by count.
        first_byte: from the first `response_audio` of a turn sent to its first `media` received.
        clear: from an `interruption` sent to the `clear` received.
        late: how long the caller's ear waited inside a turn, for every piece (0 for those in time).
        slip: how late the generator itself was with what it had to send.
        webhook: from a voice webhook sent to its TwiML received.
        setup: the gateway's share from `start` to the agent's socket: what was neither Vatel's nor Twilio's.
        reads: from a request to the API sent to its answer read, by what was asked for.
        lost_bytes: µ-law of uninterrupted turns that did not come (mix `half`).
        stray_pieces: media that came between a `clear` and the next turn.
    """

    def __init__(self) -> None:
        self.wipe()

    def wipe(self) -> None:
        """Begin a new window."""
        self.uplink = Histogram()
        self.first_byte = Histogram()
        self.clear = Histogram()
        self.late = Histogram()
        self.slip = Histogram()
        self.webhook = Histogram()
        self.setup = Histogram()
        self.reads: dict[str, Histogram] = {}
        self.frames_down = 0
        self.frames_up = 0
        self.chunks = 0
        self.pieces = 0
        self.bytes_out = 0
        self.lost_bytes = 0
        self.stray_pieces = 0
        self.turns = 0
