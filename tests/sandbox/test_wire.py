import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from gateway.sandbox import wire


def read(data: bytes) -> Frame:
    """Parse one frame as a strict client does."""
    client = ClientProtocol(parse_uri("ws://sandbox/"), state=OPEN, max_size=None)
    client.receive_data(data)
    (frame,) = client.events_received()
    assert isinstance(frame, Frame)
    return frame


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 200_000])
def test_text_of_any_length_is_one_whole_frame(size: int) -> None:
    """Each of the three length forms reads back, at both of its ends."""
    payload = b"x" * size
    frame = read(wire.text_frame(payload))
    assert (frame.opcode, frame.fin, frame.data) == (Opcode.TEXT, True, payload)


def test_bare_close_is_a_close_without_a_code() -> None:
    """A strict client takes it, and finds neither code nor reason."""
    client = ClientProtocol(parse_uri("ws://sandbox/"), state=OPEN)
    client.receive_data(wire.BARE_CLOSE)
    assert client.close_rcvd is not None
    assert (client.close_rcvd.code, client.close_rcvd.reason) == (1005, "")


def test_binary_frame_is_binary() -> None:
    """A binary frame carries its bytes as they are."""
    frame = read(wire.binary_frame(b"\x00\xff"))
    assert (frame.opcode, frame.data) == (Opcode.BINARY, b"\x00\xff")
