"""TwiML: the tree Twilio will see, with Twilio's own builder as oracle and hostile text inside."""

from collections.abc import Callable
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.twiml.voice_response import Connect, Dial, VoiceResponse

from gateway.twilio import twiml

Tree = tuple[str, dict[str, str], str, tuple["Tree", ...]]

STREAM = "wss://gw.example.com/twilio/media"
RESUME = "https://gw.example.com/twilio/resume"
HOSTILE = [
    '"/><Dial>+1900</Dial><Parameter name="',
    "'/><Dial>+1900</Dial>",
    "]]></Say><Dial>+1900</Dial><![CDATA[",
    "<!-- --><?xml ?>&lt;&#60;&amp;",
    "line\nfeed\ttab\rreturn",
    "<Hangup/>",
    "é ☎ 😀",
]
xml_text = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"),
    max_size=40,
)


def tree_of(text: str) -> Tree:
    """Read strictly: the parser refuses anything that is not well-formed."""

    def walk(element: ElementTree.Element) -> Tree:
        return element.tag, dict(element.attrib), element.text or "", tuple(map(walk, element))

    return walk(ElementTree.fromstring(text.encode()))


def verbs(text: str) -> list[str]:
    return [element.tag for element in ElementTree.fromstring(text.encode()).iter()]


def test_stream_is_connected_then_redirected() -> None:
    """The whole answer to a voice webhook is one tree."""
    text = twiml.connect_stream(
        STREAM,
        {"token": "abc", "lang": "en"},
        then_redirect=RESUME,
        status_callback="https://gw.example.com/twilio/stream-status",
    )
    stream: Tree = (
        "Stream",
        {"url": STREAM, "statusCallback": "https://gw.example.com/twilio/stream-status"},
        "",
        (
            ("Parameter", {"name": "token", "value": "abc"}, "", ()),
            ("Parameter", {"name": "lang", "value": "en"}, "", ()),
        ),
    )
    redirect: Tree = ("Redirect", {"method": "POST"}, RESUME, ())
    assert tree_of(text) == ("Response", {}, "", (("Connect", {}, "", (stream,)), redirect))
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?><Response><Connect><Stream url="wss://')


def test_stream_agrees_with_twilios_builder() -> None:
    """Twilio's own package builds the same tree."""
    theirs = VoiceResponse()
    connect = Connect()
    connect.stream(url=STREAM, status_callback=RESUME).parameter(name="token", value='a"<b>&c')
    theirs.append(connect)
    theirs.redirect(RESUME, method="POST")
    ours = twiml.connect_stream(STREAM, {"token": 'a"<b>&c'}, then_redirect=RESUME, status_callback=RESUME)
    assert tree_of(ours) == tree_of(str(theirs))


def test_small_answers_agree_with_twilios_builder() -> None:
    """Hang-up, busy, speech, nothing and transfer are the trees that Twilio's package builds."""
    said, rejected, hung_up, dialled = VoiceResponse(), VoiceResponse(), VoiceResponse(), VoiceResponse()
    said.say("Bye <now>", language="en-GB")
    said.hangup()
    rejected.reject(reason="busy")
    hung_up.hangup()
    dial = Dial(caller_id="+15550100", timeout=20, action=RESUME)
    dial.number("+15550101")
    dialled.append(dial)
    assert tree_of(twiml.say_and_hangup("Bye <now>", language="en-GB")) == tree_of(str(said))
    assert tree_of(twiml.reject_busy()) == tree_of(str(rejected))
    assert tree_of(twiml.hangup()) == tree_of(str(hung_up))
    assert tree_of(twiml.empty()) == tree_of(str(VoiceResponse()))
    ours = twiml.dial("+15550101", caller_id="+15550100", ring_timeout_s=20, action=RESUME)
    assert tree_of(ours) == tree_of(str(dialled))


