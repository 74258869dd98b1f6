"""Signatures: every published vector, Twilio's own package as oracle, and no input that raises."""

import hashlib
import json
import string
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from multidict import MultiDict
from twilio.request_validator import RequestValidator

from gateway.twilio.signature import check_form, sign, verify_upgrade, verify_webhook

TOKEN = "12345"
ACCOUNT_SID = "AC" + "0a" * 16
CALL_SID = "CA" + "1b" * 16
URL = "https://gw.example.com/twilio/voice"
FORM = [
    ("AccountSid", ACCOUNT_SID),
    ("CallSid", CALL_SID),
    ("From", "+15550100"),
    ("To", "+15550101"),
    ("Called", ""),
]
GOLDEN = [
    json.loads(line)
    for line in (Path(__file__).parent / "golden" / "signatures.jsonl").read_text("ascii").splitlines()
]
vectors = pytest.mark.parametrize("vector", GOLDEN, ids=[f"vector {vector['number']}" for vector in GOLDEN])

text = st.text(st.characters(codec="utf-8"), max_size=12)
pairs = st.lists(st.tuples(text, text), max_size=6)
hosts = st.from_regex(r"[a-z][a-z0-9-]{0,8}\.[a-z]{2,5}", fullmatch=True)
paths = st.text(string.ascii_letters + string.digits + "/-._~%", max_size=12).map(lambda path: "/" + path)
anything = st.one_of(st.none(), st.text(), st.binary(), st.integers(), st.lists(st.text()))


def verify(vector: dict[str, Any], url: str | None = None) -> bool:
    params = [(name, value) for name, value in vector["params"]]
    body = vector["body"].encode() if "body" in vector else None
    return verify_webhook(TOKEN, vector["signature"], url or vector["url"], params, body=body)


def signed(params: list[tuple[str, str]] = FORM, url: str = URL) -> str:
    return sign(TOKEN, url, params)


@vectors
def test_published_vector_is_computed_and_accepted(vector: dict[str, Any]) -> None:
    """Each vector of Twilio's documents and package gives exactly its signature."""
    params = [(name, value) for name, value in vector["params"]]
    assert sign(TOKEN, vector["url"], params) == vector["signature"]
    assert verify(vector)


@vectors
def test_published_vector_is_refused_when_anything_is_changed(vector: dict[str, Any]) -> None:
    """Another token, path, parameter or signature is not genuine."""
    params = [(name, value) for name, value in vector["params"]]
    url, signature = vector["url"], vector["signature"]
    body = vector["body"].encode() if "body" in vector else None
    assert not verify_webhook("12346", signature, url, params, body=body)
    assert not verify_webhook(TOKEN, signature, url + "x", params, body=body)
    assert not verify_webhook(TOKEN, signature, url, [*params, ("Extra", "1")], body=body)
    assert not verify_webhook(TOKEN, signature.lower(), url, params, body=body)
    assert not verify_webhook(TOKEN, signature[:-1], url, params, body=body)


def test_default_port_of_https_may_be_written_or_not() -> None:
    """Vectors 1 and 2 verify from each other's URL."""
    assert verify(GOLDEN[0], GOLDEN[1]["url"])
    assert verify(GOLDEN[1], GOLDEN[0]["url"])


def test_other_port_of_https_may_be_dropped() -> None:
    """Twilio's voice signs https URLs without their port, whatever it is."""
    assert verify(GOLDEN[0], GOLDEN[0]["url"].replace(".com", ".com:8443"))
    kept = sign(TOKEN, "https://h.example:8443/p", FORM)
    assert verify_webhook(TOKEN, kept, "https://h.example:8443/p", FORM)
    assert not verify_webhook(TOKEN, kept, "https://h.example/p", FORM)


def test_port_of_http_is_kept() -> None:
    """An http URL with a port of its own is signed with it."""
    assert verify(GOLDEN[3])
    assert not verify(GOLDEN[3], "http://mycompany.com/myapp.php?foo=1&bar=2")
    assert verify(GOLDEN[2], "http://mycompany.com/myapp.php?foo=1&bar=2")


