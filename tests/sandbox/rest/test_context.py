import asyncio
from datetime import UTC, datetime, timedelta

from gateway.sandbox import stamps
from gateway.sandbox.httpfaults import HttpFaults
from gateway.sandbox.organizations import Organizations
from gateway.sandbox.rest.context import Api, at, moment
from gateway.sandbox.roster import Roster
from gateway.sandbox.store import Store
from gateway.sandbox.tokens import Tokens


async def test_hanging_up_stops_the_timers_of_dialled_calls() -> None:
    """What was to happen to a call that is given up does not happen."""
    api = Api(Store(), Roster(()), Organizations(), Tokens(b"s"), HttpFaults())
    happened: list[int] = []
    api.outbound.add(asyncio.get_running_loop().call_later(0.01, happened.append, 1))
    api.hang_up()
    await asyncio.sleep(0.03)
    assert (happened, api.outbound) == ([], set())


def test_now_is_now() -> None:
    """Moments are in UTC, and written as the API writes them."""
    assert abs(moment() - datetime.now(UTC)) < timedelta(seconds=5)
    assert stamps.read(at()) <= stamps.stamp(moment())
