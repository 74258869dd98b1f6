"""What a call is made of: its options, where its TwiML comes from, what all calls of a process share."""

import ssl
from dataclasses import dataclass, field
from typing import Literal

from gateway.simulator import events, twiml
from gateway.simulator.pacer import Pacer
from gateway.simulator.progress import CallbackOptions
from gateway.simulator.webhook import Webhooks


@dataclass(frozen=True, slots=True)
class CallOptions:
    """How a call behaves beyond its caller.

    Attributes:
        keep_audio: record both sides; off for load.
        max_seconds: Twilio's TimeLimit.
        duplicate_webhook: deliver the voice webhook twice with one token; the first answer counts.
        reset_after_s: drop the media socket with a TCP reset, without ``stop``, that long after ``start``.
        close_code: sent after ``stop``; None is an empty close frame, which servers see as 1005.
        say_s: how long a <Say> or <Play> lasts.
        ring_s: how long an outbound call rings.
        dial_status: how the other party of a <Dial> is reached, as its ``action`` is told.
        unanswered: what becomes of an outbound call then, if it is not answered.
        answered_by: what machine detection, where it is asked for, hears in an outbound call; empty: nothing.
        detected_by: where that is told; None: nowhere.
        callbacks: the call's status callbacks.
    """

    keep_audio: bool = True
    max_seconds: float = 600.0
    duplicate_webhook: bool = False
    reset_after_s: float | None = None
    close_code: int | None = None
    say_s: float = 1.0
    ring_s: float = 0.0
    dial_status: Literal["completed", "busy", "no-answer", "failed", "canceled"] = "completed"
    unanswered: Literal["busy", "no_answer", "unreachable"] | None = None
    answered_by: str = ""
    detected_by: str | None = None
    callbacks: CallbackOptions = field(default_factory=CallbackOptions)


@dataclass(frozen=True, slots=True)
class Fetch:
    """TwiML that a webhook holds.

    Attributes:
        outcome: what the verb before it came to, told beside the usual fields.
    """

    url: str
    method: twiml.Method = "POST"
    outcome: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Inline:
    """TwiML that came with the REST request."""

    text: str


Source = Fetch | Inline


@dataclass(frozen=True, slots=True)
class Exchange:
    """What all calls of a simulator share. Lives as long as the simulator."""

    webhooks: Webhooks
    pacer: Pacer
    auth_token: str
    watch: events.Watcher = events.ignore
    tls: ssl.SSLContext | None = None