def test_user_of_the_url_is_not_signed() -> None:
    """Twilio removes user and password before it signs."""
    assert verify(GOLDEN[0], GOLDEN[0]["url"].replace("https://", "https://user:pass@"))


def test_ipv6_host_is_signed_as_written() -> None:
    """The colons of an IPv6 address are no port."""
    url = "https://[2001:db8::1]/p"
    assert verify_webhook(TOKEN, sign(TOKEN, url, FORM), url, FORM)
    assert verify_webhook(TOKEN, sign(TOKEN, "https://[2001:db8::1]:443/p", FORM), url, FORM)


def test_order_of_parameters_does_not_matter() -> None:
    """Twilio sorts by name, so any order is genuine."""
    assert verify_webhook(TOKEN, signed(), URL, FORM[::-1])


def test_url_in_another_case_or_encoding_is_another_url() -> None:
    """The query is signed as sent, still encoded."""
    url = URL + "?a=%2F&b=+"
    assert verify_webhook(TOKEN, sign(TOKEN, url, []), url, [])
    assert not verify_webhook(TOKEN, sign(TOKEN, url, []), URL + "?a=/&b=+", [])
    assert not verify_webhook(TOKEN, sign(TOKEN, url, []), url.replace("2F", "2f"), [])


def test_parameter_moved_to_the_query_is_refused() -> None:
    """What was signed in the form does not pass in the URL."""
    assert not verify_webhook(TOKEN, signed(), URL + "?To=%2B15550101", FORM[:3])


BODY = b'{"a": 1}'
BODY_HASH = hashlib.sha256(BODY).hexdigest()


@pytest.mark.parametrize(
    ("query", "body", "genuine"),
    [
        (f"bodySHA256={BODY_HASH}", BODY, True),
        (f"x=1&bodySHA256={BODY_HASH}&y=2", BODY, True),
        (f"bodySHA256={BODY_HASH}", BODY + b" ", False),
        (f"bodySHA256={BODY_HASH.upper()}", BODY, False),
        (f"bodySHA256={BODY_HASH}&bodySHA256={BODY_HASH}", BODY, False),
        (f"bodySHA256=&bodySHA256={BODY_HASH}", BODY, False),
        ("bodySHA256=", BODY, False),
        ("bodySHA256=\udcff", BODY, False),
        (f"bodysha256={BODY_HASH}", BODY, False),
        ("x=1", BODY, False),
        ("x=1", b"", False),
        (f"bodySHA256={BODY_HASH}", None, False),
    ],
)
def test_json_body_is_bound_by_exactly_one_hash(query: str, body: bytes | None, genuine: bool) -> None:
    """A body that is no form needs its hash in the URL once; a form must not carry one."""
    url = f"{URL}?{query}"
    signature = sign(TOKEN, url, []) if "\udcff" not in url else "x"
    assert verify_webhook(TOKEN, signature, url, [], body=body) == genuine


def test_json_body_beside_a_form_is_refused() -> None:
    """There is a form or a body, never both."""
    url = f"{URL}?bodySHA256={BODY_HASH}"
    assert not verify_webhook(TOKEN, sign(TOKEN, url, FORM), url, FORM, body=BODY)


@pytest.mark.parametrize("signature", [None, "", "=", "é" * 28, "\ud800", "x" * 10_000, 7, b"abc", ["a"]])
def test_signature_that_is_none_is_refused(signature: object) -> None:
    """A missing or senseless header is a refusal, not an error."""
    assert not verify_webhook(TOKEN, cast("str | None", signature), URL, FORM)
    assert not verify_upgrade(TOKEN, cast("str | None", signature), "wss://gw.example.com/stream")


