"""Vatel's published contract, and what it says in prose only, made fit for a machine to check."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

from gateway.sandbox import seed
from gateway.sandbox.rest import bodies

ROOT: Final = Path(__file__).parents[2]
PUBLISHED: Final = ROOT.parent / "shared" / "reference" / "vatel-openapi.json"
ABSENT: Final = f"Vatel's contract is not beside this checkout: {PUBLISHED.name}"

Contract = dict[str, Any]

_TUNING: Final = {"type": "number", "minimum": 0, "maximum": 2}
_NUMBERS: Final = [seed.NUMBER, seed.SPARE_NUMBER]
_CALLEE: Final = "+15005550010"
_JWT: Final = r"^[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}$"


def published() -> Contract:
    """Return the contract as published."""
    contract: Contract = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    return contract


def tightened(contract: Contract) -> Contract:
    """Return the contract with the rules of its prose as schemas.

    Without them a generator's valid data would not be: any text passes for the name of a model. What depends
    on the state of the server stays as it is.
    """
    tight = deepcopy(contract)
    for name in ("AgentCreateInput", "AgentUpdateInput"):
        _tighten_agent(tight["components"]["schemas"][name]["properties"])
    schemas, paths = tight["components"]["schemas"], tight["paths"]
    schemas["NoiseCancelSettings"]["properties"]["level"] |= {"minimum": 0, "maximum": 100}
    schemas["TwilioPhoneNumberImportInput"]["properties"]["phone_number"]["pattern"] = r"^\+[1-9][0-9]{6,14}$"
    schemas["TwilioPhoneNumberImportInput"]["properties"]["account_sid"]["pattern"] = "^AC[0-9a-f]{32}$"
    schemas["TwilioPhoneNumberImportInput"]["properties"]["auth_token"]["minLength"] = 1
    trunk_fields = schemas["SipTrunkUpdateInput"]["properties"]
    schemas["SipTrunkUpdateInput"]["anyOf"] = [{"required": [name]} for name in trunk_fields]
    _tighten_queries(paths)
    _link(paths)
    return tight


def _tighten_agent(fields: dict[str, Any]) -> None:
    model = {"type": "string", "enum": ["", *bodies.LLMS]}
    fields |= {"llm": model, "fallback_llm": model}
    fields["default_language"] |= {"enum": list(bodies.LANGUAGES)}
    fields["phone_number_id"] |= {"enum": [*_NUMBERS, None]}
    tuning = dict.fromkeys(("speed", "stability", "similarity_boost", "volume"), _TUNING)
    fields["voice_settings"] = {
        "oneOf": [
            {
                "type": "object",
                "required": ["id", "provider"],
                "properties": {
                    "id": {"type": "string", "enum": [voice["id"]]},
                    "provider": {"type": "string", "enum": [voice["provider"]]},
                    **tuning,
                },
            }
            for voice in bodies.VOICES
        ]
    }


def _tighten_queries(paths: dict[str, Any]) -> None:
    limits: dict[str, dict[str, object]] = {
        "date_from": {"format": "date-time"},
        "date_to": {"format": "date-time"},
    }
    limits |= {"search": {"maxLength": 256}, "tag": {"maxLength": 128}}
    limits |= {"agent_ids": {"pattern": "^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?$"}}
    for parameter in paths["/v1/calls"]["get"]["parameters"]:
        parameter["schema"] |= limits.get(parameter["name"], {})
    for parameter in paths["/v1/agents/{id}/dial"]["post"]["parameters"]:
        if parameter["name"] in ("number", "destination"):
            parameter["schema"] = {"type": "string", "enum": [_CALLEE]}
            parameter["required"] = parameter["name"] == "number"
    connection = paths["/v1/connection"]["get"]
    connection["security"] = []  # its token is in the query
    connection["parameters"][0]["schema"]["pattern"] = _JWT


def _link(paths: dict[str, Any]) -> None:
    """Say which answers hold the ids that other operations take."""
    calls = {"id": "$response.body#/calls/0/id"}
    paths["/v1/calls"]["get"]["responses"]["200"]["links"] = {
        "call": {"operationId": "getCall", "parameters": calls},
        "recording": {"operationId": "downloadCallRecording", "parameters": calls},
    }
    version = {"id": "$response.body#/0/agent_id", "versionId": "$response.body#/0/id"}
    paths["/v1/agents/{id}/versions"]["get"]["responses"]["200"]["links"] = {
        "version": {"operationId": "getAgentGraphVersion", "parameters": version},
        "publish": {"operationId": "publishAgentGraphVersion", "parameters": version},
    }
