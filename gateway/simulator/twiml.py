"""Read TwiML as Twilio does: strictly, into verbs. PURE.

Every fault is Twilio's 12100 (https://www.twilio.com/docs/api/errors/12100), as data. Verbs and nouns:
https://www.twilio.com/docs/voice/twiml.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import urljoin
from xml.etree import ElementTree

from gateway.simulator.codes import BAD_TWIML, Fault

Method = Literal["GET", "POST"]
_PARAMETER_CHARS: Final = (
    500  # name and value each must stay under (https://www.twilio.com/docs/voice/twiml/stream)
)


@dataclass(frozen=True, slots=True)
class Stream:
    """<Stream> inside <Connect>: where to open the media socket and what to hand over."""

    url: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    track: str = "inbound_track"
    status_callback: str | None = None
    status_method: Method = "POST"


@dataclass(frozen=True, slots=True)
class Connect:
    """<Connect>: the call is the stream's until its socket closes."""

    stream: Stream
    action: str | None = None
    method: Method = "POST"


@dataclass(frozen=True, slots=True)
class Redirect:
    """<Redirect>: go on with the TwiML found there."""

    url: str
    method: Method = "POST"


@dataclass(frozen=True, slots=True)
class Say:
    """<Say>: Twilio speaks."""

    text: str


@dataclass(frozen=True, slots=True)
class Play:
    """<Play>: a sound file, or digits."""

    url: str
    digits: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """<Pause>: silence for ``length_s`` seconds."""

    length_s: int = 1


@dataclass(frozen=True, slots=True)
class Hangup:
    """<Hangup>: the end."""


@dataclass(frozen=True, slots=True)
class Reject:
    """<Reject>: as the first verb the call is never answered."""

    reason: Literal["rejected", "busy"] = "rejected"


@dataclass(frozen=True, slots=True)
class Dial:
    """<Dial>: connect the caller to somebody else."""

    target: str
    action: str | None = None
    method: Method = "POST"


Verb = Connect | Redirect | Say | Play | Pause | Hangup | Reject | Dial
Document = tuple[Verb, ...]


class _BadTwimlError(Exception):
    """Crosses the walk below, never this module."""


def parse(text: str | bytes, base_url: str) -> Document | Fault:
    """Read one document.

    Args:
        text: the answer's body.
        base_url: where it came from; relative URLs hang on it.
    """
    try:
        root = ElementTree.fromstring(text)
        if root.tag != "Response":
            raise _BadTwimlError("the root must be <Response>")
        return tuple(_verb(element, base_url) for element in root)
    except ElementTree.ParseError as error:
        return Fault(BAD_TWIML, f"not well-formed at line {error.position[0]}, column {error.position[1]}")
    except (_BadTwimlError, ValueError) as error:
        return Fault(BAD_TWIML, str(error))


def _verb(element: ElementTree.Element, base_url: str) -> Verb:
    text = (element.text or "").strip()
    match element.tag:
        case "Connect":
            _only(element, "action", "method")
            return Connect(_stream(element, base_url), _url(element, "action", base_url), _method(element))
        case "Redirect":
            _only(element, "method")
            return Redirect(urljoin(base_url, text), _method(element))
        case "Say":
            return Say(text)
        case "Play":
            return Play(urljoin(base_url, text), element.get("digits", ""))
        case "Pause":
            return Pause(_length(element))
        case "Hangup":
            return Hangup()
        case "Reject":
            return Reject(_reason(element))
        case "Dial":
            target = text or "".join(element.itertext()).strip()
            return Dial(target, _url(element, "action", base_url), _method(element))
        case _:
            raise _BadTwimlError(f"<{element.tag}> is not a verb this simulator knows")


def _stream(connect: ElementTree.Element, base_url: str) -> Stream:
    nouns = list(connect)
    if len(nouns) != 1 or nouns[0].tag != "Stream":
        raise _BadTwimlError("<Connect> must hold exactly one <Stream>")
    element = nouns[0]
    _only(element, "url", "name", "track", "statusCallback", "statusCallbackMethod")
    url = element.get("url")
    if not url:
        raise _BadTwimlError("<Stream> needs a url")
    return Stream(
        url=_stream_url(url, base_url),
        parameters=_parameters(element),
        name=element.get("name", ""),
        track=element.get("track", "inbound_track"),
        status_callback=element.get("statusCallback"),
        status_method=_method(element, "statusCallbackMethod"),
    )


def _stream_url(url: str, base_url: str) -> str:
    # A relative url means "this host, as a WebSocket"; urljoin does not know that http becomes ws.
    if "://" in url:
        return url
    return urljoin(base_url, url).replace("http", "ws", 1)


def _parameters(stream: ElementTree.Element) -> dict[str, str]:
    found: dict[str, str] = {}
    for element in stream:
        if element.tag != "Parameter":
            raise _BadTwimlError(f"<{element.tag}> cannot stand in <Stream>")
        name, value = element.get("name", ""), element.get("value", "")
        if not name or len(name) >= _PARAMETER_CHARS or len(value) >= _PARAMETER_CHARS:
            raise _BadTwimlError("a <Parameter> needs a name, and under 500 characters in name and value")
        found[name] = value
    return found


def _only(element: ElementTree.Element, *known: str) -> None:
    for name in element.attrib:
        if name not in known:
            raise _BadTwimlError(f"<{element.tag}> has no attribute {name}")


def _url(element: ElementTree.Element, name: str, base_url: str) -> str | None:
    url = element.get(name)
    return urljoin(base_url, url) if url else None


def _method(element: ElementTree.Element, name: str = "method") -> Method:
    match element.get(name, "POST").upper():
        case "POST":
            return "POST"
        case "GET":
            return "GET"
        case _:
            raise _BadTwimlError(f"{name} of <{element.tag}> must be GET or POST")


def _length(element: ElementTree.Element) -> int:
    length = element.get("length", "1")
    if not (length.isascii() and length.isdigit()):
        raise _BadTwimlError("length of <Pause> must be a whole number of seconds")
    return int(length)


def _reason(element: ElementTree.Element) -> Literal["rejected", "busy"]:
    reason = element.get("reason", "rejected")
    if reason == "busy":
        return "busy"
    if reason == "rejected":
        return "rejected"
    raise _BadTwimlError("reason of <Reject> must be rejected or busy")