@pytest.mark.parametrize(
    "params", [None, [("a",)], [("a", ["b"])], [("a", None)], ["ab"], [("\ud800", "b")], 7]
)
def test_parameters_of_another_kind_are_refused(params: object) -> None:
    """Lists as values, half pairs and lone surrogates cannot have been signed."""
    assert not verify_webhook(TOKEN, signed(), URL, cast("list[tuple[str, str]]", params))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "gw.example.com",
        "//gw.example.com/",
        "ftp://gw.example.com/",
        "https://",
        "https:///path",
        "https://gw.example.com:99999/",
        "https://gw.example.com:/",
        "https://gw.example.com:port/",
        "https://a@b@gw.example.com/",
        "https://[::1/",
        "https://[::1]x/",
        "https://gw example.com/",
        "https://gw.example.com/#fragment",
        "HTTPS://gw.example.com/",
        "https://gw.example.com/\ud800",
        None,
        7,
        b"https://gw.example.com/",
    ],
)
def test_url_that_makes_no_sense_is_refused(url: object) -> None:
    """A port that cannot be, a broken host, another scheme: a refusal, not an error."""
    try:
        signature = sign(TOKEN, cast(str, url), FORM)
    except (TypeError, UnicodeEncodeError):
        signature = signed()
    assert not verify_webhook(TOKEN, signature, cast(str, url), FORM)
    assert not verify_upgrade(TOKEN, signature, cast(str, url))


def test_long_and_odd_paths_are_signed_like_any_other() -> None:
    """Eight kilobytes and a NUL in the path change nothing."""
    url = "https://gw.example.com/" + "a" * 8_192 + "\x00"
    assert verify_webhook(TOKEN, sign(TOKEN, url, FORM), url, FORM)


@pytest.mark.parametrize("token", ["", None])
def test_nothing_is_genuine_without_a_token(token: object) -> None:
    """An empty key would let everybody sign."""
    assert not verify_webhook(cast(str, token), sign("", URL, FORM), URL, FORM)


SOCKET_FORMS = [
    "wss://gw.example.com/stream",
    "wss://gw.example.com/stream/",
    "wss://gw.example.com:443/stream",
    "wss://gw.example.com:443/stream/",
]


@pytest.mark.parametrize("configured", [*SOCKET_FORMS, "https://gw.example.com/stream"])
@pytest.mark.parametrize("signed_url", SOCKET_FORMS)
def test_upgrade_is_genuine_in_every_canonical_form(configured: str, signed_url: str) -> None:
    """With or without port and trailing slash, on either side."""
    assert verify_upgrade(TOKEN, sign(TOKEN, signed_url, []), configured)


@pytest.mark.parametrize(
    "signed_url",
    [
        "https://gw.example.com/stream",
        "ws://gw.example.com/stream",
        "ws://gw.example.com:80/stream",
        "wss://gw.example.com:80/stream",
        "wss://gw.example.com/stream//",
        "wss://gw.example.com/other",
        "wss://gw.example.com/stream?a=1",
        "wss://other.example.com/stream",
    ],
)
def test_upgrade_signed_over_anything_else_is_refused(signed_url: str) -> None:
    """No other scheme, port, host or path passes."""
    assert not verify_upgrade(TOKEN, sign(TOKEN, signed_url, []), "wss://gw.example.com/stream")


def test_upgrade_with_a_query_is_refused() -> None:
    """The media socket has no query, so no signature over one counts."""
    url = "wss://gw.example.com/stream?token=1"
    assert not verify_upgrade(TOKEN, sign(TOKEN, url, []), url)


def test_upgrade_on_loopback_is_signed_with_its_port() -> None:
    """Demo and tests speak plain ws on a free port."""
    for signed_url in ("ws://127.0.0.1:8123/twilio/media", "ws://127.0.0.1:8123/twilio/media/"):
        assert verify_upgrade(TOKEN, sign(TOKEN, signed_url, []), "http://127.0.0.1:8123/twilio/media")
    dropped = sign(TOKEN, "ws://127.0.0.1/twilio/media", [])
    assert not verify_upgrade(TOKEN, dropped, "http://127.0.0.1:8123/twilio/media")


def test_upgrade_with_form_parameters_signed_is_refused() -> None:
    """A webhook's signature does not open a socket."""
    assert not verify_upgrade(
        TOKEN, sign(TOKEN, "wss://gw.example.com/stream", FORM), "wss://gw.example.com/stream"
    )


def test_honest_form_has_no_fault() -> None:
    """What Twilio sends passes, with its account configured or none."""
    assert check_form(FORM, ACCOUNT_SID) is None
    assert check_form(FORM, None) is None
    assert check_form([*FORM, ("Digits", "1"), ("Digits", "2")], ACCOUNT_SID) is None


