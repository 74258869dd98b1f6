"""Numbers and SIP trunks over REST: each operation as the contract has it."""

import pytest
from aiohttp import web

from gateway.errors import VatelApiError
from gateway.vatel.models import CallerIdTransform, SipAssignment, SipTrunk, SipTrunkChange, TwilioNumber
from gateway.vatel.rest import VatelClient
from tests.vatel.rest_host import ID, OTHER_ID, RestHost, example

EVERY_FIELD = SipTrunkChange(
    caller_id_transforms=(
        CallerIdTransform(type="add_prefix", value="+33"),
        CallerIdTransform(type="strip_digits_start", number=1),
        CallerIdTransform(type="replace", value="a", value2="b"),
    ),
    inbound_host="sip.example.com",
    inbound_auth_type="digest",
    inbound_sip_username="in",
    inbound_sip_password="pw-in",
    outbound_host="out.example.com",
    outbound_sip_username="out",
    outbound_sip_password="pw-out",
    register=True,
    remain_in_dialog=False,
)


async def test_numbers_are_listed(client: VatelClient, host: RestHost) -> None:
    """GET /v1/twilio/numbers gives every field."""
    (number,) = await client.twilio_numbers.list()

    assert number.phone_number == "some phone_number"
    assert set(example("importTwilioNumber")) == set(TwilioNumber.__struct_fields__)
    assert host.seen[0].operation == "listTwilioNumbers"


async def test_a_number_is_imported(client: VatelClient, host: RestHost) -> None:
    """The three required fields are sent, and the label only when there is one."""
    await client.twilio_numbers.import_number("+331", account_sid="AC1", auth_token="secret")
    await client.twilio_numbers.import_number("+331", account_sid="AC1", auth_token="secret", label="Front")

    required = {"phone_number": "+331", "account_sid": "AC1", "auth_token": "secret"}
    assert [seen.body for seen in host.seen] == [required, {**required, "label": "Front"}]
    assert host.seen[0].operation == "importTwilioNumber"


