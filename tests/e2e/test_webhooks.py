"""Event webhooks of placed calls, from a gateway in a process of its own to a receiver by https."""

import shutil
from collections import Counter
from pathlib import Path

import trustme

from gateway.api.first_start import ALL_SCOPES, create_key
from gateway.simulator.caller import SilentCaller
from gateway.simulator.options import CallOptions
from gateway.storage.database import Database
from tests.databases import sqlite_template
from tests.e2e.acts import Acts, speak, tone
from tests.e2e.office import Office, office
from tests.e2e.process import GatewayProcess, outpost
from tests.e2e.running import run
from tests.receiver import HOST, Receiver
from tests.tenants import CALLEE, NOW, OURS, Tenant, tenant

__all__ = ["sqlite_template"]

TALK = Acts(((0.1, speak("hello", tone(500.0, 0.2), "Good morning.")),))
FORBIDDEN = ("https://10.1.2.3/hook", "https://169.254.169.254/hook", "https://[::1]/hook")


async def executed(desk: Office, agent_id: str, url: str) -> str:
    """Create a task with a webhook and execute it; return the id of its call."""
    wanted = {"agent_id": agent_id, "name": "Remind", "to_number": CALLEE, "webhook_url": url}
    task = await desk.ask("POST", "/tasks", wanted, 201)
    call_id: str = (await desk.ask("POST", f"/tasks/{task['id']}/execute"))["call_id"]
    return call_id


async def refused(desk: Office, agent_id: str) -> None:
    """Hold webhooks to the networks that are allowed, as a task is saved."""
    for url in FORBIDDEN:
        wanted = {"agent_id": agent_id, "name": "Remind", "to_number": CALLEE, "webhook_url": url}
        told = await desk.ask("POST", "/tasks", wanted, 400)
        assert told["field"] == "webhook_url"


async def told_of_each(gateway: GatewayProcess, desk: Office, hook: Receiver, acme: Tenant) -> None:
    """Place calls that are talked on and one that nobody takes; hold the receiver to have heard of each."""
    gateway.simulator.callee = SilentCaller(0.4)
    talked = [await executed(desk, acme.agent.id, hook.url) for _ in range(3)]
    gateway.simulator.fate = CallOptions(unanswered="busy")
    unanswered = await executed(desk, acme.agent.id, hook.url)
    await hook.until(7)
    booked = await desk.until(
        "/webhook-deliveries", lambda page: {one["state"] for one in page["items"]} == {"delivered"}
    )

    assert [hook.of(call) for call in talked] == [["call_started", "call_completed"]] * 3
    assert hook.of(unanswered) == ["call_failed"]
    assert hook.forged == 0
    # Each came once: one try each, and nothing is left to be sent.
    assert Counter(one.id for one in hook.taken) == {one["id"]: one["attempts"] for one in booked["items"]}
    assert {one["attempts"] for one in booked["items"]} == {1}
    excerpt = next(one.body for one in hook.taken if one.kind == "call_completed")["data"]
    assert "Good morning." in str(excerpt["transcript_excerpt"])


def test_events_reach_a_receiver_in_the_operators_own_network(sqlite_template: Path, tmp_path: Path) -> None:
    """Signed for the stock package, once each, in order per call; SSL_CERT_FILE names who vouches for it."""
    database_file = tmp_path / "gateway.db"
    shutil.copy(sqlite_template, database_file)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    settings = {
        "DATABASE__URL": f"sqlite:///{database_file}",
        "WEBHOOKS__ALLOW_PRIVATE": f"{HOST}/32",
        "OUTBOUND__FROM_NUMBER": OURS,
        "OUTBOUND__CALLS_PER_SECOND": 50,
    }
    trust = {"SSL_CERT_FILE": str(tmp_path / "authority.pem")}

    async def play() -> None:
        database = Database.open(f"sqlite:///{database_file}")
        acme = await tenant(database)
        _, key = await create_key(database, acme.id, "office", ALL_SCOPES, NOW)
        await database.close()
        async with (
            Receiver(acme.organization.webhook_secret, authority) as hook,
            outpost(TALK, settings, trust) as gateway,
            office(gateway.url, key) as desk,
        ):
            await hook.open()
            await refused(desk, acme.agent.id)
            await told_of_each(gateway, desk, hook, acme)

    run(play())
