"""Vatel's REST API: telephony of its own, Twilio numbers and SIP trunks."""

import msgspec
from msgspec import UNSET, UnsetType

from gateway.vatel import models
from gateway.vatel.decoding import reader
from gateway.vatel.http import Exchange, ignored, path_of


class TwilioNumbers:
    """Numbers imported from Twilio."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def list(self) -> tuple[models.TwilioNumber, ...]:
        """List the numbers."""
        path = path_of("twilio", "numbers")
        return await self._exchange.call("GET", path, into=reader(tuple[models.TwilioNumber, ...]))

    async def import_number(
        self, phone_number: str, *, account_sid: str, auth_token: str, label: str | None = None
    ) -> models.TwilioNumber:
        """Import a number; Vatel uses the account's token once. ``conflict`` when it is there already."""
        body = {"phone_number": phone_number, "account_sid": account_sid, "auth_token": auth_token}
        if label is not None:
            body["label"] = label
        path = path_of("twilio", "numbers")
        return await self._exchange.call("POST", path, into=reader(models.TwilioNumber), body=body)

    async def rename(self, number_id: str, label: str) -> models.TwilioNumber:
        """Give a number another label."""
        path = path_of("twilio", "numbers", number_id)
        return await self._exchange.call(
            "PATCH", path, into=reader(models.TwilioNumber), body={"label": label}
        )


class SipTrunks:
    """SIP trunks."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def list(self) -> tuple[models.SipTrunk, ...]:
        """List the trunks."""
        return await self._exchange.call(
            "GET", path_of("sip-trunks"), into=reader(tuple[models.SipTrunk, ...])
        )

    async def create(self, pbx: models.Pbx, fields: models.SipTrunkChange | None = None) -> models.SipTrunk:
        """Create a trunk; ``conflict`` when its inbound user name is taken."""
        body = msgspec.structs.replace(fields or models.SipTrunkChange(), pbx=pbx)
        return await self._exchange.call(
            "POST", path_of("sip-trunks"), into=reader(models.SipTrunk), body=body
        )

    async def get(self, trunk_id: str) -> models.SipTrunk:
        """Fetch a trunk."""
        return await self._exchange.call("GET", path_of("sip-trunks", trunk_id), into=reader(models.SipTrunk))

    async def update(self, trunk_id: str, change: models.SipTrunkChange) -> models.SipTrunk:
        """Change the fields that are set, and nothing else."""
        path = path_of("sip-trunks", trunk_id)
        return await self._exchange.call("PATCH", path, into=reader(models.SipTrunk), body=change)

    async def delete(self, trunk_id: str) -> None:
        """Delete a trunk."""
        await self._exchange.call("DELETE", path_of("sip-trunks", trunk_id), into=ignored)


class SipAssignments:
    """Which agent answers on which trunk: listed and made by trunk, otherwise by their own ids."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def list(self, trunk_id: str) -> tuple[models.SipAssignment, ...]:
        """List a trunk's assignments."""
        path = path_of("sip-trunks", trunk_id, "assignments")
        return await self._exchange.call("GET", path, into=reader(tuple[models.SipAssignment, ...]))

    async def create(
        self, trunk_id: str, agent_id: str, *, number: str | None = None, alternate_number: str | None = None
    ) -> models.SipAssignment:
        """Assign an agent to a trunk; ``conflict`` when a number is taken."""
        fields = {"agent_id": agent_id, "number": number, "alternate_number": alternate_number}
        body = {name: value for name, value in fields.items() if value is not None}
        path = path_of("sip-trunks", trunk_id, "assignments")
        return await self._exchange.call("POST", path, into=reader(models.SipAssignment), body=body)

    async def get(self, assignment_id: str) -> models.SipAssignment:
        """Fetch an assignment."""
        path = path_of("sip-trunks", "assignments", assignment_id)
        return await self._exchange.call("GET", path, into=reader(models.SipAssignment))

    async def update(
        self,
        assignment_id: str,
        *,
        number: str | UnsetType | None = UNSET,
        alternate_number: str | UnsetType | None = UNSET,
    ) -> models.SipAssignment:
        """Change the numbers that are given; None clears one."""
        fields = {"number": number, "alternate_number": alternate_number}
        body = {name: value for name, value in fields.items() if value is not UNSET}
        path = path_of("sip-trunks", "assignments", assignment_id)
        return await self._exchange.call("PATCH", path, into=reader(models.SipAssignment), body=body)

    async def delete(self, assignment_id: str) -> None:
        """Delete an assignment."""
        path = path_of("sip-trunks", "assignments", assignment_id)
        await self._exchange.call("DELETE", path, into=ignored)
