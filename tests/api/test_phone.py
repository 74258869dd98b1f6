"""Twilio's webhooks over real HTTP: who is believed, what TwiML they get, and what a call may do again."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest

from gateway.api.phone import PhoneConfig, transfer_twiml
from gateway.bridge import events as on
from gateway.errors import StorageError
from gateway.journal import Watcher
from gateway.records import CallEnded, CallInfo, Ending, Reason, Result, StreamLost
from gateway.tools.controls import CallControls
from gateway.tools.question import ToolOutcome
from gateway.vatel import messages as vatel
from tests.bridge.stage import CALL, FINE
from tests.front_door import (
    PUBLIC_URL,
    FrontDoor,
    Tree,
    Unlisted,
    call_sid,
    form,
    front_door,
    sign,
    tree,
    verb,
)

HOOKS = [
    "/twilio/voice",
    "/twilio/status",
    "/twilio/stream-status",
    "/twilio/resume",
    "/twilio/transferred",
    "/twilio/amd",
]
HANG_UP = [verb("Hangup")]
BUSY = [verb("Reject", {"reason": "busy"})]


def connect_to(token: str) -> list[Tree]:
    """Return the verbs that open a media stream."""
    parameter = verb("Parameter", {"name": "token", "value": token})
    stream = {
        "url": "wss://voice.example.com/twilio/media",
        "statusCallback": "https://voice.example.com/twilio/stream-status",
    }
    redirect = verb("Redirect", {"method": "POST"}, "https://voice.example.com/twilio/resume")
    return [verb("Connect", {}, "", verb("Stream", stream, "", parameter)), redirect]


def test_socket_url_follows_the_public_one() -> None:
    """The media socket is where the public URL is; a loopback one is not encrypted."""
    assert PhoneConfig(PUBLIC_URL, None, None).socket_url == "wss://voice.example.com/twilio/media"
    local = PhoneConfig("http://127.0.0.1:8080", None, None)
    assert local.socket_url == "ws://127.0.0.1:8080/twilio/media"


async def test_ringing_call_is_connected() -> None:
    """A signed webhook gets TwiML, never chunked, that opens a stream and says where to go on after it."""
    async with front_door() as door:
        answer = await door.post("/twilio/voice", form())

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/xml; charset=utf-8"
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    assert answer.verbs == connect_to(answer.token)
    assert len(answer.token) == 43
    assert door.phone.refused == {}


async def test_fifty_webhooks_for_one_call() -> None:
    """The same webhook fifty times at once holds one place and gets the same TwiML fifty times."""
    async with front_door() as door, asyncio.TaskGroup() as group:
        tasks = [group.create_task(door.post("/twilio/voice", form())) for _ in range(50)]

    assert len({task.result().body for task in tasks}) == 1
    assert door.registry.reserved == 1


async def test_hostile_caller_cannot_write_twiml() -> None:
    """What stands in caller name and number does not reach the TwiML."""
    async with front_door() as door:
        evil = '"/><Dial>+19005550100</Dial>'
        answer = await door.post("/twilio/voice", form(From=evil, CallerName=evil))

    assert answer.verbs == connect_to(answer.token)


@pytest.mark.parametrize("path", HOOKS)
@pytest.mark.parametrize(
    "signature",
    [
        "",
        "nonsense",
        "é",
        "x" * 8_000,
        sign("/elsewhere", form()),
        sign("/twilio/voice", form(2)),
        sign("/twilio/voice", form(), token="54321"),
        sign("/twilio/voice", form(), url="http://voice.example.com"),
        sign("/twilio/voice", {}),
    ],
    ids=["none", "nonsense", "not ASCII", "long", "path", "body", "token", "scheme", "no body"],
)
async def test_bad_signature(path: str, signature: str) -> None:
    """What Twilio did not sign, for this very URL and body, gets an empty 403 and leaves nothing behind."""
    async with front_door() as door:
        answer = await door.post(path, form(), signature=signature, headers={"X-Other": "1"})

    assert (answer.status, answer.body) == (403, "")
    assert door.phone.refused == {"bad_signature": 1}
    assert door.registry.reserved == 0


@pytest.mark.parametrize(
    "fields",
    [
        [*form().items(), ("Extra", "1")],
        [*form().items(), ("CallSid", call_sid(2))],
        list(form().items())[1:],
        [("CallSid" + call_sid() + "From", ""), *list(form().items())[1:]],
    ],
    ids=["extra", "second value", "missing", "glued"],
)
async def test_signature_of_another_form(fields: list[tuple[str, str]]) -> None:
    """A form that was changed on the way is refused."""
    async with front_door() as door:
        answer = await door.post("/twilio/voice", fields, signature=sign("/twilio/voice", form()))

    assert (answer.status, answer.body, door.registry.reserved) == (403, "", 0)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ([*form().items(), ("From", form()["From"])], "repeated_parameter"),
        ([*form().items(), ("", "")], "empty_name"),
    ],
)
async def test_forms_the_signature_cannot_tell_apart(fields: list[tuple[str, str]], reason: str) -> None:
    """Forms that share a genuine form's signature, but that Twilio never sends, are refused by name."""
    async with front_door() as door:
        answer = await door.post("/twilio/voice", fields, signature=sign("/twilio/voice", form()))

    assert (answer.status, door.phone.refused) == (403, {reason: 1})


