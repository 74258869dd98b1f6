"""Every route the gateway serves, on one screen."""

from aiohttp import web

from gateway.api.health import Health
from gateway.api.phone import Phone


def routes(phone: Phone, health: Health) -> list[web.RouteDef]:
    """Return the route table."""
    return [
        web.post("/twilio/voice", phone.voice),
        web.post("/twilio/status", phone.callbacks.status),
        web.post("/twilio/amd", phone.callbacks.machine),
        web.post("/twilio/stream-status", phone.callbacks.stream_status),
        web.post("/twilio/resume", phone.resume),
        web.post("/twilio/transferred", phone.transferred),
        web.get("/twilio/media", phone.media),
        web.get("/healthz", health.live),
        web.get("/readyz", health.ready),
    ]
