"""Hostile input at every door of a gateway that has a call to look after meanwhile."""

import asyncio
import io
import struct
from base64 import b64encode
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import aiohttp
import pytest

from gateway.records import Ending, Reason, Result, StateChanged
from gateway.sandbox import wire
from gateway.sandbox.scripted import Echo
from gateway.simulator import tone
from gateway.simulator.caller import SilentCaller, ToneCaller
from gateway.simulator.report import CallReport
from gateway.twilio.signature import sign
from tests.e2e.acts import Act, Acts, InTurn, end, send_raw, send_text, speak
from tests.e2e.acts import tone as tone_of
from tests.e2e.forger import Answer, Forged, Forger, at_once, form_of, new_sid
from tests.e2e.running import DISTURBED_S, felt, run
from tests.e2e.town import ACCOUNT_SID, AUTH_TOKEN, Plan, StreamEnd, Town, heard_turn, town

WITNESS_S: Final = 6.0
WITNESS_HZ: Final = 1_004.0
MANY: Final = 50
MEGABYTE: Final = 1_048_576
SILENCE_20_MS: Final = b64encode(b"\xff" * 160).decode()
DEEP: Final = '{"deep":' + "[" * 60_000

Hostility = Callable[[Forged], Awaitable[None]]


def text(content: str | bytes) -> Hostility:
    """Send it in a text frame, whatever it is."""
    return lambda forged: forged.socket.send(content, text=True)


def raw(data: bytes) -> Hostility:
    """Send bytes that are no masked frame."""
    return lambda forged: forged.say_raw(data)


def media(payload: object, **more: object) -> Hostility:
    """Send audio that is none."""
    frame = {"track": "inbound", "chunk": "1", "timestamp": "100", "payload": payload} | more
    return lambda forged: forged.say(event="media", media=frame)


# What a media socket may say in a call, and the reason under which it is counted.
COUNTED: Final[dict[str, tuple[Hostility, str]]] = {
    "truncated JSON": (text('{"event":"media","sequenceNumber":"4","media":{"pay'), "bad_json"),
    "no JSON": (text("hello"), "bad_json"),
    "nothing": (text(""), "bad_json"),
    "NaN": (text('{"event":"media","sequenceNumber":NaN}'), "bad_json"),
    "Infinity": (text('{"event":"media","sequenceNumber":Infinity}'), "bad_json"),
    "no object": (text("[1,2,3]"), "bad_type"),
    "wrong types": (media(7), "bad_type"),
    "huge number": (media(SILENCE_20_MS, chunk="9" * 400), "bad_number"),
    "huge integer": (text('{"event":' + "9" * 5_000 + "}"), "bad_type"),
    "deep nesting": (text(DEEP), "too_deep"),
    "bad base64": (media("?*!"), "bad_base64"),
    "base64 without its end": (media("AAA"), "bad_base64"),
    "no audio": (media(""), "empty_payload"),
    "unknown event": (text('{"event":"weather"}'), "unknown_event"),
    "no event": (text("{}"), "missing_field"),
    # aiohttp's reader takes it: masks protect proxies from browsers, and neither is here.
    "unmasked frame": (raw(wire.text_frame(b"{}")), "missing_field"),
    "half a surrogate": (text('{"event":"\\ud800"}'), "bad_json"),
}
# What ends the socket at once, with the close code and the detail of the call's ending.
FATAL: Final[dict[str, tuple[Hostility, int, Reason, str]]] = {
    "binary frame": (
        lambda forged: forged.socket.send(b"\x00" * 160),
        1003,
        Reason.CALLER_LOST,
        "close_1003",
    ),
    "1 MB frame": (text("a" * MEGABYTE), 1009, Reason.CALLER_LOST, "close_1009"),
    "1 GB announced": (
        raw(b"\x81\xff" + struct.pack("!Q", 1 << 30) + b"mask"),
        1009,
        Reason.CALLER_LOST,
        "close_1009",
    ),
    "invalid UTF-8": (text(b'{"event":"\xff\xfe"}'), 1007, Reason.CALLER_LOST, "close_1007"),
    "reserved opcode": (raw(b"\x83\x80mask"), 1002, Reason.CALLER_LOST, "close_1002"),
    "ping flood": (raw(b"\x89\x80mask" * 101), 1008, Reason.CALLER_LOST, "close_1008"),
    "start twice": (
        lambda forged: _again(forged),
        1008,
        Reason.CALLER_PROTOCOL,
        "start_twice",
    ),
    "connected twice": (text('{"event":"connected"}'), 1008, Reason.CALLER_PROTOCOL, "connected_twice"),
    "fifty bad messages": (lambda forged: _many(forged), 1008, Reason.CALLER_PROTOCOL, "too_many_errors"),
}
# The first words on a media socket that is not a call yet, and why it is turned away.
FIRST_WORDS: Final[dict[str, tuple[Hostility, str]]] = {
    "media": (media(SILENCE_20_MS), "before_connected"),
    "start": (text('{"event":"start"}'), "missing_field"),
    "truncated JSON": (text('{"event":"conn'), "bad_json"),
    "deep nesting": (text(DEEP), "too_deep"),
}
# What an agent may say, and the reason under which that is counted.
AGENT_SAYS: Final[dict[str, tuple[bytes, str]]] = {
    "truncated JSON": (b'{"type":"response_audio","data":{"turn_id":', "bad_json"),
    "NaN": (b'{"type":"response_audio","data":NaN}', "bad_json"),
    "no object": (b"[]", "wrong_type"),
    "wrong types": (b'{"type":"response_audio","data":{"turn_id":7,"audio":[]}}', "wrong_type"),
    "bad base64": (
        b'{"type":"response_audio","data":{"turn_id":"t","audio":"?*!","is_final":false}}',
        "bad_base64",
    ),
    "huge integer": (b'{"type":' + b"9" * 5_000 + b"}", "bad_number"),
    "deep nesting": (DEEP.encode(), "too_deep"),
    "no type": (b"{}", "missing_field"),
    "a tool call of nobody": (
        b'{"type":"tool_call","data":{"toolName":"x","arguments":[]}}',
        "missing_field",
    ),
}


