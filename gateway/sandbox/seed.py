"""What a new sandbox holds: an organization, agents made by REST, numbers, a trunk, calls of the past."""

from datetime import datetime, timedelta

from gateway.audio import wav
from gateway.audio.pcm import from_bytes
from gateway.sandbox import documents
from gateway.sandbox.catalog import Entry
from gateway.sandbox.documents import MAIN_ORGANIZATION, Document
from gateway.sandbox.signals import sine
from gateway.sandbox.stage import RATE_HZ
from gateway.sandbox.stamps import stamp
from gateway.sandbox.store import Tables

BISTRO = "00000000-0000-4000-8000-000000001001"
FRONT_DESK = "00000000-0000-4000-8000-000000001002"
NUMBER = "00000000-0000-4000-8000-000000002001"
SPARE_NUMBER = "00000000-0000-4000-8000-000000002002"
TRUNK = "00000000-0000-4000-8000-000000003001"
ASSIGNMENT = "00000000-0000-4000-8000-000000003101"

_RECORDED = (from_bytes(sine(440.0, 0.5, -18.0)), from_bytes(sine(660.0, 0.5, -18.0)))
"""What is heard of the first call: the caller on the left, the agent on the right."""

AGENTS: tuple[tuple[str, Document], ...] = (
    (
        BISTRO,
        {
            "name": "Vatel Bistro",
            "prompt": "You answer the phone of a small restaurant. You are brief and kind.",
            "first_message": "Hello, this is Vatel Bistro. How can I help you?",
            "phone_number_id": NUMBER,
            "keyterms": ["Vatel", "Bistro"],
        },
    ),
    (
        FRONT_DESK,
        {"name": "Front desk", "first_message": "Good morning, the front desk. What can I do for you?"},
    ),
)
_NUMBERS = ((NUMBER, "+15005550001", "Bistro"), (SPARE_NUMBER, "+15005550002", "Spare"))
_CALLS: tuple[tuple[str, str, str, int, tuple[tuple[str, str], ...]], ...] = (
    (
        "twilio",
        "ended_by_user",
        "+15005550010",
        42,
        (
            ("assistant", "Hello, this is Vatel Bistro. How can I help you?"),
            ("user", "Do you have a table tonight?"),
            ("assistant", "Yes, at eight."),
            ("user", "Thank you, goodbye."),
        ),
    ),
    (
        "sip",
        "transferred",
        "+15005550011",
        75,
        (
            ("assistant", "Hello, this is Vatel Bistro. How can I help you?"),
            ("user", "I would like to speak to the chef."),
            ("assistant", "I will put you through."),
        ),
    ),
    ("api", "ended_by_agent", "", 18, (("assistant", "Goodbye."),)),
)


def version_id(agent_id: str, number: int = 1) -> str:
    """Return the id of a seeded agent's n-th version."""
    return f"{number:08x}{agent_id[8:]}"


def plant(tables: Tables, entries: tuple[Entry, ...], moment: datetime) -> None:
    """Put what is new of a sandbox into its database; what a client has deleted stays deleted."""
    organization = tables.get("organization", MAIN_ORGANIZATION)
    if organization is None:
        return
    planted = set(organization.get("_planted", ()))
    if not planted:
        _plant_example(tables, moment)
    for entry in entries:
        if str(entry.agent_id) not in planted:
            plant_agent(tables, str(entry.agent_id), entry.fields(), moment)
    known = sorted(planted | {str(entry.agent_id) for entry in entries})
    tables.put("organization", {**organization, "_planted": known}, MAIN_ORGANIZATION)


def plant_agent(tables: Tables, agent_id: str, fields: Document, moment: datetime) -> None:
    """Put an agent that can be called, with one version, into the database."""
    at, first = stamp(moment), version_id(agent_id)
    tables.put("agent", documents.agent(agent_id, fields, at, first), MAIN_ORGANIZATION)
    tables.put("version", documents.version(first, agent_id, at, "v1", at), MAIN_ORGANIZATION)


def _plant_example(tables: Tables, moment: datetime) -> None:
    at = stamp(moment)
    for agent_id, fields in AGENTS:
        plant_agent(tables, agent_id, fields, moment)
        draft = documents.version(version_id(agent_id, 2), agent_id, at, "draft")
        tables.put("version", draft, MAIN_ORGANIZATION)
    for document in (*_numbers(at), *_calls(moment)):
        kind: documents.Kind = "number" if "phone_number" in document else "call"
        tables.put(kind, document, MAIN_ORGANIZATION)
    tables.put_recording(_call_id(1), wav.stereo(*_RECORDED, RATE_HZ))
    tables.put("trunk", _trunk(at), MAIN_ORGANIZATION)
    assignment = {"id": ASSIGNMENT, "agent_id": BISTRO, "sip_trunk_id": TRUNK, "number": "100"}
    tables.put("assignment", {**assignment, "created_at": at}, MAIN_ORGANIZATION)


def _numbers(at: str) -> list[Document]:
    return [
        {
            "id": number_id,
            "phone_number": number,
            "phone_sid": f"PN{int(number[1:]):032x}",
            "label": label,
            "account_sid": "AC" + "0" * 32,
            "created_at": at,
            "updated_at": at,
        }
        for number_id, number, label in _NUMBERS
    ]


def _trunk(at: str) -> Document:
    return {
        "id": TRUNK,
        "created_at": at,
        "pbx": "generic",
        "caller_id_transforms": [{"type": "add_prefix", "value": "+"}],
        "inbound_host": "pbx.example.com",
        "inbound_auth_type": "digest",
        "inbound_sip_username": "bistro",
        "inbound_registration_status": "registered",
        "outbound_host": "pbx.example.com",
        "outbound_sip_username": "bistro",
        "outbound_registration_status": "not_registered",
        "register": False,
        "remain_in_dialog": False,
    }


def _call_id(number: int) -> str:
    return f"00000000-0000-4000-8000-00000000400{number}"


def _calls(moment: datetime) -> list[Document]:
    calls = []
    for number, (source, reason, party, seconds, said) in enumerate(_CALLS, start=1):
        began = moment - timedelta(days=number)
        entries = [
            {
                "index": index,
                "role": role,
                "type": "message",
                "message": text,
                "createdAt": stamp(began + timedelta(seconds=4 * index)),
                "durationMs": 1_500,
                "turnId": f"turn-{index}",
            }
            for index, (role, text) in enumerate(said)
        ]
        calls.append(
            {
                "id": _call_id(number),
                "agent_id": BISTRO,
                "graph_version_id": version_id(BISTRO),
                "organization_id": MAIN_ORGANIZATION,
                "party_number": party,
                "status": "ended",
                "source": source,
                "termination_reason": reason,
                "extracted_variables": [],
                "outbound": False,
                "created_at": stamp(began),
                "connected_at": stamp(began),
                "started_at": stamp(began),
                "ended_at": stamp(began + timedelta(seconds=seconds)),
                "summary": f"A call of {seconds} s with Vatel Bistro.",
                "transcript": {"entries": entries},
                "cost": 0.16 if seconds > 60 else 0.08,
                "tags": ["example"],
                "duration_seconds": seconds,
            }
        )
    return calls