async def test_order_of_the_form_is_free() -> None:
    """Twilio sorts before it signs: another order is the same form."""
    async with front_door() as door:
        answer = await door.post("/twilio/voice", list(reversed(form().items())))

    assert answer.status == 200


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (form(CallSid=""), "bad_call_sid"),
        (form(CallSid="CA123"), "bad_call_sid"),
        (form(CallSid="../" + call_sid()), "bad_call_sid"),
        (form(AccountSid="x"), "bad_account_sid"),
        (form(AccountSid="AC" + "3" * 32), "wrong_account"),
    ],
)
async def test_signed_nonsense(fields: dict[str, str], reason: str) -> None:
    """Even a signed form needs a well-formed call of our own account."""
    async with front_door() as door:
        answer = await door.post("/twilio/voice", fields)

    assert (answer.status, door.phone.refused) == (403, {reason: 1})


@pytest.mark.parametrize("query", ["?a=1", "?bodySHA256=" + "0" * 64, "?" + urlencode(form())])
async def test_query_that_was_not_signed(query: str) -> None:
    """A query added on the way, parameters moved into it, or a hash beside a form is refused."""
    async with front_door() as door:
        unsigned = await door.post("/twilio/voice" + query, form(), signature=sign("/twilio/voice", form()))
        hashed = await door.post("/twilio/voice?bodySHA256=" + "0" * 64, form())

    assert (unsigned.status, hashed.status, door.registry.reserved) == (403, 403, 0)


@pytest.mark.parametrize(
    "body",
    ['{"CallSid":"x"}', "CallSid", "a=1&b", "%ff=%fe&x", "\0", "&".join(f"a{n}=1" for n in range(300))],
    ids=["JSON", "no value", "half a pair", "not UTF-8", "NUL", "too many"],
)
async def test_body_that_is_no_form(body: str) -> None:
    """A body that is no form, or one beyond all measure, is refused."""
    async with front_door() as door:
        answer = await door.post("/twilio/voice", form(), body=body)

    assert (answer.status, answer.body) == (403, "")


async def test_body_beyond_the_limit() -> None:
    """A body of more than 64 kB is not read."""
    async with front_door() as door:
        answer = await door.post("/twilio/voice", form(), body="a=" + "x" * 70_000)

    assert answer.status == 413