@pytest.mark.parametrize(
    ("params", "fault"),
    [
        ([*FORM, FORM[2]], "repeated_parameter"),
        ([*FORM, ("", "")], "empty_name"),
        ([], "bad_call_sid"),
        (FORM[:1], "bad_call_sid"),
        ([*FORM, ("CallSid", "CA" + "2c" * 16)], "bad_call_sid"),
        ([(ACCOUNT_SID, "")], "bad_call_sid"),
        ([("AccountSid", ACCOUNT_SID), ("CallSid", "")], "bad_call_sid"),
        ([("AccountSid", ACCOUNT_SID), ("CallSid", CALL_SID + "0")], "bad_call_sid"),
        ([("AccountSid", ACCOUNT_SID), ("CallSid", CALL_SID + "\n")], "bad_call_sid"),
        ([("AccountSid", ACCOUNT_SID), ("CallSid", "../" + CALL_SID[3:])], "bad_call_sid"),
        ([("AccountSid" + ACCOUNT_SID + "CallSid", CALL_SID)], "bad_call_sid"),
        (FORM[1:], "bad_account_sid"),
        ([("AccountSid", "x"), *FORM[1:]], "bad_account_sid"),
        ([("AccountSid", "AC" + "9" * 32), *FORM[1:]], "wrong_account"),
    ],
)
def test_doubtful_form_is_named(params: list[tuple[str, str]], fault: str) -> None:
    """Each thing that Twilio never sends has its name."""
    assert check_form(params, ACCOUNT_SID) == fault


@pytest.mark.parametrize(
    "forged",
    [
        [*FORM, FORM[2]],
        [*FORM, ("", "")],
        [("AccountSid", ACCOUNT_SID + "".join(name + value for name, value in sorted(FORM)[1:]))],
    ],
)
def test_forged_forms_with_an_unchanged_signature_are_caught_by_the_form_check(
    forged: list[tuple[str, str]],
) -> None:
    """The three forgeries that the scheme itself cannot see, and Twilio's package accepts, get a name."""
    assert sign(TOKEN, URL, forged) == signed()
    assert RequestValidator(TOKEN).validate(URL, MultiDict(forged), signed())
    assert check_form(forged, ACCOUNT_SID) is not None


@given(text.filter(bool), text, pairs)
def test_signature_agrees_with_twilios_package(token: str, url: str, params: list[tuple[str, str]]) -> None:
    """Any token, URL and form, repeats included, is signed as Twilio's own code signs it."""
    assert sign(token, url, params) == RequestValidator(token).compute_signature(url, MultiDict(params))


@given(st.sampled_from(["https", "http"]), hosts, st.sampled_from(["", ":443", ":80", ":8443"]), paths, pairs)
def test_whatever_is_accepted_twilios_package_accepts(
    scheme: str, host: str, port: str, path: str, params: list[tuple[str, str]]
) -> None:
    """We are never laxer than Twilio's own validator, and as lax for https."""
    url, other = f"{scheme}://{host}{port}{path}", f"{scheme}://{host}{path}"
    validator = RequestValidator(TOKEN)
    for signed_url in (url, other):
        signature = sign(TOKEN, signed_url, params)
        ours = verify_webhook(TOKEN, signature, url, params)
        theirs = validator.validate(url, MultiDict(params), signature)
        assert theirs or not ours
        assert ours or not theirs or scheme == "http"


@given(hosts, paths)
def test_socket_accepted_by_twilios_package_is_accepted(host: str, path: str) -> None:
    """The plain form that Twilio's package validates is one of ours."""
    assume(path != "/")
    url = f"wss://{host}{path}"
    signature = RequestValidator(TOKEN).compute_signature(url, {})
    assert verify_upgrade(TOKEN, signature, url)


@given(anything, anything, anything, anything, anything)
def test_verifying_never_raises(
    token: object, signature: object, url: object, params: object, body: object
) -> None:
    """Whatever arrives, the answer is no."""
    assert not verify_webhook(
        cast(str, token),
        cast(str, signature),
        cast(str, url),
        cast("list[tuple[str, str]]", params),
        body=cast(bytes, body),
    )
    assert not verify_upgrade(cast(str, token), cast(str, signature), cast(str, url))
