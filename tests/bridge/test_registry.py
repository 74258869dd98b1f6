"""Who may come in, once, and how everybody leaves."""

import asyncio
from dataclasses import replace
from typing import cast

import pytest

from gateway.bridge.actions import Timers
from gateway.bridge.departures import Departed
from gateway.bridge.registry import Registry, Reservation
from gateway.bridge.session import CallSession
from gateway.records import CallEnded, CallInfo, DtmfRule, Ending, Happening, Reason, Result, StreamLost
from gateway.vatel import messages as vatel
from tests.bridge.stage import CALL, Stage
from tests.virtual_time import on_virtual_time

NOW = 100.0
LOST = Ending(Result.FAILED, Reason.CALLER_LOST, "close_1006")
LEFT = Ending(Result.COMPLETED, Reason.CALLER_HUNG_UP)


def call(number: int = 1) -> CallInfo:
    """Return a call of that number."""
    return replace(CALL, call_sid=f"CA{number:032x}", call_id=f"c-{number}")


def reserve(registry: Registry, number: int = 1, now: float = NOW) -> Reservation:
    """Return the place held for a call that is welcome."""
    answer = registry.reserve(call(number), now)
    assert isinstance(answer, Reservation)
    return answer


def claim(registry: Registry, held: Reservation, now: float = NOW) -> Reservation | None:
    """Show a token for the call it was made for."""
    return registry.claim(held.token, held.call.call_sid, held.call.account_sid, now)


class Hosted:
    """A stand-in for a live call: leaves when told to."""

    def __init__(self, info: CallInfo) -> None:
        self.call = info
        self.gone = asyncio.Event()
        self.leave = asyncio.Event()
        self.told: list[object] = []
        self.stubborn = 0
        self.scribe = Stage().session.scribe

    def post(self, event: object) -> None:
        """Be told to leave; a stubborn call has to be told more often."""
        self.told.append(event)
        if len(self.told) > self.stubborn:
            self.leave.set()

    async def run(self) -> Ending:
        """Live until told to leave."""
        await self.leave.wait()
        return LOST


class House:
    """A registry with live calls in it."""

    def __init__(self, registry: Registry, count: int) -> None:
        self.now = asyncio.get_running_loop().time
        self.registry = registry
        self.calls = [Hosted(call(n)) for n in range(count)]

    async def __aenter__(self) -> "House":
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self.registry.host(cast(CallSession, hosted), 0)) for hosted in self.calls
        ]
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *error: object) -> None:
        for hosted in self.calls:
            hosted.leave.set()
        for task in self._tasks:
            await task


async def test_token_is_good_once() -> None:
    """A token opens one stream; shown again it opens nothing."""
    registry = Registry(max_active=5)
    held = reserve(registry)

    assert claim(registry, held) == held
    assert claim(registry, held) is None
    assert registry.reserved == 0


async def test_fifty_claims_at_once() -> None:
    """Of fifty streams that show the same token at the same time one is let in."""
    registry = Registry(max_active=5)
    held = reserve(registry)
    start = asyncio.Event()

    async def show() -> Reservation | None:
        await start.wait()
        return claim(registry, held)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(show()) for _ in range(50)]
        start.set()
    assert [task.result() for task in tasks].count(held) == 1
    assert [task.result() for task in tasks].count(None) == 49


async def test_token_is_long_and_secret() -> None:
    """A token has 32 random bytes, is URL-safe, and no two are alike."""
    registry = Registry(max_active=1_000)
    tokens = {reserve(registry, n).token for n in range(500)}

    assert len(tokens) == 500
    assert all(len(token) == 43 and token.replace("-", "").replace("_", "").isalnum() for token in tokens)


@pytest.mark.parametrize(("age_s", "good"), [(59.9, True), (60.0, False), (61.0, False)])
async def test_token_expires(age_s: float, good: bool) -> None:
    """A token is good for 60 s."""
    registry = Registry(max_active=5)
    held = reserve(registry)

    assert (claim(registry, held, NOW + age_s) is not None) is good
    assert registry.reserved == 0


