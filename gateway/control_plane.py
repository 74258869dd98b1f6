"""The control plane put together: the API, the live sockets, and what goes on behind them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time
from importlib.metadata import version

from aiohttp import web

from gateway.api import templates
from gateway.api.control import ControlPlane, control_routes
from gateway.api.health import Health
from gateway.api.live import Live
from gateway.api.live_access import LiveGuard
from gateway.api.post_call import PostCall, VatelRecords
from gateway.api.ratelimit import Limiter
from gateway.api.recordings import RecordingStreams
from gateway.api.remote_control import RemoteControl
from gateway.api.retention import Retention
from gateway.api.webhook_posts import WebhookPosts
from gateway.bridge.registry import Registry
from gateway.dialling.config import DialConfig
from gateway.dialling.outbound import Outbound
from gateway.egress.addresses import Allowance
from gateway.egress.client import Egress
from gateway.egress.destinations import Policy
from gateway.foundations import Foundations
from gateway.ledger.steady import Work
from gateway.settings import Settings
from gateway.storage.dial_policy import DialPolicy
from gateway.storage.outbox import Outbox
from gateway.storage.overview import Overview
from gateway.vatel.rest import VatelClient
from gateway.webhooks.deliveries import Deliveries


def utc_now() -> datetime:
    """Return the wall clock's time, for stamps and expiry."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Plane:
    """Lives as long as the process.

    Attributes:
        routes: of the API and the live sockets.
        works: what is to go on while it is served.
        dismiss: sends those who watch calls away, before the server stops.
        egress: reaches the receivers of webhooks; to be closed once the works have ended.
    """

    routes: list[web.RouteDef]
    works: tuple[Work, ...]
    dismiss: Callable[[], None]
    health: Health
    egress: Egress


def dial_config(settings: Settings) -> DialConfig:
    """Return what placing and answering calls has to know."""
    outbound = settings.outbound
    return DialConfig(
        public_url=settings.public_url or "",
        fill=templates.fill,
        from_number=outbound.from_number,
        ring_timeout_s=outbound.ring_timeout_s,
        policy=dial_policy(settings),
        calls_per_second=outbound.calls_per_second,
        max_active=outbound.max_active,
        default_vatel_agent_id=settings.vatel.agent_id,
        with_variables=outbound.with_variables,
    )


def dial_policy(settings: Settings) -> DialPolicy:
    """Return what placed calls must keep to."""
    outbound = settings.outbound
    return DialPolicy(
        allowed_prefixes=outbound.prefix_list,
        quiet_from=time.fromisoformat(outbound.quiet_from),
        quiet_until=time.fromisoformat(outbound.quiet_until),
        time_zone=outbound.time_zone,
        max_attempts=outbound.max_attempts,
        attempt_window_s=outbound.attempt_window_s,
    )


def webhook_policy(settings: Settings) -> Policy:
    """Return where event webhooks may go."""
    return Policy(Allowance.parse(settings.webhooks.private_list), table="webhooks")


def control_plane(
    settings: Settings, ground: Foundations, registry: Registry, outbound: Outbound, vatel: VatelClient
) -> Plane:
    """Put the control plane together."""
    database, cluster = ground.database, ground.cluster
    overview, records = Overview(database), VatelRecords(vatel)
    webhooks = webhook_policy(settings)
    remote = RemoteControl(
        cluster.commands,
        outbound.stop,
        ground.recordings,
        overview.count_live,
        lambda: settings.calls.max_active * cluster.nodes,
    )
    plane = ControlPlane(
        database=database,
        limits=cluster.limits,
        new_call=outbound.new_call,
        place_call=outbound.place_call,
        fetch_record=records.fetch,
        stream_recording=RecordingStreams(ground.recordings.archive).stream,
        control=remote.control(),
        policy=dial_policy(settings),
        default_vatel_agent_id=settings.vatel.agent_id,
        public_url=settings.public_url,
        origins=settings.api.origin_list,
        webhooks=webhooks,
        requests_per_key=settings.api.requests_per_minute,
        version=version("vatel-gateway"),
        now=utc_now,
    )
    live = Live(
        database,
        cluster.events,
        LiveGuard(database, settings.public_url, settings.api.origin_list),
        Limiter(cluster.limits, settings.api.requests_per_minute),
        utc_now,
    )
    egress = Egress(webhooks)
    posts = WebhookPosts(database, egress)
    deliveries = Deliveries(Outbox(database), posts.send, posts.sign, node=cluster.node)
    database.when_outbox_fills(deliveries.poke)
    works = (
        outbound.run,
        live.run,
        deliveries.run,
        PostCall(database, records.fetch, cluster.leases, utc_now).run,
        Retention(database, ground.recordings, utc_now).run,
    )
    routes = [*control_routes(plane), *live.routes()]
    return Plane(routes, works, live.dismiss, Health(registry, Overview(database.for_calls).answers), egress)