async def _again(forged: Forged) -> None:
    await forged.say_start(new_sid("CA"), None)


async def _many(forged: Forged) -> None:
    for _ in range(50):
        await forged.socket.send("{")


class Siege:
    """All attacks on one town. Lives as long as the town."""

    def __init__(self, place: Town, forger: Forger) -> None:
        self._place = place
        self._forger = forger

    async def survivable(self) -> StreamEnd:
        """Say in one call everything that is only counted; the call goes on and ends as it should."""
        call_sid, forged = await self._forger.call()
        for hostility, _ in COUNTED.values():
            await hostility(forged)
        # What no parser refuses, but no call should hear.
        stranger = Forged(forged.socket, new_sid("MZ"), forged.sequence)
        await media(SILENCE_20_MS)(stranger)
        await forged.hang_up()
        return await self._place.chronicle.ended(call_sid)

    async def fatal(self, hostility: Hostility) -> tuple[int, StreamEnd]:
        """Make a call and end it by something that no socket survives."""
        call_sid, forged = await self._forger.call()
        await hostility(forged)
        code = await forged.closed()
        return code, await self._place.chronicle.ended(call_sid)

    async def turned_away(self, hostility: Hostility, reason: str) -> tuple[int, int]:
        """Begin with the wrong words; return the close code and how often the reason was counted more."""
        before = self._place.gateway.phone.refused.get(reason, 0)
        forged = await self._forger.dial()
        await hostility(forged)
        code = await forged.closed()
        return code, self._place.gateway.phone.refused[reason] - before

    async def webhooks(self) -> dict[str, Answer]:
        """Forge the voice webhook in every way of security.md 1-6 that reaches this door."""
        forger, fields = self._forger, form_of(new_sid("CA"))
        good = forger.signature(fields)
        post = forger.post
        stranger = form_of(new_sid("CA"), "AC" + "f" * 32)
        evil = sign(AUTH_TOKEN, "https://evil.example/twilio/voice", fields)
        glued = [("AccountSid", ACCOUNT_SID), ("CallSid" + fields[0][1], ""), *fields[2:]]
        return {
            "unsigned": await post(fields),
            "empty signature": await post(fields, signature=""),
            "made up": await post(fields, signature="bm90aGluZw=="),
            "another token's": await post(
                fields, signature=sign("guess", forger.url("/twilio/voice"), fields)
            ),
            "another path's": await post(fields, signature=forger.signature(fields, "/twilio/status")),
            "another body's": await post([*fields[:-1], ("CallStatus", "busy")], signature=good),
            "one parameter more": await post([*fields, ("Digits", "1")], signature=good),
            "one parameter twice": await post([*fields, fields[0]], signature=good),
            "an empty name": await post([*fields, ("", "")], signature=good),
            "glued": await post(glued, signature=good),
            "in the query": await post(fields[:-1], path="/twilio/voice?CallStatus=ringing", signature=good),
            "another account's": await post(stranger, signature=forger.signature(stranger)),
            "another host's": await post(fields, signature=evil, headers={"Host": "evil.example"}),
            "a proxy's": await post(
                fields,
                signature=evil,
                headers={"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"},
            ),
            "signature of 8 kB": await post(fields, signature="A" * 7_000),
        }

    async def upgrades(self) -> dict[str, int]:
        """Forge the handshake of the media socket."""
        forger = self._forger
        return {
            "unsigned": await forger.refused(""),
            "made up": await forger.refused("bm90aGluZw=="),
            "another token's": await forger.refused(sign("guess", forger.socket_url, [])),
            "another path's": await forger.refused(sign(AUTH_TOKEN, forger.socket_url + "/x", [])),
            "with a query": await forger.refused(sign(AUTH_TOKEN, forger.socket_url + "?a=b", [])),
        }

    async def claims(self) -> dict[str, list[int]]:
        """Show stream tokens that are none, or somebody else's, or were shown before."""
        forger, call_sid, other_sid = self._forger, new_sid("CA"), new_sid("CA")
        token, other = await forger.ring(call_sid), await forger.ring(other_sid)
        closed = {
            "absent": [await self._shown(call_sid, None)],
            "empty": [await self._shown(call_sid, "")],
            "made up": [await self._shown(call_sid, "A" * 43)],
            "another call's": [await self._shown(call_sid, other)],
            "another account's": [await self._shown(call_sid, token, "AC" + "f" * 32)],
            "of a finished call": [await self._shown(new_sid("CA"), token)],
        }
        sockets = await at_once(MANY, forger, call_sid, token)
        async with asyncio.TaskGroup() as tasks:
            ends = {tasks.create_task(socket.closed()): socket for socket in sockets}
            pending = set(ends)
            while len(pending) > 1:
                _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            closed["many at once"] = [end.result() for end in ends if end not in pending]
            closed["shown before"] = [await self._shown(call_sid, token)]
            await ends[pending.pop()].hang_up()
        await self._place.chronicle.ended(call_sid)
        return closed

    async def replay(self) -> Answer:
        """Deliver a genuine webhook again while its call lives."""
        call_sid, forged = await self._forger.call()
        await self._place.chronicle.until(lambda: bool(self._place.chronicle.of(call_sid, StateChanged)))
        fields = form_of(call_sid)
        answer = await self._forger.post(fields, signature=self._forger.signature(fields))
        await forged.hang_up()
        await self._place.chronicle.ended(call_sid)
        return answer

    async def silent(self) -> int:
        """Open a socket and say nothing at all."""
        return await (await self._forger.dial()).closed()

    async def agents(self) -> list[StreamEnd]:
        """Call an agent that is hostile, in each of its ways at the same time."""
        async with asyncio.TaskGroup() as tasks:
            calls = [tasks.create_task(self._place.call(SilentCaller())) for _ in range(len(AGENT_SAYS) + 1)]
        return [await self._place.chronicle.ended(call.result().call_sid) for call in calls]

    async def _shown(self, call_sid: str, token: str | None, account_sid: str = ACCOUNT_SID) -> int:
        forged = await (await self._forger.dial()).start(call_sid, token, account_sid)
        return await forged.closed()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the gateway made of it all.

    Attributes:
        witness: the call that went on meanwhile.
        gaps_ms: what was missing in it, but for what this process's own standing still explains.
        outlasted: whether it still went on when the siege was over.
        agents: endings of the calls to a hostile agent.
        sessions: agent sessions opened by what should have been refused.
        left_live: calls live when the siege was over, the witness among them.
    """

    witness: CallReport
    gaps_ms: list[float]
    outlasted: bool
    agents: list[StreamEnd]
    survivable: StreamEnd
    fatal: dict[str, tuple[int, StreamEnd]]
    turned_away: dict[str, tuple[int, int]]
    webhooks: dict[str, Answer]
    upgrades: dict[str, int]
    claims: dict[str, list[int]]
    replay: Answer
    silent: int
    refused: dict[str, int]
    sessions: int
    left_live: int


async def lay_siege() -> Evidence:
    """Attack at every door while a tone goes through the gateway and back."""
    plan = Plan(hostile_agent(), settings={"calls.start_timeout_s": 1.0})
    async with (
        town(plan) as place,
        aiohttp.ClientSession() as http,
        felt() as pulse,
        asyncio.TaskGroup() as tasks,
    ):
        witness = tasks.create_task(place.call(ToneCaller(WITNESS_HZ, WITNESS_S)))
        await place.chronicle.talking()
        siege = Siege(place, Forger(place.url, http))
        agents = await siege.agents()
        sessions = len(place.sandbox.records)
        webhooks, upgrades = await siege.webhooks(), await siege.upgrades()
        turned_away = {name: await siege.turned_away(*words) for name, words in FIRST_WORDS.items()}
        silent = await siege.silent()
        sessions = len(place.sandbox.records) - sessions
        survivable = await siege.survivable()
        fatal = {name: await siege.fatal(attack[0]) for name, attack in FATAL.items()}
        claims, replay = await siege.claims(), await siege.replay()
        left_live = place.gateway.registry.live
        outlasted = not witness.done()
        report = await witness
        explained_ms = pulse.worst_late_s * 1_000 if pulse.worst_late_s >= DISTURBED_S else 0.0
        gaps_ms = [gap for gap in report.streams[0].gaps_ms if gap > explained_ms]
        refused = dict(place.gateway.phone.refused)
    return Evidence(
        report,
        gaps_ms,
        outlasted,
        agents,
        survivable,
        fatal,
        turned_away,
        webhooks,
        upgrades,
        claims,
        replay,
        silent,
        refused,
        sessions,
        left_live,
    )


def hostile_agent() -> InTurn:
    """Return an agent that echoes for the witness, and then has one hostile session after the other."""

    def session(act: Act) -> Acts:
        return Acts(((0.0, act), (0.1, speak("t", tone_of(500.0, 0.3))), (0.2, end())))

    hostile = [session(send_text(payload)) for payload, _ in AGENT_SAYS.values()]
    return InTurn(Echo(), *hostile, session(send_raw(wire.binary_frame(bytes(256)))), Echo())


@pytest.fixture(scope="module")
def siege() -> Evidence:
    """The siege, once for all tests."""
    return run(lay_siege())


@pytest.mark.timeout(60)
def test_the_other_call_notices_nothing(siege: Evidence) -> None:
    """A tone that goes on while all this happens comes back without a gap, a click or a frame lost."""
    heard = tone.match(heard_turn(siege.witness, 0), WITNESS_HZ)

    assert siege.outlasted
    assert siege.gaps_ms == []
    assert heard is not None
    assert heard.samples == pytest.approx(WITNESS_S * 8_000, abs=160)
    assert (heard.holes, heard.clicks, heard.phase_jumps) == (0, 0, 0)
    assert siege.witness.streams[0].frames_dropped == 0


def test_bad_messages_are_counted_by_reason_and_go_by(siege: Evidence) -> None:
    """Whatever a media socket says in a call has a reason; the call goes on, and ends as it should."""
    counted = siege.survivable.counters
    expected = Counter(reason for _, reason in COUNTED.values())

    assert {name: counted[f"caller_bad_messages.{name}"] for name in expected} == expected
    assert counted["caller_bad_messages"] == len(COUNTED)
    assert counted["caller_ignored"] == 1  # media of another stream
    assert siege.survivable.ending == Ending(Result.COMPLETED, Reason.CALLER_HUNG_UP)


@pytest.mark.parametrize("name", FATAL)
def test_breach_of_the_protocol_ends_its_own_call(siege: Evidence, name: str) -> None:
    """What no socket survives closes it with the right code, and the call's ending names it."""
    _, code, reason, detail = FATAL[name]
    closed_with, ended = siege.fatal[name]

    assert closed_with == code
    assert ended.ending == Ending(Result.FAILED, reason, detail)


