"""Signatures: the stock receiver verifies ours, ours the stock sender's, and nothing altered passes."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from gateway.egress.signing import SigningKey, sign, verify

OLD_TEXT = "whsec_" + base64.b64encode(bytes(range(32))).decode()
NEW_TEXT = "whsec_" + base64.b64encode(bytes(range(100, 132))).decode()
OTHER_TEXT = "whsec_" + base64.b64encode(b"x" * 24).decode()
OLD, NEW, OTHER = (SigningKey.parse(text) for text in (OLD_TEXT, NEW_TEXT, OTHER_TEXT))
BODY = json.dumps({"tool": "book_table", "arguments": {"name": "Zoë"}}).encode()
ID = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"
NOW = 1_800_000_000

ids = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="."), min_size=1, max_size=40
)
bodies = st.binary(max_size=60)
times = st.integers(0, 4_000_000_000)


def clock() -> int:
    """Return the time by which the stock package judges."""
    return int(datetime.now(UTC).timestamp())


def stock_accepts(text: str, headers: dict[str, str], body: bytes) -> bool:
    """Tell whether a receiver with the stock package and one key takes a request."""
    try:
        Webhook(text).verify(body, headers, json_parse=False)
    except WebhookVerificationError:
        return False
    return True


# --- against the stock package


def test_published_vector_is_computed() -> None:
    """The example in the specification and in every reference package gives exactly its signature."""
    key = SigningKey.parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = sign([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_stock_receiver_verifies_our_request() -> None:
    """Ten lines with a package are enough at the other end."""
    assert stock_accepts(OLD_TEXT, sign([OLD], ID, clock(), BODY), BODY)
    assert not stock_accepts(NEW_TEXT, sign([OLD], ID, clock(), BODY), BODY)


@pytest.mark.parametrize(
    "alter",
    [
        lambda headers, body: (headers, body + b" "),
        lambda headers, body: (headers, b""),
        lambda headers, body: ({**headers, "webhook-id": ID + "x"}, body),
        lambda headers, body: ({**headers, "webhook-timestamp": str(clock() - 7)}, body),
        lambda headers, body: ({**headers, "webhook-timestamp": str(clock() - 400)}, body),
        lambda headers, body: ({**headers, "webhook-signature": "v1," + "A" * 43 + "="}, body),
        lambda headers, body: (
            {**headers, "webhook-signature": "v1a" + headers["webhook-signature"][2:]},
            body,
        ),
        lambda headers, body: ({**headers, "webhook-signature": ""}, body),
    ],
    ids=["body", "no body", "id", "time", "old time", "signature", "version", "no signature"],
)
def test_altered_request_is_refused_by_the_stock_receiver_and_by_ours(
    alter: Callable[[dict[str, str], bytes], tuple[dict[str, str], bytes]],
) -> None:
    """A byte of the body, the id, the time or the signature changed is no longer ours."""
    headers, body = alter(sign([OLD], ID, clock(), BODY), BODY)

    assert not stock_accepts(OLD_TEXT, headers, body)
    assert verify([OLD], headers, body, clock()) is not None


def test_both_keys_verify_during_a_rotation_and_the_old_one_not_after_it() -> None:
    """Receivers move to the new key one by one, and then the old one is worth nothing."""
    before = sign([OLD], ID, clock(), BODY)
    during = sign([NEW, OLD], ID, clock(), BODY)
    after = sign([NEW], ID, clock(), BODY)
    accepts = [
        (stock_accepts(OLD_TEXT, headers, BODY), stock_accepts(NEW_TEXT, headers, BODY))
        for headers in (before, during, after)
    ]

    assert accepts == [(True, False), (True, True), (False, True)]


def test_first_key_signs_first() -> None:
    """A receiver that reads one signature only reads the new one."""
    both = sign([NEW, OLD], ID, NOW, BODY)["webhook-signature"]
    alone = [sign([key], ID, NOW, BODY)["webhook-signature"] for key in (NEW, OLD)]

    assert both.split(" ") == alone


def test_stock_sender_is_verified_by_ours() -> None:
    """What the package signs is genuine here."""
    at = datetime.now(UTC)
    signature = Webhook(OLD_TEXT).sign(ID, at, BODY.decode())
    headers = {
        "Webhook-Id": ID,
        "Webhook-Timestamp": str(int(at.timestamp())),
        "Webhook-Signature": signature,
    }

    assert verify([NEW, OLD], headers, BODY, clock()) is None
    assert verify([NEW], headers, BODY, clock()) is not None


# --- signing


def test_request_is_marked_but_not_signed_without_keys() -> None:
    """The receiver can still see repeats."""
    assert sign([], ID, NOW, BODY) == {"webhook-id": ID, "webhook-timestamp": str(NOW)}


@pytest.mark.parametrize("message_id", ["", "a.b", "a b", "a\r\nb", "ä", "\x00", "a" * 257])
def test_id_that_could_be_read_otherwise_is_refused(message_id: str) -> None:
    """A full stop would move the border between id and time."""
    with pytest.raises(
        ValueError, match="the message id must be 1 to 256 visible ASCII characters without a full"
    ):
        sign([OLD], message_id, NOW, BODY)


def test_negative_time_is_refused() -> None:
    """There is no such timestamp."""
    with pytest.raises(ValueError, match="the timestamp must not be negative"):
        sign([OLD], ID, -1, BODY)


@given(ids, times, bodies)
def test_every_request_verifies_with_each_of_its_keys_only(message_id: str, now: int, body: bytes) -> None:
    """Signing and verifying are each other's inverse, bytes that are no text included."""
    headers = sign([NEW, OLD], message_id, now, body)

    assert [verify([key], headers, body, now) is None for key in (NEW, OLD, OTHER)] == [True, True, False]


