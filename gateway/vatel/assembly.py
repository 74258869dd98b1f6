"""WebSocket frames into whole text messages."""

from websockets.frames import Frame, Opcode


class Assembly:
    """Puts fragments together. Lives as long as one connection; its size is bounded by the frame parser.

    Attributes:
        binary_frames: binary messages skipped; the agent's contract has none.
    """

    def __init__(self) -> None:
        self._fragments: bytearray | None = None
        self.binary_frames = 0

    def push(self, frame: Frame) -> bytes | bytearray | memoryview | None:
        """Take a frame; return the payload of the text message it completes, if it does."""
        if frame.opcode is Opcode.TEXT:
            if frame.fin:
                return frame.data
            self._fragments = bytearray(frame.data)
        elif frame.opcode is Opcode.CONT:
            return self._continue(frame)
        elif frame.opcode is Opcode.BINARY:
            self.binary_frames += 1
        return None

    def _continue(self, frame: Frame) -> bytearray | None:
        # No fragments: they continue a binary message.
        if self._fragments is None:
            return None
        self._fragments += frame.data
        if not frame.fin:
            return None
        whole, self._fragments = self._fragments, None
        return whole
