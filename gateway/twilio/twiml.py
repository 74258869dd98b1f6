"""What we answer Twilio's webhooks with (https://www.twilio.com/docs/voice/twiml).

Everything that goes into an attribute or a text is quoted, and what XML cannot hold is left out: no caller
name, number or greeting can add a verb.
"""

import re
from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

MAX_PARAMETER_CHARS = 499
"""Longest name and value of a ``<Parameter>`` together (https://www.twilio.com/docs/voice/twiml/stream)."""

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
# All but the characters of XML 1.0, production 2 (https://www.w3.org/TR/xml/#charsets).
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def connect_stream(
    url: str,
    parameters: Mapping[str, str],
    *,
    then_redirect: str,
    status_callback: str | None = None,
) -> str:
    """Connect the call to a media stream, and ask ``then_redirect`` what to do when the stream has ended.

    Args:
        url: the media socket, without a query: Twilio drops it.
        parameters: handed back in the stream's ``start``, 499 characters of name and value each.

    Raises:
        ValueError: a parameter is too long, or the URL has a query.
    """
    if "?" in url:
        raise ValueError("the stream URL must not have a query: Twilio drops it")
    inner = "".join(_parameter(name, value) for name, value in parameters.items())
    stream = _element("Stream", inner, url=url, statusCallback=status_callback)
    redirect = _element("Redirect", _text(then_redirect), method="POST")
    return _response(_element("Connect", stream) + redirect)


def hangup() -> str:
    """Hang up."""
    return _response(_element("Hangup"))


def reject_busy() -> str:
    """Refuse the call with a busy tone; it is neither answered nor billed."""
    return _response(_element("Reject", reason="busy"))


def say_and_hangup(text: str, *, language: str | None = None) -> str:
    """Say something with Twilio's own voice, then hang up."""
    return _response(_element("Say", _text(text), language=language) + _element("Hangup"))


def empty() -> str:
    """Ask for nothing: the answer to a status callback."""
    return _response("")


def dial(
    number: str,
    *,
    caller_id: str | None = None,
    ring_timeout_s: int | None = None,
    action: str | None = None,
) -> str:
    """Put the caller through to another number.

    Args:
        number: in E.164 form.
        action: asked what to do when the second call has ended; without it the next verb is none: hang-up.
    """
    timeout = None if ring_timeout_s is None else str(ring_timeout_s)
    verb = _element(
        "Dial", _element("Number", _text(number)), callerId=caller_id, timeout=timeout, action=action
    )
    return _response(verb)


def _response(verbs: str) -> str:
    return _DECLARATION + _element("Response", verbs)


def _parameter(name: str, value: str) -> str:
    if len(name) + len(value) > MAX_PARAMETER_CHARS:
        raise ValueError(f"a stream parameter has at most {MAX_PARAMETER_CHARS} characters of name and value")
    return _element("Parameter", name=name, value=value)


def _element(tag: str, inner: str = "", /, **attributes: str | None) -> str:
    """Write one element; ``inner`` is XML already, attributes are not, and None is left out."""
    written = [f" {key}={quoteattr(_clean(value))}" for key, value in attributes.items() if value is not None]
    opening = tag + "".join(written)
    return f"<{opening}>{inner}</{tag}>" if inner else f"<{opening}/>"


def _text(value: str) -> str:
    # A bare carriage return would come back as a line feed (XML 1.0 section 2.11).
    return escape(_clean(value), {"\r": "&#13;"})


def _clean(value: str) -> str:
    return _NOT_XML.sub("", value)