@pytest.mark.parametrize("name", FIRST_WORDS)
def test_wrong_first_words_are_turned_away(siege: Evidence, name: str) -> None:
    """A socket that does not begin as Twilio's do is closed with 1008, its reason counted once."""
    assert siege.turned_away[name] == (1008, 1)


def test_socket_without_a_word_is_turned_away(siege: Evidence) -> None:
    """A socket that never starts is closed when its time is up."""
    assert siege.silent == 1008
    assert siege.refused["no_start"] == 1


def test_forged_webhooks_are_refused(siege: Evidence) -> None:
    """No forgery of the voice webhook gets TwiML, or a single byte of an explanation."""
    assert {name: answer for name, answer in siege.webhooks.items() if answer != Answer(403, "")} == {}
    assert siege.refused["bad_signature"] >= 11
    assert (siege.refused["repeated_parameter"], siege.refused["empty_name"]) == (1, 1)
    assert (siege.refused["bad_call_sid"], siege.refused["wrong_account"]) == (1, 1)


def test_forged_upgrades_are_refused_before_the_upgrade(siege: Evidence) -> None:
    """A media handshake without Twilio's signature over the public URL gets a 403 and no socket."""
    assert set(siege.upgrades.values()) == {403}, siege.upgrades


def test_bad_tokens_are_turned_away(siege: Evidence) -> None:
    """A stream token that is absent, made up, another call's or used gets 1008."""
    assert {name for name, codes in siege.claims.items() if set(codes) != {1008}} == set()


