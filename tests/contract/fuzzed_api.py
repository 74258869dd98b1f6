"""Fuzz the control API by its own description: ``python -m tests.contract.fuzzed_api --max-time 600``.

Schemathesis, a program of its own, asks a real server over a real database, as two tenants with API keys and
as a signed-in person; every check it has is on. The suite runs a short, seeded round of it.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import patch
from uuid import UUID

from gateway.api import door
from gateway.api.first_start import invite
from gateway.cluster.interface import RateDecision
from gateway.storage.database import Database
from gateway.storage.migrations import migrate
from tests.control_room import ControlRoom, control_room
from tests.databases import postgres_server
from tests.tenants import HUNG_UP, NOW

PASSWORD = "correct horse battery staple"
SESSION_TAGS = ("api-keys", "organizations", "users", "session", "sign-in", "sign-out")


class Unlimited:
    """Limits that limit nothing, so that a refusal is never a matter of speed."""

    async def hit(self, key: str, *, limit: int, window_s: float = 60.0) -> RateDecision:
        """Allow."""
        return RateDecision(allowed=True, limit=limit, remaining=limit - 1, reset_s=0.0)


@asynccontextmanager
async def furnished(database: Database) -> AsyncIterator[ControlRoom]:
    """Open the API with something of everything for both tenants."""
    # Two answers about one thing must be alike to the letter, or Schemathesis sees no leak between tenants.
    with patch.object(door, "uuid4", lambda: UUID(int=0)):
        async with control_room(database, limits=Unlimited()) as room:
            await furnish(room)
            yield room


async def furnish(room: ControlRoom) -> None:
    """Make something of everything for both tenants."""
    for owner in (room.acme, room.rival):
        await owner.add_task()
        await owner.executed(HUNG_UP, webhook_url="https://example.com/hook")
        await owner.finished()
        await owner.talk()


async def cookie_of_a_person(room: ControlRoom) -> str:
    """Sign a person of the first tenant in; return the cookie."""
    _, token = await invite(room.database, room.acme.id, "ada@example.com", NOW)
    body = {"token": token, "name": "Ada", "password": PASSWORD}
    joined = await room.post("/users/accept", body, key=None, headers={"X-Requested-With": "tests"})
    return joined.headers["Set-Cookie"].partition("=")[2].partition(";")[0]


CONFIGURATION = f"""
hooks = "{Path(__file__).with_name("fuzz_hooks.py")}"

[generation]
# What no database takes is refused, which no schema can say: NUL, and half a surrogate pair.
allow-x00 = false
codec = "utf-8"

[checks.positive_data_acceptance]
# By contract 400 is also the answer when a thing's state does not allow something; the hook looks at those.
expected-statuses = ["2xx", 400, 401, 403, 404, 503]

[[operations]]
# An erased call's id and times stay, so it can still be read.
include-path-regex = "/calls/"
checks.use_after_free.enabled = false
"""


def write_configuration(folder: Path, room: ControlRoom, cookie: str) -> None:
    """Tell Schemathesis who the two tenants and the person are."""
    users = [
        {"name": name, "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {room.keys[name]}"}]}
        for name in ("acme", "rival")
    ]
    auth = folder / "auth.json"
    auth.write_text(json.dumps({"schema_version": "0.2.0", "auth": users}))
    peers = f'[auth.wfc]\npath = "{auth}"\nuser = "acme"\npeers = ["acme", "rival"]\n'
    (folder / "keys.toml").write_text(CONFIGURATION + peers)
    (folder / "session.toml").write_text(f'{CONFIGURATION}[auth.openapi.session]\napi_key = "{cookie}"\n')


async def run(room: ControlRoom, folder: Path, arguments: list[str]) -> tuple[int, str]:
    """Run Schemathesis as the tenants, then as a person; return the worse status and all it said."""
    write_configuration(folder, room, await cookie_of_a_person(room))
    url = f"http://127.0.0.1:{room.port}/openapi.json"
    of_people = [f"--include-tag={tag}" for tag in SESSION_TAGS]
    of_keys = [f"--exclude-tag={tag}" for tag in SESSION_TAGS]
    # Signing out would end the session that the others need.
    person = ["-H", "X-Requested-With: tests", "--exclude-operation-id=sign_out"]
    worst, said = 0, ""
    for name, more in (("keys", of_keys), ("session", [*of_people, *person])):
        command = ["--config-file", str(folder / f"{name}.toml"), "run", url, *more, *arguments]
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("schemathesis")),
            *command,
            cwd=folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        worst, said = max(worst, process.returncode or 0), said + output.decode()
    return worst, said


async def fuzz(url: str, arguments: list[str]) -> int:
    """Fuzz over an empty database; print what Schemathesis says."""
    database = Database.open(url, patient=True)
    folder = Path(tempfile.mkdtemp(prefix="fuzzed-"))
    try:
        await migrate(database)
        async with furnished(database) as room:
            status, said = await run(room, folder, arguments)
    finally:
        await database.close()
        shutil.rmtree(folder, ignore_errors=True)
    print(said)  # noqa: T201 - a command's own voice
    return status


def main() -> int:
    """Fuzz for as long as asked, on the engine asked for."""
    parser = argparse.ArgumentParser(description="Further arguments go to `schemathesis run`.")
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    given, rest = parser.parse_known_args()
    if given.engine == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            return asyncio.run(fuzz(f"sqlite:///{folder}/fuzzed.db", rest))
    with postgres_server() as server:
        return asyncio.run(fuzz(asyncio.run(server.create("template0")), rest))


if __name__ == "__main__":
    sys.exit(main())