async def test_body_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that does not come in time is not waited for."""
    monkeypatch.setattr("gateway.api.signed_forms._BODY_TIMEOUT_S", 0.05)
    async with front_door() as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(b"POST /twilio/voice HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nCall")
        assert await reader.readline() == b"HTTP/1.1 408 Request Timeout\r\n"
        writer.close()

    assert door.phone.refused == {"slow_body": 1}


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example.com"},
        {"Host": "voice.example.com:99999"},
        {"Host": "user:pass@voice.example.com"},
        {"X-Forwarded-Host": "evil.example.com", "X-Forwarded-Proto": "https"},
        {"Forwarded": "host=evil.example.com;proto=https"},
    ],
    ids=["other", "port", "user", "forwarded", "forwarded by standard"],
)
async def test_host_header_has_no_say(headers: dict[str, str]) -> None:
    """A signature for the host somebody claims is refused; the one for the public URL is not."""
    host = next(iter(headers.values())).removeprefix("host=").partition(";")[0]
    async with front_door() as door:
        forged = sign("/twilio/voice", form(), url=f"https://{host}") if "99999" not in host else "x"
        assert (await door.post("/twilio/voice", form(), signature=forged, headers=headers)).status == 403
        answer = await door.post("/twilio/voice", form(), headers=headers)

    assert answer.verbs == connect_to(answer.token)


async def test_replay_while_the_call_lives_and_after() -> None:
    """A captured webhook opens no second session: hung up while the call is live, and when it is over."""
    async with front_door() as door:
        async with door.call() as line:
            assert (await door.post("/twilio/voice", form())).verbs == HANG_UP
            assert door.registry.live == 1
            await line.hang_up()
        await door.ended()
        assert (await door.post("/twilio/voice", form())).verbs == HANG_UP

    assert len(door.sessions) == 1
    assert door.phone.refused == {"ended": 2}


async def test_full_house_is_busy() -> None:
    """Beyond the limit a caller hears the busy tone, while the others are not disturbed."""
    async with front_door(max_active=1) as door:
        token = await door.dial(1)
        assert (await door.post("/twilio/voice", form(2))).verbs == BUSY
        async with door.stream(token) as line:
            assert (await door.post("/twilio/voice", form(2))).verbs == BUSY
            await line.hang_up()
        await door.ended()
        assert (await door.post("/twilio/voice", form(2))).verbs != BUSY

    assert door.phone.refused == {"busy": 2}


async def test_draining_house_takes_nobody_new() -> None:
    """Once closed new calls are refused in TwiML; a call that was promised a stream still gets it."""
    async with front_door() as door:
        token = await door.dial(1)
        door.registry.draining = door.registry.closed = True
        assert (await door.post("/twilio/voice", form(2))).verbs == BUSY
        async with door.stream(token) as line:
            await line.hang_up()
        assert await door.ended() == Ending(Result.COMPLETED, Reason.CALLER_HUNG_UP)

    assert door.phone.refused == {"draining": 1}


async def test_clean_end_is_hung_up() -> None:
    """After an end that somebody meant the redirect hangs up, waiting for a session about to end."""
    async with front_door() as door:
        async with door.call() as line:
            resumed = asyncio.get_running_loop().create_task(door.post("/twilio/resume", form()))
            await asyncio.sleep(0.05)
            assert not resumed.done()
            await line.hang_up()
        assert (await resumed).verbs == HANG_UP


async def _break_stream(door: FrontDoor, token: str) -> Ending:
    async with door.call(token=token) as line:
        line.socket.transport.abort()
        return await door.ended()


async def test_broken_stream_is_replaced_twice() -> None:
    """A broken stream gets a fresh one with a new token and the story so far; three streams are the most."""
    async with front_door() as door:
        tokens = [await door.dial()]
        for _ in range(2):
            ending = await _break_stream(door, tokens[-1])
            assert ending.reason is Reason.CALLER_LOST
            answer = await door.post("/twilio/resume", form())
            assert answer.verbs == connect_to(answer.token)
            tokens.append(answer.token)
        await _break_stream(door, tokens[-1])
        last = await door.post("/twilio/resume", form())

    assert [tag for tag, *_ in last.verbs] == ["Say", "Hangup"]
    assert len(set(tokens)) == 3
    assert door.hung_up == []
    assert len({session.call.call_id for session in door.sessions}) == 1


async def test_story_goes_on_after_a_broken_stream() -> None:
    """The session of the fresh stream knows what was said on the broken one."""
    async with front_door() as door:
        async with door.call() as line:
            door.agents[0].say(vatel.InputTranscript("A table for two.", None, True))
            await asyncio.sleep(0.05)
            line.socket.transport.abort()
            await door.ended()
        token = (await door.post("/twilio/resume", form())).token
        async with door.call(token=token) as line:
            assert door.sessions[1].scribe.conversation.so_far() == "Caller: A table for two."
            await line.hang_up()


async def test_stream_that_never_comes_is_not_asked_for_for_ever() -> None:
    """A stream whose handshake fails at Twilio is replaced like a broken one, and no more often."""
    answers = []
    async with front_door() as door:
        await door.dial()
        for _ in range(4):
            answers.append(await door.post("/twilio/resume", form()))
            door.skew_s[0] += 6.0

    tags = [[tag for tag, *_ in answer.verbs] for answer in answers]
    assert tags == [["Connect", "Redirect"]] * 2 + [["Say", "Hangup"]] * 2
    assert answers[0].token != answers[1].token
    assert door.registry.reserved == 0


@pytest.mark.parametrize("case", ["broken", "never came", "unknown"])
async def test_resume_delivered_twice(case: str) -> None:
    """A repeated resume gets the token that the first one got, and that token opens the stream."""
    async with front_door() as door:
        if case == "broken":
            await _break_stream(door, await door.dial())
        if case == "never came":
            await door.dial()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(door.post("/twilio/resume", form())) for _ in range(10)]
        door.skew_s[0] += 4.0
        last = await door.post("/twilio/resume", form())
        assert {task.result().body for task in tasks} == {last.body}
        assert door.registry.reserved == 1
        async with door.call(token=last.token) as line:
            await line.hang_up()
        assert await door.ended() == Ending(Result.COMPLETED, Reason.CALLER_HUNG_UP)

    assert door.phone.refused == {}


def _ends(watcher: Watcher) -> list[tuple[str, str]]:
    """Return what the journal says of the ends of streams and calls."""
    seen = [watcher._queue.get_nowait()[1] for _ in range(watcher._queue.qsize())]
    ends = [happening for happening in seen if isinstance(happening, StreamLost | CallEnded)]
    return [(type(end).__name__, str(end.ending.reason)) for end in ends]


LOST, OVER = ("StreamLost", "caller_lost"), ("CallEnded", "caller_lost")


async def test_call_of_two_streams_ends_once() -> None:
    """A broken stream is not the end of its call: that is the end of the stream that took its place."""
    async with front_door() as door:
        with door.journal.watch() as watcher:
            await _break_stream(door, await door.dial())
            token = (await door.post("/twilio/resume", form())).token
            async with door.call(token=token) as line:
                await line.hang_up()
            await door.ended()
            door.registry.departures.settle()
            assert _ends(watcher) == [LOST, ("CallEnded", "caller_hung_up")]


async def test_refused_resume_ends_the_call() -> None:
    """A call that gets no further stream is over with the apology; a late webhook changes nothing."""
    async with front_door(max_active=1) as door:
        with door.journal.watch() as watcher:
            await _break_stream(door, await door.dial())
            assert _ends(watcher) == [LOST]
            await door.dial(2)
            answers = [await door.post("/twilio/resume", form()) for _ in range(2)]
            assert _ends(watcher) == [OVER]
            await door.post("/twilio/status", form(2, CallStatus="completed"))
            answers.append(await door.post("/twilio/resume", form()))
            assert (await door.post("/twilio/voice", form())).verbs == HANG_UP

    assert [[tag for tag, *_ in answer.verbs] for answer in answers] == [["Say", "Hangup"]] * 3


async def test_final_status_ends_a_call_whose_stream_broke() -> None:
    """When Twilio says that the call is over no further stream is waited for, and none is opened."""
    async with front_door() as door:
        with door.journal.watch() as watcher:
            await _break_stream(door, await door.dial())
            for _ in range(2):
                await door.post("/twilio/status", form(CallStatus="completed"))
            assert _ends(watcher) == [LOST, OVER]
            answer = await door.post("/twilio/resume", form())

    assert [tag for tag, *_ in answer.verbs] == ["Say", "Hangup"]
    assert door.registry.reserved == 0


# --- callers who were put through


async def _put_through(controls: CallControls) -> ToolOutcome:
    await controls.transfer("+4930999", 20)
    return FINE


def _story(door: FrontDoor) -> str:
    """Return the conversation that the last session goes on with."""
    return door.sessions[-1].scribe.conversation.so_far()


TRANSFER = vatel.ToolCall("t-1", "transfer", ())
AWAY, DONE = ("StreamLost", "transferred"), ("CallEnded", "transferred")


async def _transfer(door: FrontDoor, token: str | None = None) -> None:
    """Let the agent put a caller through; Twilio stops the stream."""
    door.tools.deeds["transfer"] = _put_through
    async with door.call(token=token) as line:
        door.agents[-1].say(vatel.InputTranscript("A human, please.", None, True), TRANSFER)
        await door.carrier.begun.get()
        await line.hang_up()
        assert (await door.ended()).reason is Reason.TRANSFERRED


@pytest.mark.parametrize("status", ["completed", "answered"])
async def test_call_that_the_other_party_took_is_over(status: str) -> None:
    """When the other party has had the call it is hung up, and its end said; nobody hung up before that."""
    async with front_door() as door:
        with door.journal.watch() as watcher:
            await _transfer(door)
            assert _ends(watcher) == [AWAY]
            answer = await door.post("/twilio/transferred", form(DialCallStatus=status))
            assert _ends(watcher) == [DONE]
        assert answer.verbs == HANG_UP
        assert (await door.post("/twilio/voice", form())).verbs == HANG_UP

    assert door.hung_up == []
    assert door.carrier.asked == [(call_sid(), "+4930999", 20)]


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ("busy", "busy"),
        ("no-answer", "no-answer"),
        ("failed", "failed"),
        ("canceled", "canceled"),
        ("", "failed"),
        ("<b>new</b>", "failed"),
    ],
)
async def test_failed_transfer_comes_back_to_the_agent(status: str, word: str) -> None:
    """A caller whom nobody took gets a fresh stream; the agent knows what was said and what failed."""
    async with front_door() as door:
        with door.journal.watch() as watcher:
            await _transfer(door)
            answer = await door.post("/twilio/transferred", form(DialCallStatus=status))
            assert answer.verbs == connect_to(answer.token)
            async with door.call(token=answer.token) as line:
                await line.hang_up()
            await door.ended()
            assert _ends(watcher) == [AWAY, ("CallEnded", "caller_hung_up")]

    assert door.told == [
        "",
        "Caller: A human, please.\n"
        f"[Your transfer of the caller failed: {word}. The caller is back with you.]",
    ]
    assert len({session.call.call_id for session in door.sessions}) == 1
    assert door.hung_up == []


async def test_transfer_may_fail_often() -> None:
    """An agent may try one number after the other: failed transfers are not counted as broken streams."""
    token = None
    async with front_door() as door:
        for _ in range(5):
            await _transfer(door, token)
            token = (await door.post("/twilio/transferred", form(DialCallStatus="busy"))).token
        async with door.call(token=token) as line:
            assert _story(door).count("failed: busy") == 5
            await line.hang_up()


async def test_transfers_do_not_go_on_for_ever() -> None:
    """A call has twelve streams at most; then it ends with an apology."""
    token, tags = None, []
    async with front_door() as door:
        for number in range(12):
            await _transfer(door, token)
            answer = await door.post("/twilio/transferred", form(DialCallStatus="busy"))
            tags = [tag for tag, *_ in answer.verbs]
            token = answer.token if number < 11 else None
    assert tags == ["Say", "Hangup"]
    assert len(door.sessions) == 12


async def test_outcome_of_a_transfer_delivered_twice() -> None:
    """A repeated outcome gets the stream that the first one got, and the agent is told once."""
    async with front_door() as door:
        await _transfer(door)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(door.post("/twilio/transferred", form(DialCallStatus="busy")))
                for _ in range(5)
            ]
        door.skew_s[0] += 6.0
        last = await door.post("/twilio/transferred", form(DialCallStatus="busy"))
        assert {task.result().body for task in tasks} == {last.body}
        async with door.call(token=last.token) as line:
            assert _story(door).count("failed: busy") == 1
            await line.hang_up()


async def test_outcome_that_comes_before_the_session_has_left() -> None:
    """A transfer that fails at once waits for the session that made it."""
    async with front_door() as door:
        door.tools.deeds["transfer"] = _put_through
        door.carrier.wait_s = 0.5
        async with door.call() as line:
            door.agents[0].say(TRANSFER)
            await door.carrier.begun.get()
            outcome = door.post("/twilio/transferred", form(DialCallStatus="failed"))
            asked = asyncio.get_running_loop().create_task(outcome)
            await asyncio.sleep(0.05)
            assert not asked.done()
            await line.hang_up()
        answer = await asked
        assert answer.verbs == connect_to(answer.token)
        async with door.call(token=answer.token) as line:
            assert "failed: failed" in _story(door)
            await line.hang_up()


async def test_outcome_of_a_transfer_that_another_process_made() -> None:
    """A caller whom a process that is gone put through comes back to a new session, which is told so."""
    async with front_door() as door:
        answer = await door.post("/twilio/transferred", form(DialCallStatus="no-answer"))
        async with door.call(token=answer.token) as line:
            await line.hang_up()
        await door.ended()
        gone = await door.post("/twilio/transferred", form(2, DialCallStatus="completed"))

    assert door.told == ["[Your transfer of the caller failed: no-answer. The caller is back with you.]"]
    assert gone.verbs == HANG_UP


async def test_stream_that_does_not_come_after_a_failed_transfer() -> None:
    """When the fresh stream breaks before it begins the next one still knows of the transfer."""
    async with front_door() as door:
        await _transfer(door)
        await door.post("/twilio/transferred", form(DialCallStatus="busy"))
        door.skew_s[0] += 6.0
        token = (await door.post("/twilio/resume", form())).token
        async with door.call(token=token) as line:
            assert "failed: busy" in _story(door)
            await line.hang_up()


async def test_transfer_that_did_not_take_place() -> None:
    """A call that asks what to do next although it was put through was not: it gets a fresh stream."""
    async with front_door() as door:
        await _transfer(door)
        answer = await door.post("/twilio/resume", form())
        assert answer.verbs == connect_to(answer.token)
        async with door.call(token=answer.token) as line:
            await line.hang_up()


@pytest.mark.parametrize("full", [True, False])
async def test_caller_who_cannot_come_back(full: bool) -> None:
    """A caller for whom there is no place any more, or whose call is over, hears an apology."""
    async with front_door(max_active=1) as door:
        with door.journal.watch() as watcher:
            await _transfer(door)
            if full:
                await door.dial(2)
            else:
                await door.post("/twilio/status", form(CallStatus="completed"))
            answer = await door.post("/twilio/transferred", form(DialCallStatus="busy"))
            assert _ends(watcher) == [AWAY, DONE]

    assert [tag for tag, *_ in answer.verbs] == ["Say", "Hangup"]


async def test_outcome_for_a_call_that_is_live(monkeypatch: pytest.MonkeyPatch) -> None:
    """An outcome that comes when the call has long been back changes nothing for it."""
    monkeypatch.setattr("gateway.api.phone._SETTLE_S", 0.05)
    async with front_door() as door:
        async with door.call() as line:
            answer = await door.post("/twilio/transferred", form(DialCallStatus="busy"))
            assert [tag for tag, *_ in answer.verbs] == ["Say", "Hangup"]
            assert door.registry.find(call_sid()) is not None
            await line.hang_up()
        assert await door.ended() == Ending(Result.COMPLETED, Reason.CALLER_HUNG_UP)


@pytest.mark.parametrize(
    ("call", "shown"),
    [
        (CALL, "+4930654321"),
        (replace(CALL, direction="outbound"), "+4930123456"),
        (replace(CALL, called_number="sip:desk@example.com"), None),
    ],
)
def test_transfer_shows_our_own_number(call: CallInfo, shown: str | None) -> None:
    """The other party sees the number that is ours, if it is one; the outcome comes back to us."""
    document = ElementTree.fromstring(transfer_twiml(PUBLIC_URL, call, "+4930999", 20))

    caller_id = {} if shown is None else {"callerId": shown}
    action = {"timeout": "20", "action": "https://voice.example.com/twilio/transferred"}
    assert tree(document)[3] == [verb("Dial", caller_id | action, "", verb("Number", {}, "+4930999"))]


async def test_unknown_call_gets_a_fresh_stream() -> None:
    """A call that another process lost is taken over, within the limit."""
    async with front_door(max_active=1) as door:
        answer = await door.post("/twilio/resume", form(7))
        assert answer.verbs == connect_to(answer.token)
        full = await door.post("/twilio/resume", form(8))

    assert [tag for tag, *_ in full.verbs] == ["Say", "Hangup"]


async def test_call_that_broke_by_our_fault_gets_an_apology(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a bug of ours the redirect apologises instead of trying again."""

    def broken(digit: str) -> None:
        raise ZeroDivisionError("a bug")

    async with front_door() as door:
        async with door.call():
            monkeypatch.setattr(door.sessions[0].scribe, "state", broken)
            door.sessions[0].post(on.OperatorEnded())
            assert (await door.ended()).reason is Reason.INTERNAL_ERROR
        answer = await door.post("/twilio/resume", form())

    assert [tag for tag, *_ in answer.verbs] == ["Say", "Hangup"]


