"""A Twilio as cheap as Python can play it: a socket that sends on time, an ear that counts."""

import asyncio
import json
import struct
from base64 import b64encode
from collections.abc import Callable
from time import monotonic

from tests.bench.measures import Board
from tests.bench.mix import FRAME_S, caller_payloads
from tests.bench.talk import SENT_KEPT, Talk
from tests.bench.wire import Peer, frame

_HEAD = struct.Struct("!BBHI")
_KIND_AT = len('{"event":"')
_PLAY_CHARS = len('{"event":"media","streamSid":"","media":{"payload":""}}')
_QUOTE = len('"}}')


class CallerPeer(Peer):
    """One media stream from Twilio's side.

    Args:
        talk: the call.
        at: runs something at a time; for marks, which come back when they were heard.

    Attributes:
        upgraded: set when the gateway has answered the handshake.
        status: what it answered.
        speaking: False once `stop` has been sent.
    """

    def __init__(self, talk: Talk, at: Callable[[float, Callable[[float], float | None]], None]) -> None:
        super().__init__()
        self._talk = talk
        self._at = at
        self._sid = b""
        self._overhead = 0
        self._marks: list[str] = []
        self.sequence = 0
        self.speaking = True
        self.upgraded = asyncio.Event()
        self.status = 0

    def ask(self, target: str, host: str, signature: str) -> None:
        """Ask for the upgrade as Twilio does."""
        self.transport.write(
            f"GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Twilio.TmeWs/1.0\r\n"
            f"Connection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Key: {b64encode(b'0123456789abcdef').decode()}\r\nSec-WebSocket-Version: 13\r\n"
            f"X-Twilio-Signature: {signature}\r\n\r\n".encode()
        )

    def http(self, head: bytes, size: int) -> None:
        self.taken(size)
        self.status = int(head.split(b" ", 2)[1])
        self.open = self.status == 101
        self.upgraded.set()

    def begin(self, account_sid: str, call_sid: str, stream_sid: str, token: str) -> None:
        """Send `connected` and `start`."""
        self._sid = stream_sid.encode()
        self._overhead = _PLAY_CHARS + len(stream_sid)
        self.sequence = 1
        body = {
            "accountSid": account_sid,
            "streamSid": stream_sid,
            "callSid": call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"token": token},
        }
        self._say({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        self._say({"event": "start", "sequenceNumber": "1", "start": body, "streamSid": stream_sid})

    def end(self) -> None:
        """Send `stop`; the gateway closes."""
        self.sequence += 1
        self.speaking = False
        self._say({"event": "stop", "sequenceNumber": str(self.sequence), "streamSid": self._sid.decode()})

    def send_audio(self, number: int, payload: bytes) -> None:
        """Send a frame of caller audio, numbered from 1."""
        self.sequence += 1
        text = (
            b'{"event":"media","sequenceNumber":"%d","media":{"track":"inbound","chunk":"%d",'
            b'"timestamp":"%d","payload":"%b"},"streamSid":"%b"}'
        ) % (self.sequence, number, 80 + 20 * number, payload, self._sid)
        self.write(_HEAD.pack(0x81, 0xFE, len(text), 0) + text)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.upgraded.set()

    def text_frame(self, data: bytearray, start: int, end: int) -> None:
        kind = data[start + _KIND_AT : start + _KIND_AT + 2]
        if kind == b"me":
            coded = end - start - self._overhead
            last = end - _QUOTE
            padding = (data[last - 1] == 0x3D) + (data[last - 2] == 0x3D)
            self._talk.piece(coded // 4 * 3 - padding)
        elif kind == b"ma":
            self._marks.append(json.loads(data[start:end])["mark"]["name"])
            self._at(self._talk.heard_at(), self._mark_heard)
        else:
            self._talk.cleared()
            while self._marks:
                self._return_mark()

    def _mark_heard(self, due: float) -> float | None:
        if self._marks:
            self._return_mark()
        return None

    def _return_mark(self) -> None:
        self.sequence += 1
        self._say(
            {
                "event": "mark",
                "sequenceNumber": str(self.sequence),
                "streamSid": self._sid.decode(),
                "mark": {"name": self._marks.pop(0)},
            }
        )

    def _say(self, message: object) -> None:
        self.write(frame(json.dumps(message, separators=(",", ":")).encode(), client=True))


class Microphone:
    """Sends a frame every 20 ms on absolute deadlines. Lives as long as its call."""

    __slots__ = ("_board", "_payloads", "_peer", "_talk", "sent")

    def __init__(self, peer: CallerPeer, talk: Talk, board: Board) -> None:
        self._peer = peer
        self._talk = talk
        self._board = board
        self._payloads = caller_payloads()
        self.sent = 0

    def fire(self, due: float) -> float | None:
        """Send the next frame; return when the one behind it is due."""
        if not self._peer.open or not self._peer.speaking:
            return None
        number = self.sent
        self._talk.sent_at[number % SENT_KEPT] = monotonic()
        self._peer.send_audio(number + 1, self._payloads[number % len(self._payloads)])
        self.sent = number + 1
        self._board.frames_down += 1
        return due + FRAME_S
