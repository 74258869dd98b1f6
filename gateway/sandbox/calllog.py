"""A session's traces in the database: its call as it grows, its recording when it is over."""

import json
from datetime import UTC, datetime

from gateway.audio import wav
from gateway.sandbox.callsheet import CallSheet, Reason, Subject
from gateway.sandbox.documents import Document
from gateway.sandbox.stage import RATE_HZ
from gateway.sandbox.stamps import Calendar
from gateway.sandbox.store import Store, Tables
from gateway.sandbox.tape import Shelf, Tape
from gateway.vatel.messages import Interruption, ResponseAudio, ServerMessage


class CallLog:
    """Writes down one session. Lives as long as it.

    Args:
        now: the loop's clock.
        shelf: room for the recording, shared with other sessions.
    """

    def __init__(self, store: Store, subject: Subject, now: float, shelf: Shelf | None = None) -> None:
        self._store = store
        self._subject = subject
        self._tape = Tape(now, shelf)
        self.sheet = CallSheet(subject, Calendar(datetime.now(UTC), now), now, self._keep)

    def _keep(self, document: Document) -> None:
        body, subject = json.dumps(document), self._subject
        self._store.note(
            lambda tables: tables.put_text("call", subject.call_id, body, subject.organization_id)
        )

    def sent(self, message: ServerMessage, now: float) -> None:
        """Take note of what the agent did."""
        if isinstance(message, ResponseAudio):
            self._tape.agent(message.audio, now)
        elif isinstance(message, Interruption):
            self._tape.interrupted(now)
        self.sheet.sent(message, now)

    def heard(self, audio: bytes, now: float) -> None:
        """Take in the caller's audio."""
        self._tape.caller(audio, now)

    def ended(self, reason: Reason, now: float) -> None:
        """Keep the recording, then close the call: whatever happens, one that has ended has its recording."""
        tape, call_id = self._tape, self._subject.call_id
        tape.release()

        def record(tables: Tables) -> None:
            caller, agent = tape.tracks(now)
            if len(caller) or len(agent):
                tables.put_recording(call_id, wav.stereo(caller, agent, RATE_HZ))

        self._store.note(record)
        self.sheet.ended(reason, now)


def close_left_over(tables: Tables, at: str) -> None:
    """End the calls that a sandbox left open when it was killed."""
    for organization in tables.of("organization"):
        for call in tables.of("call", organization["id"]):
            if call["status"] != "ended":
                ending = {"status": "ended", "termination_reason": "server_stopped", "ended_at": at}
                tables.put("call", call | ending, organization["id"])