async def test_session_that_outlives_its_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that does not end although Twilio says its stream did gets no second stream."""
    monkeypatch.setattr("gateway.api.phone._SETTLE_S", 0.05)
    async with front_door() as door, door.call() as line:
        answer = await door.post("/twilio/resume", form())
        assert [tag for tag, *_ in answer.verbs] == ["Say", "Hangup"]
        await line.hang_up()


@pytest.mark.parametrize("status", ["completed", "busy", "failed", "no-answer", "canceled"])
async def test_final_status_ends_the_session(status: str) -> None:
    """A call that is over at Twilio ends its session, once, whoever says it first."""
    async with front_door() as door, door.call():
        for _ in range(2):
            answer = await door.post("/twilio/status", form(CallStatus=status))
            assert (answer.status, answer.body) == (204, "")
        assert await door.ended() == Ending(Result.COMPLETED, Reason.CALLER_HUNG_UP, "status_callback")

    assert door.hung_up == []


async def test_status_that_is_not_final_changes_nothing() -> None:
    """Callbacks of a call under way, late ones too, leave it alone."""
    async with front_door() as door, door.call() as line:
        for status in ("initiated", "ringing", "in-progress", "nonsense", ""):
            await door.post("/twilio/status", form(CallStatus=status))
        assert door.registry.live == 1
        await line.hang_up()


async def test_final_status_voids_the_token() -> None:
    """A caller who hung up before the stream came leaves no place taken and no token good."""
    async with front_door() as door:
        token = await door.dial()
        await door.post("/twilio/status", form(CallStatus="completed"))
        assert door.registry.reserved == 0
        async with door.stream(token) as line:
            assert (await line.refused())[0] == 1008
        assert (await door.post("/twilio/voice", form())).verbs == HANG_UP


@pytest.mark.parametrize("event", ["stream-started", "stream-stopped", "stream-error", ""])
async def test_stream_status_is_taken(event: str) -> None:
    """Stream status callbacks are taken, whatever they say."""
    async with front_door() as door:
        fields = form(StreamEvent=event, StreamError="31920 handshake", StreamSid="MZ" + "0" * 32)
        assert (await door.post("/twilio/stream-status", fields)).status == 204


async def test_without_signatures_any_account_is_taken() -> None:
    """With signatures off (loopback only) unsigned webhooks are answered."""
    async with front_door(auth_token=None) as door:
        answer = await door.post("/twilio/voice", form(), signature="")
        assert answer.verbs == connect_to(answer.token)


class Desk:
    """A switchboard of the test's own."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []
        self.turned_away: list[tuple[str, str]] = []
        self.failure: StorageError | None = None
        self.stuck = self.closed = False

    async def answer(self, form: Mapping[str, str], call_id: str | None = None) -> CallInfo | None:
        """Return the call of a webhook."""
        self.asked.append(call_id)
        await self._trouble()
        return None if self.closed else await Unlisted().answer(form, call_id)

    async def turn_away(self, call: CallInfo, why: str) -> None:
        """Take note of a call that there is no room for."""
        self.turned_away.append((call.call_sid, why))
        await self._trouble()

    async def _trouble(self) -> None:
        if self.failure is not None:
            raise self.failure
        if self.stuck:
            await asyncio.Event().wait()


