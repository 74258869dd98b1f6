"""The endpoint to copy, asked by a sender that is not ours: the stock ``standardwebhooks`` package."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp.test_utils import TestClient, TestServer
from standardwebhooks import Webhook

from gateway.tooling.receiver import application, is_genuine

KEY = "whsec_" + base64.b64encode(b"k" * 24).decode()
OTHER = "whsec_" + base64.b64encode(b"o" * 24).decode()
BODY = '{"tool": "look_up", "arguments": {"name": "Ada"}}'
NOW = datetime(2026, 11, 26, 3, 0, tzinfo=UTC)


def signed(key: str = KEY, body: str = BODY, at: datetime = NOW) -> dict[str, str]:
    """Return the headers of a request."""
    return {
        "webhook-id": "tool_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(key).sign("tool_1", at, body),
    }


def test_a_genuine_request_is_believed() -> None:
    """What the stock package has signed passes."""
    assert is_genuine(KEY, signed(), BODY.encode(), NOW.timestamp())


def test_one_good_signature_of_several_is_enough() -> None:
    """While keys rotate the header holds a signature of each."""
    headers = signed() | {
        "webhook-signature": f"{signed(OTHER)['webhook-signature']} {signed()['webhook-signature']}"
    }

    assert is_genuine(KEY, headers, BODY.encode(), NOW.timestamp())


@pytest.mark.parametrize(
    "headers",
    [
        signed(OTHER),
        signed() | {"webhook-id": "tool_2"},
        signed() | {"webhook-timestamp": str(int(NOW.timestamp()) + 1)},
        signed() | {"webhook-signature": "v1,"},
        signed() | {"webhook-signature": "é"},
        signed(at=NOW - timedelta(seconds=301)),
        signed(at=NOW + timedelta(seconds=302)),
        {},
    ],
    ids=["other key", "other id", "other time", "empty", "not ascii", "old", "of the future", "none"],
)
def test_what_was_altered_is_not(headers: dict[str, str]) -> None:
    """Nothing but the very request that was signed, within five minutes, passes."""
    assert not is_genuine(KEY, headers, BODY.encode(), NOW.timestamp())


def test_an_altered_body_is_not_believed() -> None:
    """The signature is over the bytes."""
    assert not is_genuine(KEY, signed(), BODY.replace("Ada", "Eve").encode(), NOW.timestamp())


@pytest.mark.parametrize(("key", "status"), [(KEY, 200), (OTHER, 401), (None, 200)])
async def test_endpoint_answers_whom_it_believes(key: str | None, status: int) -> None:
    """Over HTTP: its own key passes, another does not, without one everybody does."""
    async with TestClient(TestServer(application(key))) as client:
        answer = await client.post("/tools", data=BODY, headers=signed(at=datetime.now(UTC)))

        assert answer.status == status
        if status == 200:
            assert (await answer.json())["you_sent"] == {"name": "Ada"}
