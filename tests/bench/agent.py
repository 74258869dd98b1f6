"""A Vatel as cheap as Python can play it: session tokens, and sockets that follow a script and count."""

import json
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha1
from time import monotonic

from tests.bench.measures import Board
from tests.bench.mix import TURN_S, Mix, turn
from tests.bench.talk import SENT_KEPT, Talk
from tests.bench.wire import Peer, frame

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SMALLEST_AUDIO_BYTES = 100


class AgentPeer(Peer):
    """One connection of the gateway to Vatel: an HTTP client's, or an agent session's.

    Args:
        board: where measurements go.
        skip: pushes into a fresh resampler that give nothing yet: so many caller frames stay unanswered.
        arrived: called when a session is open.
    """

    masked = True

    def __init__(self, board: Board, skip: int, arrived: Callable[["AgentPeer"], None]) -> None:
        super().__init__()
        self._board = board
        self._skip = skip
        self._arrived = arrived
        self.talk: Talk | None = None
        self.heard = 0

    def http(self, head: bytes, size: int) -> None:
        fields = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head.decode().split("\r\n")[1:])
        }
        if fields.get("upgrade", "").lower() == "websocket":
            self.taken(size)
            self._upgrade(fields["sec-websocket-key"])
            return
        length = int(fields.get("content-length", "0"))
        if self.received < size + length:
            return
        self.taken(size + length)
        body = json.dumps({"token": "t" * 200}).encode()
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (len(body), body)
        )

    def _upgrade(self, key: str) -> None:
        accept = b64encode(sha1((key + _GUID).encode(), usedforsecurity=False).digest()).decode()
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept.encode()
        )
        self.open = True
        self.transport.write(frame(b'{"type":"session_started","data":{"id":"s"}}'))
        self._arrived(self)

    def text_frame(self, data: bytearray, start: int, end: int) -> None:
        if end - start < _SMALLEST_AUDIO_BYTES or self.talk is None:
            return
        now = monotonic()
        board = self._board
        board.frames_up += 1
        board.uplink.add(now - self.talk.sent_at[(self.heard + self._skip) % SENT_KEPT])
        self.heard += 1


class Script:
    """The agent's part of one call, line by line. Lives as long as its call."""

    __slots__ = ("_at", "_begin", "_board", "_mix", "_number", "_peer", "_talk", "_turn")

    def __init__(self, mix: Mix, peer: AgentPeer, talk: Talk, board: Board, first_turn: int) -> None:
        self._mix: Mix = mix
        self._peer = peer
        self._talk = talk
        self._board = board
        self._number = first_turn
        self._at = 0
        self._begin = 0.0
        self._turn = turn(mix, first_turn)

    def fire(self, due: float) -> float | None:
        """Say the next line; return when the one behind it is due."""
        if self._peer.fd < 0:
            return None
        line = self._turn.lines[self._at]
        self._begin = self._begin or due
        if line.kind == "first_audio":
            self._talk.turn_begins(self._turn.cut, paused=self._mix == "half")
        elif line.kind == "interruption":
            self._talk.cut_at = monotonic()
        if line.kind in ("first_audio", "audio"):
            self._board.chunks += 1
        self._peer.write(line.data)
        self._at += 1
        if self._at == len(self._turn.lines):
            self._at = 0
            self._number += 1
            self._begin += TURN_S
            self._turn = turn(self._mix, self._number)
        return self._begin + self._turn.lines[self._at].at_s
