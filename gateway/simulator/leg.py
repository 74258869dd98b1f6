"""The <Connect><Stream> verb: open the socket, carry audio until something ends it, close as Twilio does."""

import asyncio
import secrets
from collections.abc import Callable
from typing import Final

from gateway.simulator import codes, events
from gateway.simulator.codes import Fault
from gateway.simulator.forms import Identity
from gateway.simulator.handset import Handset
from gateway.simulator.options import CallOptions, Exchange
from gateway.simulator.progress import Progress
from gateway.simulator.record import StreamRecord
from gateway.simulator.stream import CallerStream, StreamOver
from gateway.simulator.twiml import Stream
from gateway.simulator.wire import MediaWire, connect

_CLOSE_TIMEOUT_S: Final = 2.0


class StreamLeg:
    """Runs one stream of a call. Lives as long as the verb.

    Attributes:
        was_reset: the connection was dropped on purpose (``CallOptions.reset_after_s``).
    """

    def __init__(
        self,
        exchange: Exchange,
        identity: Identity,
        handset: Handset,
        options: CallOptions,
        progress: Progress,
    ) -> None:
        self.was_reset = False
        self._exchange = exchange
        self._identity = identity
        self._handset = handset
        self._options = options
        self._progress = progress

    async def run(
        self,
        noun: Stream,
        ended: asyncio.Event,
        *,
        on_begin: Callable[[float], None],
        on_over: Callable[[StreamOver], None],
    ) -> StreamRecord | Fault:
        """Carry a stream until ``ended`` is set.

        Args:
            on_begin: told the loop's time when ``start`` was sent.
            on_over: called when the caller hangs up or the socket ends; it should set ``ended``.

        Returns:
            What happened, or why there was no stream.
        """
        stream_sid = f"MZ{secrets.token_hex(16)}"
        clock = asyncio.get_running_loop().time
        stream = CallerStream(
            self._identity,
            stream_sid,
            self._handset,
            clock=clock,
            on_over=on_over,
            keep_audio=self._options.keep_audio,
            watch=self._exchange.watch,
        )
        wire = await self._open(noun, stream)
        if isinstance(wire, Fault):
            self._progress.stream(noun, stream_sid, "stream-error", str(wire))
            return wire
        stream.begin(wire, noun.parameters)
        on_begin(clock())
        self._progress.stream(noun, stream_sid, "stream-started")
        await self._carry(stream, wire, ended)
        self._progress.stream(noun, stream_sid, "stream-stopped")
        return stream.record()

    async def _open(self, noun: Stream, stream: CallerStream) -> MediaWire | Fault:
        if noun.track != "inbound_track":
            return Fault(codes.INVALID_TRACK)
        return await connect(noun.url, self._exchange.auth_token, stream, tls=self._exchange.tls)

    async def _carry(self, stream: CallerStream, wire: MediaWire, ended: asyncio.Event) -> None:
        self._watch("streaming")
        self._exchange.pacer.join(stream)
        try:
            await self._until(ended)
        finally:
            self._exchange.pacer.leave(stream)
            if self.was_reset:
                stream.cut_off()
                wire.reset()
            stream.stop()
            await wire.close(self._options.close_code, _CLOSE_TIMEOUT_S)
        self._watch("stream_over")

    async def _until(self, ended: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(self._options.reset_after_s):
                await ended.wait()
        except TimeoutError:
            self.was_reset = True

    def _watch(self, state: events.State) -> None:
        self._exchange.watch(events.StateChanged(self._identity.call_sid, state))
