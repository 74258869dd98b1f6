"""The route table: what is served, by which method, and nothing beside it."""

import pytest

from gateway.api.health import Health
from gateway.api.phone import Phone
from gateway.api.phone_callbacks import PhoneCallbacks
from gateway.api.routes import routes
from tests.front_door import front_door

TABLE = {
    ("POST", "/twilio/voice"): Phone.voice,
    ("POST", "/twilio/status"): PhoneCallbacks.status,
    ("POST", "/twilio/amd"): PhoneCallbacks.machine,
    ("POST", "/twilio/stream-status"): PhoneCallbacks.stream_status,
    ("POST", "/twilio/resume"): Phone.resume,
    ("POST", "/twilio/transferred"): Phone.transferred,
    ("GET", "/twilio/media"): Phone.media,
    ("GET", "/healthz"): Health.live,
    ("GET", "/readyz"): Health.ready,
}


async def test_table_is_the_contract() -> None:
    """Each path of the contract is served by its handler, and no other path is."""
    async with front_door() as door:
        table = {
            (route.method, route.path): getattr(route.handler, "__func__", None)
            for route in routes(door.phone, Health(door.registry))
        }

    assert table == TABLE


@pytest.mark.parametrize("path", ["/", "/metrics", "/.git/config", "/twilio", "/twilio/voice/", "/docs"])
async def test_other_paths_are_not_found(path: str) -> None:
    """What is not in the table is not there."""
    async with front_door() as door:
        for method in ("GET", "POST", "DELETE"):
            url = f"http://127.0.0.1:{door.port}{path}"
            async with door.http.request(method, url) as answer:
                assert answer.status == 404


@pytest.mark.parametrize(("method", "path"), TABLE)
async def test_other_methods_are_refused(method: str, path: str) -> None:
    """A path of the table answers no other method."""
    async with front_door() as door:
        for other in {"GET", "POST", "PUT", "DELETE", "TRACE"} - {method}:
            async with door.http.request(other, f"http://127.0.0.1:{door.port}{path}") as answer:
                assert answer.status == 405