@given(ids, times, bodies, ids, times, bodies)
def test_no_two_requests_share_a_signature(
    first_id: str, first_time: int, first_body: bytes, second_id: str, second_time: int, second_body: bytes
) -> None:
    """The parts that are signed cannot run into each other."""
    assume((first_id, first_time, first_body) != (second_id, second_time, second_body))
    first = sign([OLD], first_id, first_time, first_body)
    second = sign([OLD], second_id, second_time, second_body)

    assert first["webhook-signature"] != second["webhook-signature"]


# --- verifying


@pytest.mark.parametrize(
    ("off_s", "genuine"), [(0, True), (300, True), (-300, True), (301, False), (-301, False), (86_400, False)]
)
def test_request_is_genuine_for_five_minutes(off_s: int, genuine: bool) -> None:
    """Neither a replay nor a clock far ahead passes."""
    headers = sign([OLD], ID, NOW, BODY)

    assert (verify([OLD], headers, BODY, NOW + off_s) is None) is genuine


def test_tolerance_may_be_another() -> None:
    """A receiver behind a slow queue may wait longer."""
    headers = sign([OLD], ID, NOW, BODY)

    assert verify([OLD], headers, BODY, NOW + 900, tolerance_s=900) is None
    assert "more than 10 seconds ago" in (verify([OLD], headers, BODY, NOW + 11, tolerance_s=10) or "")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"webhook-id": None}, "webhook-id is missing"),
        ({"webhook-id": ""}, "webhook-id is missing"),
        ({"webhook-id": "a.b"}, "is no message id"),
        ({"webhook-timestamp": None}, "webhook-timestamp is missing"),
        ({"webhook-timestamp": "soon"}, "no Unix time"),
        ({"webhook-timestamp": "1e9"}, "no Unix time"),
        ({"webhook-timestamp": "-5"}, "no Unix time"),
        ({"webhook-timestamp": "١٢٣"}, "no Unix time"),
        ({"webhook-timestamp": "9" * 5000}, "no Unix time"),
        ({"webhook-signature": None}, "webhook-signature is missing"),
        ({"webhook-signature": "v1"}, "no v1 signature"),
        ({"webhook-signature": "v1a,AAAA v2,AAAA"}, "no v1 signature"),
        ({"webhook-signature": "v1,"}, "no signature is that of a known key"),
        ({"webhook-signature": "v1,é\ud800"}, "no signature is that of a known key"),
    ],
)
def test_fault_of_a_request_is_named(changes: dict[str, str | None], said: str) -> None:
    """A receiver's author sees which header is to blame."""
    changed = {**sign([OLD], ID, NOW, BODY), **changes}
    headers = {name: value for name, value in changed.items() if value is not None}

    assert said in (verify([OLD], headers, BODY, NOW) or "")


