"""Our text frames, read back by websockets' own server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

from gateway.vatel.masking import Masker


def read(*frames: bytes) -> list[Frame]:
    """Return what a server makes of frames."""
    server = Protocol(Side.SERVER, max_size=None)
    server.receive_data(b"".join(frames))
    assert server.parser_exc is None
    return [event for event in server.events_received() if isinstance(event, Frame)]


@pytest.mark.parametrize("size", [0, 1, 3, 125, 126, 127, 1_328, 65_535, 65_536, 70_001])
def test_frame_of_every_length_field_is_read_back(size: int) -> None:
    """Each form of the length, and both sides of its borders, gives one final text frame."""
    payload = bytes(i % 251 for i in range(size))

    (frame,) = read(Masker().frame(payload))

    assert (frame.opcode, frame.fin, bytes(frame.data)) == (Opcode.TEXT, True, payload)


@given(payloads=st.lists(st.binary(max_size=300), max_size=8))
def test_frames_in_a_row_are_read_back_in_order(payloads: list[bytes]) -> None:
    """Frames written one after the other arrive whole and in order."""
    masker = Masker()

    frames = read(*(masker.frame(payload) for payload in payloads))

    assert [bytes(frame.data) for frame in frames] == payloads


def test_frame_equals_what_websockets_would_write() -> None:
    """But for its key, the frame is the library's own."""
    ours = Masker(lambda count: b"\xaa\xbb\xcc\xdd" * (count // 4)).frame(b"hello")
    library = Frame(Opcode.TEXT, b"hello").serialize(mask=True)

    assert ours[:2] == library[:2]
    assert ours[2:6] == b"\xaa\xbb\xcc\xdd"
    assert len(ours) == len(library)


def test_keys_are_drawn_in_batches_and_used_once() -> None:
    """Every 4 bytes of entropy mask one frame, in order, and none is used again."""
    drawn: list[int] = []

    def entropy(count: int) -> bytes:
        drawn.append(count)
        start = sum(drawn[:-1]) // 4
        return b"".join((start + i).to_bytes(4, "big") for i in range(count // 4))

    masker = Masker(entropy)

    keys = [int.from_bytes(masker.frame(b"x")[2:6], "big") for _ in range(600)]

    assert keys == list(range(600))
    assert drawn == [1024, 1024, 1024]


def test_two_connections_do_not_share_keys() -> None:
    """Real entropy: two maskers write the same payload differently."""
    assert Masker().frame(b"same payload") != Masker().frame(b"same payload")
