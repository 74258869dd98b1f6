"""What each part of the two audio chains costs, alone: `python -m tests.bench parts`.

Uplink parts run once per caller frame (20 ms, 50 times a call-second). Downlink parts run once per
`response_audio` of 100 ms (10 times a second while the agent speaks) or per piece sent. The last column is
what a part comes to in one call-second of mix `full`. Everything is as warm as it gets: among hundreds of
calls each finds its data out of cache. The event loop is not in.
"""

import os
import socket
import timeit
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
from websockets.client import ClientProtocol
from websockets.protocol import State
from websockets.uri import parse_uri

from gateway.audio import pcm, ulaw
from gateway.audio.level import LevelMeter
from gateway.audio.playout import Playout
from gateway.audio.resample import Kind, make_resampler
from gateway.bridge.media import Downlink, Uplink
from gateway.twilio.messages import Media, Start, dump_twilio
from gateway.twilio.protocol import MediaStream
from gateway.vatel.messages import dump_input_audio
from gateway.vatel.protocol import AgentSession
from tests.bench.mix import caller_payloads, turn
from tests.bench.resamplers import KINDS

_ROUNDS = 2_000
_REPEATS = 7
_SID = "MZ" + "0123456789abcdef" * 2
_FRAMES, _CHUNKS = 50, 10


@dataclass(frozen=True, slots=True)
class Part:
    """A part: what runs, and how often in one call-second of mix `full`."""

    name: str
    per_second: int
    run: Callable[[], object]

    def cost_us(self) -> float:
        """Measure one run: the best of seven batches."""
        return min(timeit.repeat(self.run, number=_ROUNDS, repeat=_REPEATS)) / _ROUNDS * 1e6


def _started() -> MediaStream:
    stream = MediaStream()
    stream.receive('{"event":"connected","protocol":"Call","version":"1.0.0"}')
    stream.receive(dump_twilio(Start(_SID, "CA" + _SID[2:], "AC" + _SID[2:])))
    return stream


def _media_texts() -> Iterator[str]:
    for number in count(1):
        payload = caller_payloads()[number % 50]
        yield (
            f'{{"event":"media","sequenceNumber":"{number + 1}","media":{{"track":"inbound",'
            f'"chunk":"{number}","timestamp":"{80 + 20 * number}","payload":"{payload.decode()}"}},'
            f'"streamSid":"{_SID}"}}'
        )


def _receive() -> Callable[[], object]:
    stream = _started()
    texts = _media_texts()
    ready = iter([next(texts) for _ in range(_ROUNDS * _REPEATS)])
    return lambda: stream.receive(next(ready))


def _speech_texts() -> list[str]:
    lines = (line for line in turn("full", 0).lines if line.kind == "audio")
    return [line.data[line.data.index(b"{") :].decode() for line in lines]


def _client() -> ClientProtocol:
    protocol = ClientProtocol(parse_uri("ws://127.0.0.1/"))
    protocol.state = State.OPEN
    return protocol


def _masked(text: str) -> Callable[[], object]:
    protocol = _client()

    def run() -> object:
        protocol.send_text(text.encode())
        return protocol.data_to_send()

    return run


def _sent(size: int) -> Callable[[], object]:
    """Return a send of so many bytes over loopback TCP, and the receive that empties it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    data, buffer = os.urandom(size), bytearray(1 << 16)

    def run() -> None:
        near.send(data)
        far.recv_into(buffer)

    return run


def _playout() -> Callable[[], object]:
    playout, piece, ticks = Playout(), bytes(800), count(1)

    def run() -> None:
        now = next(ticks) / 10
        playout.push("turn", piece, now)
        playout.pop_due(now)
        playout.next_deadline()

    return run


def _downlink(kind: Kind) -> Callable[[], object]:
    downlink, ticks = Downlink(make_resampler(kind, 24_000, 8_000), Playout()), count(1)
    session, stream, texts = AgentSession(), _started(), _speech_texts()

    def run() -> None:
        tick = next(ticks)
        message = session.receive(texts[tick % 20])
        downlink.push("turn", message.audio, tick / 10, final=False)  # type: ignore[union-attr]
        for item in downlink.pop_due(tick / 10):
            stream.play(item)  # type: ignore[arg-type]
        downlink.next_deadline()

    return run


def _uplink(kind: Kind) -> Callable[[], object]:
    uplink, session = Uplink(make_resampler(kind, 8_000, 24_000)), AgentSession()
    receive = _receive()

    def run() -> None:
        message = receive()
        assert isinstance(message, Media)
        session.audio(uplink.push(message.payload))

    return run


def _resample(kind: Kind, from_hz: int, to_hz: int, samples: int) -> Callable[[], object]:
    resampler = make_resampler(kind, from_hz, to_hz)
    wave = (8_000 * np.sin(np.arange(samples) / 5)).astype(np.int16)
    return lambda: resampler.push(wave)


def parts() -> list[Part]:
    """Return all parts, uplink first."""
    coded, speech = ulaw.encode((8_000 * np.sin(np.arange(160) / 5)).astype(np.int16)), bytes(4_800)
    narrow, wide, meter = ulaw.decode(coded), np.zeros(480, np.int16), LevelMeter()
    talk, answer, session = dump_input_audio(bytes(960)), b64encode(bytes(800)), AgentSession()
    texts, stream, ticks, aligner = _speech_texts(), _started(), count(), pcm.ByteAligner()
    eighth = np.zeros(800, np.int16)
    listed = [
        Part("up    media message → frame", _FRAMES, _receive()),
        Part("up    µ-law → int16", _FRAMES, lambda: ulaw.decode(coded)),
        Part("up    level meter", _FRAMES, lambda: meter.push(narrow)),
        *(Part(f"up    resample {kind}", _FRAMES, _resample(kind, 8_000, 24_000, 160)) for kind in KINDS),
        Part("up    int16 → bytes", _FRAMES, lambda: pcm.to_bytes(wide)),
        Part("up    base64, input_audio", _FRAMES, lambda: session.audio(bytes(960))),
        Part("up    websockets frame, masked", _FRAMES, _masked(talk)),
        Part("up    socket, 1.3 kB there and back", _FRAMES, _sent(1_330)),
        *(Part(f"up    whole without sockets, {kind}", _FRAMES, _uplink(kind)) for kind in KINDS),
        Part("down  response_audio → PCM", _CHUNKS, lambda: session.receive(texts[next(ticks) % 20])),
        Part("down  aligner", _CHUNKS, lambda: aligner.push(speech)),
        *(Part(f"down  resample {kind}", _CHUNKS, _resample(kind, 24_000, 8_000, 2_400)) for kind in KINDS),
        Part("down  level meter", _CHUNKS, lambda: meter.push(eighth)),
        Part("down  int16 → µ-law", _CHUNKS, lambda: ulaw.encode(eighth)),
        Part("down  playout", _CHUNKS, _playout()),
        Part("down  base64, media", _CHUNKS, lambda: stream.play(speech[:800])),
        Part("down  socket, 1.2 kB there and back", _CHUNKS, _sent(len(answer) + 90)),
        *(Part(f"down  whole without sockets, {kind}", _CHUNKS, _downlink(kind)) for kind in KINDS),
    ]
    return listed


def table() -> str:
    """Measure all parts and return them as text."""
    lines = ["part                                       µs each   a second   µs per call-s"]
    for part in parts():
        cost_us = part.cost_us()
        lines.append(f"{part.name:42}{cost_us:8.2f}{part.per_second:11}{cost_us * part.per_second:16.0f}")
    return "\n".join(lines)