def test_nothing_is_genuine_without_a_key() -> None:
    """An empty list opens no door."""
    assert verify([], sign([OLD], ID, NOW, BODY), BODY, NOW) is not None


def test_foreign_signatures_before_ours_do_no_harm() -> None:
    """Unknown versions and keys are passed over; a header full of claims is not read to its end."""
    headers = sign([OLD], ID, NOW, BODY)
    ours = headers["webhook-signature"]

    assert verify([OLD], {**headers, "webhook-signature": f"v1a,x v1,AAAA {ours}"}, BODY, NOW) is None
    assert verify([OLD], {**headers, "webhook-signature": "v1,AAAA " * 1000 + ours}, BODY, NOW) is not None


# --- keys


@pytest.mark.parametrize("size", [24, 25, 26, 32, 64])
@pytest.mark.parametrize("padded", [True, False])
def test_key_is_read_padded_or_not_as_the_stock_package_does(size: int, padded: bool) -> None:
    """Whatever a dashboard shows can be copied."""
    coded = base64.b64encode(bytes(range(size))).decode()
    text = "whsec_" + (coded if padded else coded.rstrip("="))
    headers = sign([SigningKey.parse(text)], ID, clock(), BODY)

    assert stock_accepts(text, headers, BODY)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "does not start with whsec_: write whsec_ and base64"),
        ("s3cret", "does not start with whsec_"),
        ("WHSEC_" + "A" * 32, "does not start with whsec_"),
        (" " + OLD_TEXT, "does not start with whsec_"),
        ("whsec_s3cret!", "is not base64 after whsec_: copy it whole"),
        ("whsec_" + "s3cret\n" * 6, "is not base64"),
        ("whsec_" + "s3crets3cret" * 3 + "_-", "is not base64"),
        ("whsec_" + "s3crét" * 6, "is not base64"),
        ("whsec_" + "s3cretA", "has 5 bytes: use 24 to 64 random ones"),
        ("whsec_", "has 0 bytes"),
        ("whsec_" + base64.b64encode(b"s3cret" * 3 + b"s3cre").decode(), "has 23 bytes"),
        ("whsec_" + base64.b64encode(b"s" * 65).decode(), "has 65 bytes"),
    ],
)
def test_text_that_is_no_key_is_refused_without_showing_it(text: str, said: str) -> None:
    """The operator reads what is wrong; nobody reads the secret, not even in what caused the error."""
    with pytest.raises(ValueError, match=said) as caught:
        SigningKey.parse(text)

    assert "s3cret" not in str(caught.value)
    assert caught.value.__context__ is None


def test_key_never_shows_its_secret() -> None:
    """Neither a log of settings nor a traceback with values gives it away."""
    shown = f"{OLD} {OLD!r} {[OLD]} {OLD:}"

    assert shown == "SigningKey(***) SigningKey(***) [SigningKey(***)] SigningKey(***)"
    assert not hasattr(OLD, "__dict__")


def test_stock_receiver_refuses_what_is_old_by_its_own_clock() -> None:
    """Its five minutes are ours."""
    past = clock() - int(timedelta(minutes=6).total_seconds())

    assert not stock_accepts(OLD_TEXT, sign([OLD], ID, past, BODY), BODY)