def test_attributes_that_are_not_given_are_left_out() -> None:
    """No empty attribute reaches Twilio."""
    assert twiml.empty().endswith("<Response/>")
    assert tree_of(twiml.dial("+15550101")) == tree_of(
        "<Response><Dial><Number>+15550101</Number></Dial></Response>"
    )
    assert tree_of(twiml.say_and_hangup("x"))[3][0] == ("Say", {}, "x", ())
    assert "statusCallback" not in twiml.connect_stream(STREAM, {}, then_redirect=RESUME)


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (
            lambda text: twiml.connect_stream(STREAM, {text: text}, then_redirect=text, status_callback=text),
            ["Response", "Connect", "Stream", "Parameter", "Redirect"],
        ),
        (twiml.say_and_hangup, ["Response", "Say", "Hangup"]),
        (
            lambda text: twiml.dial(text, caller_id=text, action=text),
            ["Response", "Dial", "Number"],
        ),
    ],
)
def test_hostile_text_adds_no_verb_and_arrives_whole(
    hostile: str, build: Callable[[str], str], expected: list[str]
) -> None:
    """Text that closes tags and opens others ends as plain text in the same tree."""
    text = build(hostile)
    assert verbs(text) == expected
    root = ElementTree.fromstring(text.encode())
    found = [element.text for element in root.iter() if element.text]
    found += [value for element in root.iter() for value in element.attrib.values()]
    assert hostile in found


def test_toll_fraud_through_a_parameter_ends_as_its_value() -> None:
    """The textbook injection stays an attribute."""
    text = twiml.connect_stream(STREAM, {"name": '"/><Dial>+1900'}, then_redirect=RESUME)
    parameter = ElementTree.fromstring(text.encode()).find("Connect/Stream/Parameter")
    assert parameter is not None
    assert parameter.attrib == {"name": "name", "value": '"/><Dial>+1900'}


@pytest.mark.parametrize("char", ["\x00", "\x08", "\x0b", "\x1b", "\x1f", "\ufffe", "\uffff", "\ud800"])
def test_characters_that_xml_forbids_are_left_out(char: str) -> None:
    """A caller name with control characters does not make the answer unreadable."""
    text = twiml.connect_stream(STREAM, {"name": f"a{char}b"}, then_redirect=RESUME)
    assert 'value="ab"' in text
    assert tree_of(twiml.say_and_hangup(f"{char}x{char}"))[3][0][2] == "x"


@given(xml_text, xml_text)
def test_any_readable_text_survives(name: str, value: str) -> None:
    """Names, values and speech come out of a strict parser as they went in."""
    text = twiml.connect_stream(STREAM, {name: value}, then_redirect=RESUME)
    parameter = ElementTree.fromstring(text.encode()).find("Connect/Stream/Parameter")
    assert parameter is not None
    assert parameter.attrib == {"name": name, "value": value}
    assert tree_of(twiml.say_and_hangup(value))[3][0][2] == value


@given(st.text())
def test_any_text_at_all_gives_well_formed_xml(value: str) -> None:
    """No text breaks the answer."""
    assert verbs(twiml.say_and_hangup(value)) == ["Response", "Say", "Hangup"]
    assert verbs(twiml.dial(value, caller_id=value)) == ["Response", "Dial", "Number"]


def test_parameter_is_limited_to_what_twilio_passes_on() -> None:
    """Name and value stay under 500 characters together."""
    longest = {"token": "x" * 494}
    assert "x" * 494 in twiml.connect_stream(STREAM, longest, then_redirect=RESUME)
    with pytest.raises(ValueError, match="at most 499"):
        twiml.connect_stream(STREAM, {"token": "x" * 495}, then_redirect=RESUME)


def test_stream_url_with_a_query_is_a_mistake() -> None:
    """Twilio would drop the query, and with it whatever was in it."""
    with pytest.raises(ValueError, match="query"):
        twiml.connect_stream(STREAM + "?token=1", {}, then_redirect=RESUME)
