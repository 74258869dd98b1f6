"""Twilio's side of the stream, byte for byte."""

from dataclasses import dataclass, field

import pytest

from gateway.simulator.forms import Identity
from gateway.simulator.microphone import SILENCE
from gateway.simulator.transmitter import Transmitter

SID = "MZ" + "f" * 32
ACCOUNT, CALL = "AC" + "0" * 32, "CA" + "1" * 32


@dataclass
class Paper:
    """A wire that keeps what is written."""

    congested: bool = False
    lines: list[str] = field(default_factory=list)

    def send(self, text: bytes) -> None:
        """Keep a message."""
        self.lines.append(text.decode("ascii"))


@pytest.fixture
def paper() -> Paper:
    """Return an empty sheet."""
    return Paper()


@pytest.fixture
def transmitter(paper: Paper) -> Transmitter:
    """Return a transmitter that writes on it."""
    return Transmitter(paper, Identity(ACCOUNT, CALL, "+1", "+2"), SID)


def test_messages_are_twilios_to_the_byte(transmitter: Transmitter, paper: Paper) -> None:
    """Key order, numbers as strings, one sequence for all kinds, no space anywhere."""
    transmitter.start({})
    assert transmitter.frame(SILENCE[0])
    transmitter.mark("m")
    transmitter.key("1")
    transmitter.stop()

    timestamp = paper.lines[2].split('"timestamp":"')[1].split('"')[0]
    assert paper.lines == [
        '{"event":"connected","protocol":"Call","version":"1.0.0"}',
        f'{{"event":"start","sequenceNumber":"1","start":{{"accountSid":"{ACCOUNT}","streamSid":"{SID}",'
        f'"callSid":"{CALL}","tracks":["inbound"],"mediaFormat":{{"encoding":"audio/x-mulaw",'
        f'"sampleRate":8000,"channels":1}},"customParameters":{{}}}},"streamSid":"{SID}"}}',
        f'{{"event":"media","sequenceNumber":"2","media":{{"track":"inbound","chunk":"1",'
        f'"timestamp":"{timestamp}","payload":"{SILENCE[0].decode()}"}},"streamSid":"{SID}"}}',
        f'{{"event":"mark","sequenceNumber":"3","streamSid":"{SID}","mark":{{"name":"m"}}}}',
        f'{{"event":"dtmf","streamSid":"{SID}","sequenceNumber":"4",'
        '"dtmf":{"track":"inbound_track","digit":"1"}}',
        f'{{"event":"stop","sequenceNumber":"5","streamSid":"{SID}",'
        f'"stop":{{"accountSid":"{ACCOUNT}","callSid":"{CALL}"}}}}',
    ]


def test_a_frame_has_the_size_of_a_real_one(transmitter: Transmitter, paper: Paper) -> None:
    """374 to 388 bytes were seen for the whole message."""
    for _ in range(100):
        transmitter.frame(SILENCE[0])

    assert 370 <= len(paper.lines[0]) <= len(paper.lines[-1]) <= 390


def test_streams_start_at_different_times(paper: Paper) -> None:
    """The first timestamp is the stream's own, from 102 to 171 ms."""
    firsts = set()
    for number in range(10):
        Transmitter(paper, Identity(ACCOUNT, CALL, "+1", "+2"), f"MZ{number:032x}").frame(SILENCE[0])
        firsts.add(int(paper.lines[-1].split('"timestamp":"')[1].split('"')[0]))

    assert len(firsts) > 1
    assert all(102 <= first <= 171 for first in firsts)


def test_a_dropped_frame_is_counted_and_not_numbered(transmitter: Transmitter, paper: Paper) -> None:
    """The next one has the next number and a later time."""
    transmitter.frame(SILENCE[0])
    paper.congested = True
    assert not transmitter.frame(SILENCE[0])
    paper.congested = False
    transmitter.frame(SILENCE[0])

    assert (transmitter.frames, transmitter.dropped_frames) == (2, 1)
    assert '"sequenceNumber":"2","media":{"track":"inbound","chunk":"2"' in paper.lines[-1]