@pytest.mark.parametrize(("status", "reason"), [(409, "conflict"), (502, "bad_gateway")])
async def test_an_import_that_fails_is_named_without_the_secret(
    client: VatelClient, host: RestHost, status: int, reason: str
) -> None:
    """409 is imported already, 502 is Twilio's fault; the account's token is in neither."""

    async def refuse(request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": "no"}, status=status)

    host.answer = refuse
    with pytest.raises(VatelApiError) as caught:
        await client.twilio_numbers.import_number("+331", account_sid="AC1", auth_token="tw-s3cret")

    assert (caught.value.reason, caught.value.status) == (reason, status)
    assert "s3cret" not in f"{caught.value!r}"


async def test_a_number_is_renamed(client: VatelClient, host: RestHost) -> None:
    """PATCH sends the label."""
    assert (await client.twilio_numbers.rename(ID, "Kitchen")).label == "some label"
    assert (host.seen[0].operation, host.seen[0].body) == ("patchTwilioNumberLabel", {"label": "Kitchen"})


async def test_trunks_are_listed(client: VatelClient, host: RestHost) -> None:
    """GET /v1/sip-trunks gives every field; there are no passwords to read."""
    (trunk,) = await client.sip_trunks.list()

    assert trunk.pbx == "generic"
    assert trunk.caller_id_transforms[0].type == "strip_digits_start"
    assert set(example("getSipTrunk")) == set(SipTrunk.__struct_fields__)
    assert host.seen[0].operation == "listSipTrunks"


async def test_a_trunk_is_created_with_a_preset_alone(client: VatelClient, host: RestHost) -> None:
    """Only pbx is required."""
    await client.sip_trunks.create("3cx")

    assert (host.seen[0].operation, host.seen[0].body) == ("createSipTrunk", {"pbx": "3cx"})


async def test_a_trunk_is_created_with_every_field(client: VatelClient, host: RestHost) -> None:
    """All fields are known to the contract."""
    await client.sip_trunks.create("generic", EVERY_FIELD)

    assert host.seen[0].body["inbound_sip_password"] == "pw-in"
    assert host.seen[0].body["caller_id_transforms"] == [
        {"type": "add_prefix", "value": "+33"},
        {"type": "strip_digits_start", "number": 1},
        {"type": "replace", "value": "a", "value2": "b"},
    ]


async def test_a_trunk_is_fetched(client: VatelClient, host: RestHost) -> None:
    """GET /v1/sip-trunks/{id} gives one trunk."""
    assert (await client.sip_trunks.get(ID)).outbound_registration_status == "auth_failed"
    assert host.seen[0].operation == "getSipTrunk"


async def test_a_trunk_is_updated_partially(client: VatelClient, host: RestHost) -> None:
    """Only what is set is sent, null for what is cleared."""
    await client.sip_trunks.update(ID, SipTrunkChange(inbound_host=None, register=False))

    assert host.seen[0].operation == "patchSipTrunk"
    assert host.seen[0].body == {"inbound_host": None, "register": False}


async def test_every_field_of_a_trunk_update_is_known(client: VatelClient, host: RestHost) -> None:
    """The model and the contract have the same fields; transforms can be emptied."""
    await client.sip_trunks.update(ID, EVERY_FIELD)
    await client.sip_trunks.update(ID, SipTrunkChange(caller_id_transforms=()))

    assert host.seen[0].body["remain_in_dialog"] is False
    assert host.seen[1].body == {"caller_id_transforms": []}


async def test_a_trunk_is_deleted(client: VatelClient, host: RestHost) -> None:
    """DELETE has no body, nor has its answer."""
    await client.sip_trunks.delete(ID)

    assert (host.seen[0].operation, host.seen[0].ids) == ("deleteSipTrunk", (ID,))


async def test_assignments_are_listed_by_trunk(client: VatelClient, host: RestHost) -> None:
    """GET /v1/sip-trunks/{id}/assignments gives every field."""
    (assignment,) = await client.sip_assignments.list(ID)

    assert assignment.sip_trunk_id == ID
    assert set(example("getSipTrunkAgentAssignment")) == set(SipAssignment.__struct_fields__)
    assert (host.seen[0].operation, host.seen[0].ids) == ("listSipTrunkAgentAssignments", (ID,))


async def test_an_agent_is_assigned_to_a_trunk(client: VatelClient, host: RestHost) -> None:
    """The numbers are sent when there are any."""
    await client.sip_assignments.create(ID, OTHER_ID)
    await client.sip_assignments.create(ID, OTHER_ID, number="100", alternate_number="200")

    assert host.seen[0].operation == "createSipTrunkAgentAssignment"
    assert host.seen[0].body == {"agent_id": OTHER_ID}
    assert host.seen[1].body == {"agent_id": OTHER_ID, "number": "100", "alternate_number": "200"}


async def test_an_assignment_is_fetched_by_its_own_id(client: VatelClient, host: RestHost) -> None:
    """GET /v1/sip-trunks/assignments/{assignmentId} is another resource than the trunk's list."""
    assert (await client.sip_assignments.get(ID)).number == "some number"
    assert (host.seen[0].operation, host.seen[0].ids) == ("getSipTrunkAgentAssignment", (ID,))


async def test_an_assignment_is_updated_partially(client: VatelClient, host: RestHost) -> None:
    """A number left out stays, None clears it."""
    await client.sip_assignments.update(ID)
    await client.sip_assignments.update(ID, number="101")
    await client.sip_assignments.update(ID, alternate_number=None)

    assert [seen.operation for seen in host.seen] == ["patchSipTrunkAgentAssignment"] * 3
    assert [seen.body for seen in host.seen] == [{}, {"number": "101"}, {"alternate_number": None}]


async def test_an_assignment_is_deleted(client: VatelClient, host: RestHost) -> None:
    """DELETE has no body, nor has its answer."""
    await client.sip_assignments.delete(ID)

    assert (host.seen[0].operation, host.seen[0].ids) == ("deleteSipTrunkAgentAssignment", (ID,))
