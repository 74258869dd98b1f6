"""The control API put together: every route below ``/api/v1``, its description and its page, as one list."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiohttp import web

from gateway.api.accounts import KeysApi, OrganizationsApi
from gateway.api.agents import AgentsApi
from gateway.api.auth import Guard
from gateway.api.call_access import CallAccessApi, StreamRecording
from gateway.api.call_control import CallControl, CallControlApi
from gateway.api.calls import CallsApi, FetchRecord
from gateway.api.deliveries import DeliveriesApi, SuppressionApi
from gateway.api.docs import Docs
from gateway.api.door import Door
from gateway.api.fields import PUBLIC_WEBHOOKS
from gateway.api.openapi import openapi
from gateway.api.operations import Operation, operations_of
from gateway.api.passwords import Passwords
from gateway.api.people import PeopleApi
from gateway.api.ratelimit import CALLS_PER_KEY, REQUESTS_PER_KEY, Limiter
from gateway.api.tasks import NewCallOf, PlaceCall, TasksApi
from gateway.cluster.interface import RateLimits
from gateway.egress.destinations import Policy
from gateway.storage.database import Database
from gateway.storage.dial_policy import DialPolicy


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlane:
    """What the control API stands on; lives as long as the process.

    Attributes:
        limits: where requests are counted.
        new_call: makes the call of a task.
        place_call: asks Twilio for a call.
        fetch_record: asks the agent platform for its record of a call.
        stream_recording: answers with a call's audio.
        control: what else can be done to calls.
        policy: what every outbound call must keep to.
        default_vatel_agent_id: who talks where an agent names no Vatel agent.
        public_url: where this API is reached by others; https makes cookies secure.
        origins: further origins whose pages may act for signed-in users.
        webhooks: where they may go.
        requests_per_key: within a minute.
        calls_per_key: placed within a day.
        version: this program's, for the description.
        now: the wall clock.
    """

    database: Database
    limits: RateLimits
    new_call: NewCallOf
    place_call: PlaceCall
    fetch_record: FetchRecord
    stream_recording: StreamRecording
    control: CallControl
    policy: DialPolicy = field(default_factory=DialPolicy)
    default_vatel_agent_id: str | None = None
    public_url: str | None = None
    origins: Collection[str] = ()
    webhooks: Policy = PUBLIC_WEBHOOKS
    passwords: Passwords = field(default_factory=Passwords)
    requests_per_key: int = REQUESTS_PER_KEY
    calls_per_key: int = CALLS_PER_KEY
    version: str = "0"
    now: Callable[[], datetime] = _utc_now


def control_routes(plane: ControlPlane) -> list[web.RouteDef]:
    """Return the routes of the whole control API."""
    guard = Guard(plane.database, plane.public_url, plane.origins)
    limiter = Limiter(plane.limits, plane.requests_per_key, plane.calls_per_key)
    operations = _operations(plane, guard, limiter)
    door = Door(guard, limiter, plane.now, plane.webhooks)
    docs = Docs(lambda: openapi(operations, plane.version, guard.cookie))
    return [*door.routes(operations), *docs.routes()]


def _operations(plane: ControlPlane, guard: Guard, limiter: Limiter) -> list[Operation]:
    database = plane.database
    tasks = TasksApi(
        database,
        limiter=limiter,
        policy=plane.policy,
        new_call=plane.new_call,
        place_call=plane.place_call,
        default_vatel_agent_id=plane.default_vatel_agent_id,
    )
    parts = [
        AgentsApi(database),
        tasks,
        CallsApi(database, plane.fetch_record),
        CallControlApi(database, plane.control),
        CallAccessApi(database, plane.stream_recording, plane.public_url),
        DeliveriesApi(database),
        SuppressionApi(database),
        KeysApi(database),
        OrganizationsApi(database),
        PeopleApi(database, guard, limiter, plane.passwords),
    ]
    return [operation for part in parts for operation in operations_of(part)]