def test_token_is_claimed_once_by_many(siege: Evidence) -> None:
    """Of fifty sockets that show one good token at the same time, one is taken."""
    assert len(siege.claims["many at once"]) == MANY - 1


def test_replayed_webhook_opens_no_second_stream(siege: Evidence) -> None:
    """A captured genuine webhook of a call that lives gets TwiML that opens nothing."""
    assert siege.replay.status == 200
    assert "Connect" not in siege.replay.body
    assert "<Hangup" in siege.replay.body


def test_nothing_is_allocated_for_what_is_refused(siege: Evidence) -> None:
    """No refused webhook, upgrade or socket reached the agent, and only the witness is live at the end."""
    assert siege.sessions == 0
    assert siege.left_live == 1


def test_what_a_hostile_agent_says_is_counted_by_reason(siege: Evidence) -> None:
    """Junk from the agent has a reason too, and its calls end as the agent ends them."""
    counted: Counter[str] = Counter()
    for ended in siege.agents:
        counted.update(
            {name: int(n) for name, n in ended.counters.items() if name.startswith("bad_messages.")}
        )
    expected = Counter(f"bad_messages.{reason}" for _, reason in AGENT_SAYS.values())

    assert counted == expected + Counter({"bad_messages.binary": 1})
    assert {str(ended.ending) for ended in siege.agents} == {"completed/agent_ended"}
    assert {ended.counters["agent_turns"] for ended in siege.agents} == {1}


def test_no_secret_and_no_number_is_logged(siege: Evidence, logged: io.StringIO) -> None:
    """What the gateway logged of the siege names reasons, and neither secrets nor callers."""
    lines = logged.getvalue()

    assert "bad_signature" in lines
    assert [secret for secret in (AUTH_TOKEN, "5005550006", "sandbox-") if secret in lines] == []
