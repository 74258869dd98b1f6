"""Schemathesis against a running sandbox: valid data and invalid, every check, stateful.

python -m tests.contract.fuzzing --examples 60     2,000 cases and more; prints what it found
"""

import argparse
import asyncio
import json
import os
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.sandbox.server import Sandbox
from tests.contract.openapi import ROOT, published, tightened

# Where valid data may meet a state that the contract answers with an error: an agent without a number cannot
# dial (400), nor can a trunk without a host (503); a version must be the agent's own, and published (400); a
# request with a good token that asks for no upgrade gets 400. An assignment's 404 may mean its agent, which a
# generator makes up, and not the trunk that it has just made. All other checks are on: none is off by itself.
_CONFIG: Final = """
[[operations]]
include-name = ["POST /v1/agents/{id}/dial", "POST /v1/session-token", "GET /v1/connection"]
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "400", "401", "403", "404", "503"]
[[operations]]
include-name = "POST /v1/agents/{id}/dial"
[operations.checks.not_a_server_error]
expected-statuses = ["2xx", "4xx", "503"]
[[operations]]
include-name = "POST /v1/sip-trunks/{id}/assignments"
[operations.checks.ensure_resource_availability]
enabled = false
"""
_GENERATED: Final = re.compile(r"([0-9,]+) generated")
_KEY: Final = "fuzzing"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run came to.

    Attributes:
        status: schemathesis' exit status: 0 when nothing was found.
        cases: requests generated.
        output: what it printed.
    """

    status: int
    cases: int
    output: str


async def fuzz(examples: int, seed: int) -> Verdict:
    """Run schemathesis over the whole contract."""
    sandbox = Sandbox(api_key=_KEY, webrtc_url="wss://media.example.com")
    await sandbox.start()
    try:
        with tempfile.TemporaryDirectory() as place:
            return await _run(Path(place), sandbox.url, examples, seed)
    finally:
        await sandbox.stop()


async def _run(place: Path, url: str, examples: int, seed: int) -> Verdict:
    (place / "contract.json").write_text(json.dumps(tightened(published())))
    (place / "schemathesis.toml").write_text(_CONFIG)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", "contract.json", "--url", url),
        *("--mode", "all", "--max-examples", str(examples), "--seed", str(seed)),
        *("-H", f"Authorization: Bearer {_KEY}", "--no-color", "--warnings", "off"),
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.contract.hooks"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = (await process.communicate())[0].decode()
    found = _GENERATED.search(output)
    return Verdict(process.returncode or 0, int(found[1].replace(",", "")) if found else 0, output)


def main() -> int:
    """Fuzz, and print all of it."""
    parser = argparse.ArgumentParser(description="Schemathesis against a running sandbox.")
    parser.add_argument("--examples", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    verdict = asyncio.run(fuzz(arguments.examples, arguments.seed))
    sys.stdout.write(f"{verdict.output}\n{verdict.cases} cases, exit status {verdict.status}\n")
    return verdict.status


if __name__ == "__main__":
    sys.exit(main())
