"""TwiML read as strictly as Twilio does."""

import pytest
from twilio.twiml.voice_response import Connect as TwilioConnect
from twilio.twiml.voice_response import VoiceResponse

from gateway.simulator.codes import BAD_TWIML, Fault
from gateway.simulator.twiml import (
    Connect,
    Dial,
    Document,
    Hangup,
    Pause,
    Play,
    Redirect,
    Reject,
    Say,
    Stream,
    parse,
)
from gateway.twilio import twiml as ours

BASE = "https://gw.example.com/twilio/voice"


def read(inner: str) -> Document:
    """Parse verbs that must be right."""
    document = parse(f"<Response>{inner}</Response>", BASE)
    assert not isinstance(document, Fault), document
    return document


def refuse(text: str) -> str:
    """Parse what must be wrong, and return what was found."""
    fault = parse(text, BASE)
    assert isinstance(fault, Fault)
    assert fault.code == BAD_TWIML
    return fault.detail


class TestVerbs:
    """What is understood."""

    @pytest.mark.parametrize(
        ("text", "verb"),
        [
            ("<Hangup/>", Hangup()),
            ("<Pause/>", Pause(1)),
            ('<Pause length="7"/>', Pause(7)),
            ("<Say>Hello there</Say>", Say("Hello there")),
            ('<Say voice="man" language="en">Hello</Say>', Say("Hello")),
            ("<Play>bell.mp3</Play>", Play("https://gw.example.com/twilio/bell.mp3")),
            ('<Play digits="ww12"/>', Play(BASE, "ww12")),
            ("<Reject/>", Reject("rejected")),
            ('<Reject reason="busy"/>', Reject("busy")),
            ("<Redirect>/twilio/resume</Redirect>", Redirect("https://gw.example.com/twilio/resume")),
            ('<Redirect method="GET">http://a/b</Redirect>', Redirect("http://a/b", "GET")),
            ("<Dial>+15005550009</Dial>", Dial("+15005550009")),
            ("<Dial><Number>+15005550009</Number></Dial>", Dial("+15005550009")),
            ('<Dial action="done">+1500</Dial>', Dial("+1500", "https://gw.example.com/twilio/done")),
        ],
    )
    def test_verb_is_read(self, text: str, verb: object) -> None:
        """Attributes and text end up in its fields, URLs absolute."""
        assert read(text) == (verb,)

    def test_verbs_keep_their_order(self) -> None:
        """They run one after the other."""
        assert read("<Say>a</Say><Pause/><Hangup/>") == (Say("a"), Pause(), Hangup())

    def test_an_empty_response_has_no_verbs(self) -> None:
        """Twilio hangs up then."""
        assert read("") == ()