PLACED = "/twilio/voice?call=11111111-2222-3333-4444-555555555555"


async def test_switchboard_says_who_answers() -> None:
    """It is asked before a place is held; a call that we placed is named by its URL."""
    desk = Desk()
    async with front_door(switchboard=desk) as door:
        rang = await door.post("/twilio/voice", form(1))
        placed = await door.post(PLACED, form(2, CallStatus="in-progress"))

    assert rang.verbs == connect_to(rang.token)
    assert placed.verbs == connect_to(placed.token)
    assert desk.asked == [None, PLACED.partition("=")[2]]


@pytest.mark.parametrize(("path", "verbs"), [("/twilio/voice", BUSY), (PLACED, HANG_UP)])
@pytest.mark.parametrize(
    ("trouble", "counted"), [("closed", "not_taken"), ("away", "not_kept"), ("stuck", "not_kept")]
)
async def test_call_that_is_not_taken(
    path: str, verbs: list[Tree], trouble: str, counted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody for it, or no row of it: the caller hears busy, who was called is not kept waiting."""
    monkeypatch.setattr("gateway.api.phone._ROW_S", 0.05)
    desk = Desk()
    desk.closed, desk.stuck = trouble == "closed", trouble == "stuck"
    desk.failure = StorageError("away", reason="unavailable") if trouble == "away" else None
    async with front_door(switchboard=desk) as door:
        answer = await door.post(path, form())

    assert answer.verbs == verbs
    assert door.phone.refused == {counted: 1}
    assert door.registry.reserved == 0


@pytest.mark.parametrize("trouble", ["", "away", "stuck"])
async def test_call_without_room_is_noted(trouble: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its row can end; where that fails the caller hears busy all the same."""
    monkeypatch.setattr("gateway.api.phone._ROW_S", 0.05)
    desk = Desk()
    async with front_door(max_active=1, switchboard=desk) as door:
        await door.dial(1)
        answer = desk.answer

        async def and_then_trouble(form: Mapping[str, str], call_id: str | None = None) -> CallInfo | None:
            found = await answer(form, call_id)
            desk.stuck = trouble == "stuck"
            desk.failure = StorageError("away", reason="unavailable") if trouble == "away" else None
            return found

        monkeypatch.setattr(desk, "answer", and_then_trouble)
        rang = await door.post("/twilio/voice", form(2))
        desk.stuck, desk.failure = False, None
        placed = await door.post(PLACED, form(3))

    assert (rang.verbs, placed.verbs) == (BUSY, HANG_UP)
    assert desk.turned_away == [(call_sid(2), "busy"), (call_sid(3), "busy")]


async def test_repeated_webhook_of_a_live_call_is_not_turned_away() -> None:
    """Its row is no other call's."""
    desk = Desk()
    async with front_door(switchboard=desk) as door, door.call() as line:
        assert (await door.post("/twilio/voice", form())).verbs == HANG_UP
        await line.hang_up()

    assert desk.turned_away == []


@pytest.mark.parametrize("path", ["/twilio/resume", "/twilio/transferred"])
async def test_lost_call_that_nobody_knows_gets_an_apology(path: str) -> None:
    """Its row is over, or cannot be read: there is no call to go on with."""
    desk = Desk()
    desk.closed = True
    async with front_door(switchboard=desk) as door:
        answer = await door.post(path, form(DialCallStatus="busy"))

    assert [tag for tag, *_ in answer.verbs] == ["Say", "Hangup"]
