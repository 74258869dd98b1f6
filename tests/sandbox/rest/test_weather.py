import pytest

from tests.sandbox.rest.office import Office


async def fault(office: Office, **rule: object) -> None:
    """Put a rule in force."""
    assert (await office.post("/sandbox/faults", rule)).status == 201


@pytest.mark.parametrize("status", [429, 500, 502, 503])
@pytest.mark.parametrize("retry_after_s", [0, 9])
async def test_fault_comes_before_the_operation(office: Office, status: int, retry_after_s: int) -> None:
    """Even a good request gets it, with Retry-After or without."""
    await fault(office, status=status, retry_after_s=retry_after_s)
    answer = await office.get("/v1/agents")
    assert (answer.status, answer.error) == (status, f"a fault on demand: {status}")
    assert answer.headers.get("Retry-After") == ("9" if retry_after_s else None)


async def test_fault_can_be_without_a_body(office: Office) -> None:
    """As a proxy's would be."""
    await fault(office, status=502, body=False)
    assert (await office.get("/v1/agents")).plain == (502, b"")


async def test_fault_is_for_its_path_and_its_times(office: Office) -> None:
    """Other paths are as ever, and after its times this one is."""
    await fault(office, path="/v1/llms", times=1)
    assert (await office.get("/v1/voices")).status == 200
    assert [(await office.get("/v1/llms")).status for _ in range(2)] == [503, 200]


async def test_delay_alone_lets_the_request_through(office: Office) -> None:
    """With status 0 the answer is the operation's own, only later."""
    await fault(office, status=0, delay_s=0.01)
    assert (await office.get("/v1/llms")).status == 200


async def test_errors_of_the_http_layer_are_the_apis_own(office: Office) -> None:
    """An unknown path and an unknown method have error bodies; the latter says what would go."""
    assert (await office.get("/v2/agents")).plain == (404, {"error": "no such path"})
    answer = await office.ask("PUT", "/v1/agents", {})
    assert answer.plain == (405, {"error": "method not allowed"})
    assert answer.headers["Allow"] == "GET,POST"


async def test_body_that_is_too_large_is_413(office: Office) -> None:
    """Nothing that big is kept."""
    limit_bytes = 1024**2  # of aiohttp's
    for size, status in ((limit_bytes, 201), (limit_bytes + 1, 413)):
        body = b'{"name": "' + b"x" * (size - 12) + b'"}'
        assert (await office.ask("POST", "/v1/agents", body)).status == status