@pytest.mark.parametrize(
    ("call_sid", "account_sid"),
    [(call(2).call_sid, CALL.account_sid), (call(1).call_sid, "AC" + "9" * 32), ("", "")],
)
async def test_token_of_another_call(call_sid: str, account_sid: str) -> None:
    """A token shown for another call or account opens nothing, and stays good for its own."""
    registry = Registry(max_active=5)
    held = reserve(registry)
    reserve(registry, 2)

    assert registry.claim(held.token, call_sid, account_sid, NOW) is None
    assert claim(registry, held) == held


@pytest.mark.parametrize("token", ["", "x", "\ud800", "A" * 43, "A" * 100_000])
async def test_token_made_up(token: str) -> None:
    """A token that was never given opens nothing, whatever it is made of."""
    registry = Registry(max_active=5)
    reserve(registry)

    assert registry.claim(token, call().call_sid, CALL.account_sid, NOW) is None


async def test_same_call_gets_the_same_token() -> None:
    """A repeated webhook gets the token it got before, and takes no second place."""
    registry = Registry(max_active=5)
    answers = [registry.reserve(replace(call(), call_id=f"c-{n}"), NOW + n) for n in range(50)]

    assert all(answer is answers[0] for answer in answers)
    assert registry.reserved == 1
    assert reserve(registry, 1, NOW + 61) is not answers[0]


async def test_admission_counts_the_awaited() -> None:
    """Reserved and live calls together never exceed the limit; a place given back is free."""
    registry = Registry(max_active=3)
    async with House(registry, 1) as house:
        held = [reserve(registry, n) for n in (11, 12)]
        assert registry.reserve(call(13), NOW) == "busy"
        assert (registry.live, registry.reserved) == (1, 2)

        registry.release(held[0].call.call_sid, LEFT)
        registry.release("CA" + "0" * 32, LEFT)
        reserve(registry, 13)
        assert registry.reserve(call(14), NOW + 59) == "busy"
        reserve(registry, 14, NOW + 61)
        house.calls[0].leave.set()
    assert registry.live == 0


@on_virtual_time
async def test_live_call_gets_no_second_stream() -> None:
    """While a call is live its webhook, repeated, opens nothing; found it is by its SID."""
    registry = Registry(max_active=5)
    async with House(registry, 1) as house:
        assert registry.reserve(house.calls[0].call, NOW) == "ended"
        assert registry.find(house.calls[0].call.call_sid) is cast(CallSession, house.calls[0])
        assert registry.find("CA" + "9" * 32) is None
    assert registry.find(house.calls[0].call.call_sid) is None
    assert house.calls[0].gone.is_set()


@on_virtual_time
async def test_call_that_is_over_stays_over() -> None:
    """The webhook of a call that has left opens nothing when replayed; its resume goes on with the story."""
    registry = Registry(max_active=5)
    async with House(registry, 1) as house:
        story = house.calls[0].scribe.conversation
        story.caller_said("", "Hello.", 0.0, final=True)
    info = house.calls[0].call

    assert registry.reserve(info, NOW) == "ended"
    assert registry.departures.find(info.call_sid) == Departed(info, LOST, "Caller: Hello.", 1)
    again = registry.reserve(info, NOW, resumes=True)
    assert isinstance(again, Reservation)
    assert again.before == ""
    resumed = claim(registry, again)
    assert resumed is not None
    assert (resumed.before, resumed.streams) == ("Caller: Hello.", 1)
    registry.departures.settle()