class TestConnect:
    """The stream and what it carries."""

    def test_all_attributes_are_read(self) -> None:
        """Url, name, track, callback, parameters, action."""
        (verb,) = read(
            '<Connect action="/after" method="GET">'
            '<Stream url="wss://gw.example.com/m" name="n" track="inbound_track" '
            'statusCallback="https://gw.example.com/s" statusCallbackMethod="GET">'
            '<Parameter name="token" value="abc"/><Parameter name="empty" value=""/>'
            "</Stream></Connect>"
        )

        assert verb == Connect(
            Stream(
                url="wss://gw.example.com/m",
                parameters={"token": "abc", "empty": ""},
                name="n",
                status_callback="https://gw.example.com/s",
                status_method="GET",
            ),
            action="https://gw.example.com/after",
            method="GET",
        )

    @pytest.mark.parametrize(
        ("base", "url"),
        [
            (BASE, "wss://gw.example.com/media"),
            ("http://127.0.0.1:8080/twilio/voice", "ws://127.0.0.1:8080/media"),
        ],
    )
    def test_a_relative_url_becomes_a_socket_on_the_same_host(self, base: str, url: str) -> None:
        """https turns into wss, http into ws."""
        document = parse('<Response><Connect><Stream url="/media"/></Connect></Response>', base)

        assert document == (Connect(Stream(url)),)

    def test_what_twilios_own_builder_writes_is_read(self) -> None:
        """The official library is the oracle."""
        response, connect = VoiceResponse(), TwilioConnect()
        stream = connect.stream(url="wss://gw.example.com/m", status_callback="https://gw.example.com/s")
        stream.parameter(name="token", value='a"<&b')
        response.append(connect)
        response.redirect("/twilio/resume", method="POST")

        assert parse(str(response), BASE) == (
            Connect(
                Stream(
                    "wss://gw.example.com/m",
                    {"token": 'a"<&b'},
                    status_callback="https://gw.example.com/s",
                )
            ),
            Redirect("https://gw.example.com/twilio/resume"),
        )

    def test_what_our_gateway_writes_is_read(self) -> None:
        """Stream, parameters and the verb after it."""
        text = ours.connect_stream(
            "wss://gw.example.com/twilio/media",
            {"token": "t"},
            then_redirect="https://gw.example.com/twilio/resume",
            status_callback="https://gw.example.com/twilio/stream-status",
        )

        assert parse(text, BASE) == (
            Connect(
                Stream(
                    "wss://gw.example.com/twilio/media",
                    {"token": "t"},
                    status_callback="https://gw.example.com/twilio/stream-status",
                )
            ),
            Redirect("https://gw.example.com/twilio/resume"),
        )


class TestFaults:
    """What Twilio calls 12100."""

    @pytest.mark.parametrize(
        ("text", "detail"),
        [
            ("", "not well-formed"),
            ("<Response>", "not well-formed"),
            ("<Response></Respond>", "not well-formed at line 1"),
            ("Hello", "not well-formed"),
            ("<Reply/>", "the root must be <Response>"),
            ("<Response><Sing/></Response>", "<Sing> is not a verb"),
            ("<Response><connect/></Response>", "<connect> is not a verb"),
            ("<Response><Connect/></Response>", "exactly one <Stream>"),
            ("<Response><Connect><Room/></Connect></Response>", "exactly one <Stream>"),
            ("<Response><Connect><Stream/></Connect></Response>", "needs a url"),
            ('<Response><Connect><Stream url="a" uri="b"/></Connect></Response>', "no attribute uri"),
            ('<Response><Connect to="x"><Stream url="a"/></Connect></Response>', "no attribute to"),
            ('<Response><Redirect to="x">a</Redirect></Response>', "no attribute to"),
            ('<Response><Redirect method="PUT">a</Redirect></Response>', "GET or POST"),
            ('<Response><Pause length="-1"/></Response>', "whole number"),
            ('<Response><Pause length="²"/></Response>', "whole number"),
            ('<Response><Reject reason="tired"/></Response>', "rejected or busy"),
            (
                '<Response><Connect><Stream url="a"><Custom/></Stream></Connect></Response>',
                "<Custom> cannot stand in <Stream>",
            ),
        ],
    )
    def test_bad_twiml_is_named(self, text: str, detail: str) -> None:
        """The detail says what to change."""
        assert detail in refuse(text)

    @pytest.mark.parametrize(
        ("name", "value"), [("", "x"), ("n" * 500, "x"), ("n", "v" * 500)], ids=["no name", "name", "value"]
    )
    def test_a_parameter_must_fit(self, name: str, value: str) -> None:
        """Name and value each stay under 500 characters."""
        parameter = f'<Parameter name="{name}" value="{value}"/>'

        detail = refuse(f'<Response><Connect><Stream url="a">{parameter}</Stream></Connect></Response>')
        assert "under 500" in detail

    def test_499_characters_fit(self) -> None:
        """The limit itself is out, one less is in."""
        value = "v" * 499
        (verb,) = read(
            f'<Connect><Stream url="wss://a/b"><Parameter name="n" value="{value}"/></Stream></Connect>'
        )

        assert isinstance(verb, Connect)
        assert verb.stream.parameters == {"n": value}
