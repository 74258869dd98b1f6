"""Who may watch: the rules that the sockets' own tests do not show."""

from datetime import timedelta

import pytest
from aiohttp.test_utils import make_mocked_request

from gateway.api.envelope import Refusal
from gateway.api.first_start import create_key
from gateway.api.live_access import LiveGuard, Pass
from gateway.api.tokens import hash_token
from gateway.storage.api_keys import AccessTokens, ApiKeys
from gateway.storage.rows import AccessToken
from tests.tenants import NOW, Tenant, an_id

OURS = "https://voice.example.com"


async def test_key_is_recognized_and_its_use_is_noted_once_a_minute(acme: Tenant) -> None:
    """Watching is a use of the key; not every socket writes that down."""
    guard = LiveGuard(acme.database, OURS)
    key, text = await create_key(acme.database, acme.id, "k", ["read"], NOW)
    request = make_mocked_request("GET", f"/ws/calls/x?api_key={text}")
    shown = await guard.recognize(request, "x", NOW)
    first = await ApiKeys(acme.database).find(acme.id, key.id)
    await guard.recognize(request, "x", NOW + timedelta(seconds=59))
    second = await ApiKeys(acme.database).find(acme.id, key.id)

    assert shown == Pass(acme.id, key.id, key.public_id)
    assert first is not None
    assert first.last_used_at == NOW
    assert second == first


async def test_key_that_may_not_read_may_not_watch(acme: Tenant) -> None:
    """Watching is reading."""
    _, text = await create_key(acme.database, acme.id, "k", ["write", "calls"], NOW)
    request = make_mocked_request("GET", f"/ws/calls/x?api_key={text}")

    with pytest.raises(Refusal) as refused:
        await LiveGuard(acme.database, OURS).recognize(request, "x", NOW)

    assert (refused.value.status, refused.value.details["scope"]) == (403, "read")


@pytest.mark.parametrize("shown", ["", "va_", "x" * 10_000, "va_" + "0" * 16 + "_" + "0" * 43])
async def test_what_is_no_key_is_refused_alike(acme: Tenant, shown: str) -> None:
    """Nothing, nonsense, too much, and a key that does not exist: the same 401."""
    request = make_mocked_request("GET", f"/ws/calls/x?api_key={shown}")

    with pytest.raises(Refusal) as refused:
        await LiveGuard(acme.database, OURS).recognize(request, "x", NOW)

    assert (refused.value.status, refused.value.details["reason"]) == (401, "unauthorized")


async def test_token_goes_before_a_key(acme: Tenant) -> None:
    """A token that is given counts, even beside a key that would do."""
    call = await acme.talk()
    key, text = await create_key(acme.database, acme.id, "k", ["read"], NOW)
    expires_at = NOW + timedelta(minutes=5)
    access = AccessToken(
        organization_id=acme.id, call_id=call.id, purpose="live", api_key_id=key.id, expires_at=expires_at
    )
    await AccessTokens(acme.database).add(access, hash_token("token"), NOW)
    guard = LiveGuard(acme.database, OURS)
    good = make_mocked_request("GET", "/ws?session_token=token")
    bad = make_mocked_request("GET", f"/ws?session_token=other&api_key={text}")

    assert await guard.recognize(good, call.id, NOW) == Pass(acme.id, key.id, None, expires_at)
    with pytest.raises(Refusal):
        await guard.recognize(bad, call.id, NOW)
    with pytest.raises(Refusal):
        await guard.recognize(good, call.id, expires_at)


@pytest.mark.parametrize(
    ("origin", "welcome"),
    [
        (None, True),
        (OURS, True),
        ("https://desk.example.com", True),
        ("null", False),
        ("http://voice.example.com", False),
        ("https://voice.example.com.evil.example", False),
    ],
)
def test_pages_are_known_by_their_whole_origin(acme: Tenant, origin: str | None, welcome: bool) -> None:
    """Scheme, host and port must be the same; a sandboxed page has none."""
    guard = LiveGuard(acme.database, OURS + "/prefix", ["https://desk.example.com"])
    request = make_mocked_request("GET", "/ws", headers={} if origin is None else {"Origin": origin})

    if welcome:
        guard.check_page(request)
    else:
        with pytest.raises(Refusal, match="origin"):
            guard.check_page(request)


async def test_pass_that_nothing_stands_behind_any_more(acme: Tenant) -> None:
    """A key that is gone, revoked, or regenerated gives no right; a token of a regenerated one still does."""
    guard, keys = LiveGuard(acme.database, None), ApiKeys(acme.database)
    key, _ = await create_key(acme.database, acme.id, "k", ["read"], NOW)
    by_key, by_token = Pass(acme.id, key.id, key.public_id), Pass(acme.id, key.id)

    assert [await guard.still_good(one) for one in (by_key, by_token, Pass(acme.id, None))] == [True] * 3
    await keys.regenerate(acme.id, key.id, "0" * 16, "0" * 64)
    assert [await guard.still_good(one) for one in (by_key, by_token)] == [False, True]
    await keys.revoke(acme.id, key.id, NOW)
    assert not await guard.still_good(by_token)
    assert not await guard.still_good(Pass(acme.id, an_id()))


async def test_call_of_somebody_else_is_not_there(acme: Tenant, rival: Tenant) -> None:
    """Another organization's call cannot be told from one that does not exist."""
    call = await acme.ring()
    guard = LiveGuard(acme.database, None)

    assert (await guard.call(acme.id, call.id)).id == call.id
    with pytest.raises(Refusal) as refused:
        await guard.call(rival.id, call.id)
    assert refused.value.status == 404