@on_virtual_time
async def test_resumed_call_keeps_what_may_be_dialled() -> None:
    """An agent whose rules change meanwhile has the new ones in its next calls."""
    registry = Registry(max_active=5)
    old, new = ({digits: DtmfRule("hangup", 2.0)} for digits in ("1", "2"))
    first = replace(call(), dtmf_rules=old)
    registry.departures.add(Departed(first, LOST, "Caller: Hello.", 1), lambda: None)
    again = registry.reserve(replace(first, dtmf_rules=new), NOW, resumes=True)
    assert isinstance(again, Reservation)
    resumed = claim(registry, again)
    registry.departures.settle()

    assert resumed is not None
    assert resumed.call == first


async def test_call_given_up_before_its_stream_stays_over() -> None:
    """A call that ended before its stream came is over: its webhook, replayed, opens nothing."""
    registry = Registry(max_active=5)
    held = reserve(registry)
    registry.release(held.call.call_sid, LEFT)

    assert claim(registry, held) is None
    assert registry.reserve(held.call, NOW) == "ended"
    assert registry.reserve(held.call, NOW, resumes=True) == "ended"
    assert registry.departures.find(held.call.call_sid) == Departed(held.call, LEFT, "", 1, over=True)


async def test_stream_that_never_came_counts_as_one() -> None:
    """A stream that failed before it showed its token counts: a call cannot go on asking for ever."""
    registry = Registry(max_active=5)
    held = reserve(registry)
    for streams in (1, 2):
        registry.release(held.call.call_sid, LOST)
        departed = registry.departures.find(held.call.call_sid)

        assert departed == Departed(held.call, LOST, "", streams)
        assert claim(registry, held) is None
        again = registry.reserve(held.call, NOW, resumes=True)
        assert isinstance(again, Reservation)
        assert again.token != held.token


async def test_resume_asked_twice() -> None:
    """A promise made in place of a broken stream is repeated for 5 s; a call's first promise never is."""
    registry = Registry(max_active=5)
    held = reserve(registry)
    assert registry.repeated(held.call.call_sid, NOW) is None

    registry.release(held.call.call_sid, LOST)
    assert registry.repeated(held.call.call_sid, NOW) is None
    again = registry.reserve(held.call, NOW, resumes=True)
    for age_s, promised in ((0.0, again), (4.9, again), (5.0, None)):
        assert registry.repeated(held.call.call_sid, NOW + age_s) is promised
    assert isinstance(again, Reservation)
    assert claim(registry, again) is not None
    assert registry.repeated(held.call.call_sid, NOW) is None


async def test_promise_is_not_repeated_once_expired() -> None:
    """A token that lives shorter than a webhook is repeated is not given again when it has expired."""
    registry = Registry(max_active=5, token_ttl_s=2.0)
    held = registry.reserve(call(), NOW, resumes=True)

    assert isinstance(held, Reservation)
    assert registry.repeated(held.call.call_sid, NOW + 1.9) is held
    assert registry.repeated(held.call.call_sid, NOW + 2.0) is None


