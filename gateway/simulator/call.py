"""One call on Twilio's side: webhook, TwiML verb by verb, the media stream, and what ends it.

Three things can break into a verb that runs: the caller hangs up, the REST API completes the call, the REST
API gives it other TwiML. Each only leaves a note and wakes the call; the call's one task decides.
"""

import asyncio
from datetime import UTC, datetime
from typing import Final

from gateway.simulator import events, twiml
from gateway.simulator.caller import Caller, ToneCaller
from gateway.simulator.codes import Fault
from gateway.simulator.forms import CallStatus, Identity, voice
from gateway.simulator.handset import Handset
from gateway.simulator.leg import StreamLeg
from gateway.simulator.options import CallOptions, Exchange, Fetch, Inline, Source
from gateway.simulator.progress import Progress
from gateway.simulator.record import CallNotes, CallRecord, Ending
from gateway.simulator.stream import StreamOver
from gateway.simulator.webhook import new_token

_MAX_DOCUMENTS: Final = 50  # a Redirect to itself would run for ever
_FINAL_STATUS: Final[dict[Ending, CallStatus]] = {
    "rejected": "busy",
    "rest_canceled": "canceled",
    "webhook_failed": "failed",
    "busy": "busy",
    "no_answer": "no-answer",
    "unreachable": "failed",
}


class Call:
    """One call. Lives from its creation to the last status callback."""

    def __init__(
        self, exchange: Exchange, identity: Identity, caller: Caller, source: Source, options: CallOptions
    ) -> None:
        self.identity = identity
        self.status: CallStatus = "ringing" if identity.direction == "inbound" else "queued"
        self.duration_s = 0.0
        self.created_at = datetime.now(UTC)
        self.answered_by: str | None = None
        self._exchange = exchange
        self._options = options
        self._source = source
        self._tone = (caller.hz, caller.samples) if isinstance(caller, ToneCaller) else None
        self._handset = Handset(
            caller, identity.call_sid, keep_audio=options.keep_audio, watch=exchange.watch
        )
        self._wake = asyncio.Event()
        self._ending: Ending | None = None
        self._replacement: Source | None = None
        self._clock = asyncio.get_running_loop().time
        self._notes = CallNotes()
        self._answered_s: float | None = None

    def end(self, ending: Ending) -> None:
        """End the call; the first reason given stays."""
        if self._ending is None:
            self._ending = ending
            self._wake.set()

    def redirect(self, source: Source) -> None:
        """Replace the TwiML that runs."""
        self._replacement = source
        self._wake.set()

    async def run(self) -> CallRecord:
        """Make the call and wait until its last callback is delivered."""
        async with asyncio.TaskGroup() as tasks:
            self._progress = Progress(
                self._exchange.webhooks,
                self.identity,
                self._options.callbacks,
                tasks,
                self._notes.faults.append,
            )
            limit = asyncio.get_running_loop().call_later(self._options.max_seconds, self.end, "time_limit")
            ending = await self._ring() or await self._converse()
            limit.cancel()
            self._finish(ending)
        return self._notes.freeze(
            self.identity.call_sid, ending, self.duration_s, tuple(self._handset.missed), self._tone
        )

    async def _ring(self) -> Ending | None:
        self._exchange.watch(events.StateChanged(self.identity.call_sid, "ringing"))
        if self.identity.direction == "inbound":
            return None
        for status in ("initiated", "ringing"):
            self._become(status)
        options = self._options
        await self._sleep(options.ring_s)
        if options.unanswered is not None:
            self.end(options.unanswered)
        if self._ending is None:
            self._answer()
            if options.detected_by is not None and options.answered_by:
                self.answered_by = options.answered_by
                self._progress.machine(options.detected_by, options.answered_by)  # the call goes on meanwhile
        return self._ending

    async def _converse(self) -> Ending:
        source = self._source
        for _ in range(_MAX_DOCUMENTS):
            document = await self._read(source)
            if isinstance(document, Fault):
                self._notes.faults.append(document)
                return self._ending or "webhook_failed"
            outcome = None if self._wake.is_set() else await self._play(document)
            if self._ending is not None:
                return self._ending
            if self._replacement is not None:
                source, self._replacement = self._replacement, None
                self._wake.clear()
            elif isinstance(outcome, Fetch | Inline):
                source = outcome
            else:
                return outcome or "twiml_exhausted"
        return "webhook_failed"

    async def _read(self, source: Source) -> twiml.Document | Fault:
        if isinstance(source, Inline):
            return twiml.parse(source.text, "")
        form, token = [*voice(self.identity, self.status), *source.outcome], new_token()
        twice = self._notes.asked(self._clock()) and self._options.duplicate_webhook
        answers = [
            await self._exchange.webhooks.fetch_twiml(source.method, source.url, form, token)
            for _ in range(2 if twice else 1)
        ]
        answer = answers[0]
        if isinstance(answer, Fault):
            return answer
        self._notes.told(self._clock())
        return twiml.parse(answer.body, source.url)

    async def _play(self, document: twiml.Document) -> Source | Ending | None:
        for verb in document:
            self._notes.verbs.append(type(verb).__name__)
            outcome = await self._run_verb(verb)
            if outcome is not None or self._wake.is_set():
                return outcome
        return None

    async def _run_verb(self, verb: twiml.Verb) -> Source | Ending | None:
        match verb:
            case twiml.Redirect():
                return Fetch(verb.url, verb.method)
            case twiml.Reject():
                return "rejected" if self._answered_s is None else "twiml_hangup"
            case twiml.Hangup():
                return "twiml_hangup"
            case twiml.Pause():
                await self._sleep(verb.length_s)
            case twiml.Say() | twiml.Play():
                self._answer()
                await self._sleep(self._options.say_s)
            case twiml.Connect():
                self._answer()
                await self._connect(verb.stream)
                return Fetch(verb.action, verb.method) if verb.action else None
            case twiml.Dial():
                self._answer()
                outcome = (("DialCallStatus", self._options.dial_status),)
                return Fetch(verb.action, verb.method, outcome) if verb.action else None
        return None

    async def _connect(self, noun: twiml.Stream) -> None:
        leg = StreamLeg(self._exchange, self.identity, self._handset, self._options, self._progress)
        outcome = await leg.run(noun, self._wake, on_begin=self._notes.streamed, on_over=self._stream_over)
        if isinstance(outcome, Fault):
            self._notes.faults.append(outcome)
            return
        self._notes.streams.append(outcome)
        if leg.was_reset:
            self.end("stream_reset")
        if self._ending is None and self._replacement is None:
            self._wake.clear()

    def _stream_over(self, over: StreamOver) -> None:
        if over.hung_up:
            self.end("caller_hung_up")
        self._wake.set()

    def _answer(self) -> None:
        if self._answered_s is None:
            self._answered_s = self._clock()
            self._become("in-progress")

    def _become(self, status: CallStatus) -> None:
        self.status = status
        self._progress.call(status)

    def _finish(self, ending: Ending) -> None:
        self.duration_s = self._clock() - self._answered_s if self._answered_s is not None else 0.0
        self.status = _FINAL_STATUS.get(ending, "completed")
        self._progress.call(self.status, round(self.duration_s))
        self._exchange.watch(events.StateChanged(self.identity.call_sid, "ended"))

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return
