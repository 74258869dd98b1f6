"""Status callbacks of a call and its streams: separate requests, without order, now and then twice.

Real ones come in any order (https://www.twilio.com/docs/voice/api/call-resource#statuscallback); the options
make the bad cases certain instead of rare.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Literal

from gateway.simulator import forms
from gateway.simulator.codes import Fault
from gateway.simulator.forms import CallStatus, Form, Identity
from gateway.simulator.twiml import Method, Stream
from gateway.simulator.webhook import Webhooks, new_token


@dataclass(frozen=True, slots=True)
class CallbackOptions:
    """Where callbacks go and what goes wrong on the way.

    Attributes:
        url: for the call's own; None: no callbacks.
        events: initiated, ringing, answered, completed.
        twice: deliver each twice with the same idempotency token.
        order: ``reversed`` holds them back until the call is over, then sends the last first; ``shuffled``
            sends them in an order that ``seed`` decides then.
        dropped: statuses that never arrive.
    """

    url: str | None = None
    method: Method = "POST"
    events: tuple[str, ...] = ("completed",)
    twice: bool = False
    order: Literal["sent", "reversed", "shuffled"] = "sent"
    seed: int = 0
    dropped: frozenset[str] = frozenset()


class Progress:
    """Delivers one call's callbacks. Lives as long as its call.

    Args:
        tasks: the call's; it waits for the last delivery.
        on_fault: told what Twilio's debugger would show.
    """

    def __init__(
        self,
        webhooks: Webhooks,
        identity: Identity,
        options: CallbackOptions,
        tasks: asyncio.TaskGroup,
        on_fault: Callable[[Fault], None],
    ) -> None:
        self._webhooks = webhooks
        self._identity = identity
        self._options = options
        self._tasks = tasks
        self._on_fault = on_fault
        self._sequence = 0
        self._held: list[Form] = []

    def call(self, status: CallStatus, duration_s: int | None = None) -> None:
        """Tell the call's new status, if somebody asked for it."""
        options = self._options
        if options.url is None or not forms.wants(options.events, status):
            return
        form = forms.progress(
            self._identity, status, sequence=self._sequence, at=datetime.now(UTC), duration_s=duration_s
        )
        self._sequence += 1
        if status not in options.dropped:
            self._held.append(form)
        if options.order == "sent" or status in forms.FINAL:
            self._release(options.url)

    def stream(self, noun: Stream, stream_sid: str, event: forms.StreamEvent, error: str = "") -> None:
        """Tell what became of a stream, if its TwiML asked for it."""
        if noun.status_callback is not None:
            form = forms.stream(
                self._identity, stream_sid, event, at=datetime.now(UTC), name=noun.name, error=error
            )
            self._tasks.create_task(self._deliver(noun.status_method, noun.status_callback, form))

    def machine(self, url: str, answered_by: str) -> None:
        """Tell what machine detection heard."""
        form = forms.detection(self._identity, answered_by)
        self._tasks.create_task(self._deliver("POST", url, form))

    def _release(self, url: str) -> None:
        held, self._held = self._held, []
        if self._options.order != "sent":
            held.reverse()
            if self._options.order == "shuffled":
                Random(self._options.seed).shuffle(held)
            self._tasks.create_task(self._deliver_in_turn(url, held))
            return
        for form in held:
            self._tasks.create_task(self._deliver(self._options.method, url, form))

    async def _deliver_in_turn(self, url: str, held: list[Form]) -> None:
        for form in held:
            await self._deliver(self._options.method, url, form)

    async def _deliver(self, method: Method, url: str, form: Form) -> None:
        token = new_token()
        for _ in range(2 if self._options.twice else 1):
            fault = await self._webhooks.notify(method, url, form, token)
            if fault is not None:
                self._on_fault(fault)