class Hosting:
    """Real streams of one call, hosted one after the other, and what the journal says of it."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.loop = asyncio.get_running_loop()
        self.began = self.loop.time()
        self.ends: list[tuple[str, str, int]] = []

    async def stream(self, streams: int = 0, *, drops: bool = True) -> None:
        """Run a stream of a second that breaks, or that the caller ends."""
        stage = Stage(timers=Timers(), before="", streams=streams)
        stage.journal.append = self._note  # type: ignore[method-assign]
        running = self.loop.create_task(self.registry.host(stage.session, streams))
        await stage.talk(1.0)
        stage.phone.drop() if drops else stage.phone.hang_up()
        await running

    def promise(self) -> Reservation:
        """Reserve the next stream."""
        promised = self.registry.reserve(CALL, self.loop.time(), resumes=True)
        assert isinstance(promised, Reservation)
        return promised

    def _note(self, call: CallInfo, happening: Happening) -> None:
        if isinstance(happening, StreamLost | CallEnded):
            at_s = round(self.loop.time() - self.began)
            self.ends.append((type(happening).__name__, str(happening.ending.reason), at_s))


BROKE = ("StreamLost", "caller_lost", 1)


@on_virtual_time
async def test_broken_call_that_nobody_resumes() -> None:
    """A stream that broke is lost at once; its call ends half a minute later, once, as the stream did."""
    hosting = Hosting(Registry(max_active=5))
    await hosting.stream()
    assert hosting.ends == [BROKE]
    await asyncio.sleep(100)

    assert hosting.ends == [BROKE, ("CallEnded", "caller_lost", 31)]
    assert hosting.registry.reserve(CALL, hosting.loop.time(), resumes=True) == "ended"


@on_virtual_time
async def test_broken_call_that_is_resumed() -> None:
    """A call of two streams loses one and ends with the other, once."""
    hosting = Hosting(Registry(max_active=5))
    await hosting.stream()
    await asyncio.sleep(10)
    assert claim(hosting.registry, hosting.promise(), hosting.loop.time()) is not None
    await hosting.stream(1, drops=False)
    await asyncio.sleep(100)

    assert hosting.ends == [BROKE, ("CallEnded", "caller_hung_up", 12)]


@on_virtual_time
async def test_resumed_stream_that_never_comes() -> None:
    """The call is over when its token is; the token that comes too late finds nothing."""
    hosting = Hosting(Registry(max_active=5))
    await hosting.stream()
    await asyncio.sleep(10)
    promised = hosting.promise()
    await asyncio.sleep(59.9)
    assert hosting.ends == [BROKE]
    await asyncio.sleep(1)

    assert hosting.ends == [BROKE, ("CallEnded", "caller_lost", 71)]
    assert claim(hosting.registry, promised, hosting.loop.time()) is None


@on_virtual_time
@pytest.mark.parametrize("promised", [False, True])
async def test_final_status_ends_a_broken_call(promised: bool) -> None:
    """When Twilio says that the call is over it is, at once, whether another stream was promised or not."""
    hosting = Hosting(Registry(max_active=5))
    await hosting.stream()
    await asyncio.sleep(4)
    if promised:
        hosting.promise()
    for _ in range(2):
        hosting.registry.release(CALL.call_sid, LEFT)
    await asyncio.sleep(100)

    assert hosting.ends == [BROKE, ("CallEnded", "caller_lost", 5)]
    assert hosting.registry.reserved == 0


@on_virtual_time
async def test_exit_does_not_wait_for_a_broken_call() -> None:
    """A drain takes its grace, says the end of a call whose stream broke, and leaves nothing to come."""
    hosting = Hosting(Registry(max_active=5))
    await hosting.stream()
    await hosting.registry.drain(2.0, 900.0, 6.0, hosting.loop.time)
    assert hosting.ends == [BROKE, ("CallEnded", "caller_lost", 3)]
    await asyncio.sleep(100)

    assert len(hosting.ends) == 2


@on_virtual_time
async def test_cut_voids_what_a_broken_call_was_promised() -> None:
    """Who is in a hurry waits for no stream: the call is over, and its token good for nothing."""
    hosting = Hosting(Registry(max_active=5))
    await hosting.stream()
    promised = hosting.promise()
    await hosting.registry.cut(0.4, hosting.loop.time)

    assert hosting.ends == [BROKE, ("CallEnded", "caller_lost", 2)]
    assert claim(hosting.registry, promised, hosting.loop.time()) is None


@on_virtual_time
async def test_stream_cancelled_after_it_broke_ends_its_call() -> None:
    """A host that is cancelled while a broken stream is closed says the call's end: nobody else will."""
    hosting = Hosting(Registry(max_active=5))
    stage = Stage(timers=Timers())
    stage.journal.append = hosting._note  # type: ignore[method-assign]
    stage.phone.close = lambda code=1000, reason="": asyncio.sleep(60)  # type: ignore[method-assign]
    running = hosting.loop.create_task(hosting.registry.host(stage.session, 0))
    await stage.talk(1.0)
    stage.phone.drop()
    await asyncio.sleep(1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert hosting.ends == [("StreamLost", "caller_lost", 2), ("CallEnded", "caller_lost", 2)]


@on_virtual_time
async def test_session_that_is_cancelled_leaves_its_place() -> None:
    """A host that is cancelled gives the place back and remembers no ending."""
    registry = Registry(max_active=5)
    hosted = Hosted(call())
    task = asyncio.get_running_loop().create_task(registry.host(cast(CallSession, hosted), 0))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert registry.live == 0
    assert hosted.gone.is_set()
    assert registry.departures.find(call().call_sid) is None


@on_virtual_time
async def test_drain_of_an_empty_house() -> None:
    """With nobody in, a drain takes its grace and no longer: unready at once, closed after it."""
    registry = Registry(max_active=5)
    loop = asyncio.get_running_loop()
    drain = loop.create_task(registry.drain(5.0, 900.0, 6.0, loop.time))
    await asyncio.sleep(4.9)
    assert (registry.draining, registry.closed) == (True, False)
    reserve(registry, 1, loop.time())
    registry.release(call(1).call_sid, LEFT)
    await asyncio.sleep(0.2)

    assert registry.closed
    assert registry.reserve(call(2), loop.time()) == "draining"
    await drain


@on_virtual_time
async def test_drain_waits_for_live_calls() -> None:
    """Live calls go on until they end; none is told anything."""
    registry = Registry(max_active=5)
    async with House(registry, 3) as house:
        drain = asyncio.get_running_loop().create_task(registry.drain(1.0, 900.0, 6.0, house.now))
        await asyncio.sleep(600)
        assert not drain.done()
        for hosted in house.calls:
            hosted.leave.set()
        await asyncio.sleep(0.01)

        assert drain.done()
        assert [hosted.told for hosted in house.calls] == [[], [], []]


@on_virtual_time
async def test_drain_waits_for_awaited_calls_and_no_longer() -> None:
    """A stream that was promised may still come; one that never comes is waited for as long as its token."""
    registry = Registry(max_active=5)
    loop = asyncio.get_running_loop()
    reserve(registry, 1, loop.time())
    start = loop.time()
    await registry.drain(1.0, 900.0, 6.0, loop.time)

    assert loop.time() - start == pytest.approx(60, abs=1)
    assert registry.reserved == 0


@on_virtual_time
async def test_drain_says_goodbye_after_its_limit() -> None:
    """Calls that outlive the limit are told to leave, in time for their last words."""
    registry = Registry(max_active=5)
    async with House(registry, 2) as house:
        start = house.now()
        await registry.drain(1.0, 10.0, 6.0, house.now)

        assert house.now() - start == pytest.approx(11.0)
        assert [len(hosted.told) for hosted in house.calls] == [1, 1]


@on_virtual_time
async def test_cut_insists() -> None:
    """A call that does not leave when told is told again; then the process goes without it."""
    registry = Registry(max_active=5)
    async with House(registry, 2) as house:
        house.calls[0].stubborn, house.calls[1].stubborn = 1, 99
        start = house.now()
        await registry.cut(6.0, house.now)

        assert house.now() - start == pytest.approx(12.0)
        assert [len(hosted.told) for hosted in house.calls] == [2, 2]
        assert registry.live == 1


@on_virtual_time
async def test_call_that_hears_of_the_shutdown_says_goodbye() -> None:
    """A real call that is cut plays its goodbye and closes 1001; nothing is left of it."""
    stage = Stage(timers=Timers())
    registry = Registry(max_active=5)
    loop = asyncio.get_running_loop()
    hosting = loop.create_task(registry.host(stage.session, 0))
    await stage.talk(0.5)
    stage.agent.say(vatel.SpeechStarted())
    cutting = loop.create_task(registry.cut(6.0, loop.time))
    await stage.talk(3.0)
    await cutting

    assert (await hosting).reason is Reason.SHUTDOWN
    assert (stage.phone.closed, stage.agent.closed) == ([1001], [1000])
    assert stage.phone.heard_ms > 500
