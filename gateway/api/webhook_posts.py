"""How event webhooks leave: signed with the keys of their organization, to public https addresses only."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from gateway.egress.client import Answer, Egress, Outgoing
from gateway.egress.signing import SigningKey, sign
from gateway.errors import StorageError
from gateway.storage.database import Database
from gateway.storage.organizations import Organizations
from gateway.storage.rows import Organization, OutboxEvent

PREVIOUS_SIGNS_S = 24 * 3600.0
"""How long a secret signs beside the one that took its place: so long receivers have to change theirs."""

_CONNECT_S = 5.0
_ANSWER_LIMIT_BYTES = 16 * 1024


class WebhookPosts:
    """Lives as long as the process.

    Args:
        egress: reaches receivers.
    """

    def __init__(self, database: Database, egress: Egress) -> None:
        self._organizations = Organizations(database)
        self._egress = egress

    async def sign(self, event: OutboxEvent, unix_s: int, body: bytes) -> Mapping[str, str]:
        """Return the headers that sign a body: ``Sign`` of the deliveries.

        Raises:
            StorageError: the keys cannot be read.
        """
        owner = await self._organizations.find(event.organization_id)
        if owner is None:
            raise StorageError("the event's organization is gone", reason="failed")
        keys = [SigningKey.parse(text) for text in _secrets(owner, datetime.fromtimestamp(unix_s, UTC))]
        return sign(keys, event.id, unix_s, body)

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Post a body, following nothing: ``Send`` of the deliveries.

        Raises:
            EgressError: the address is not allowed, was not reached, or gave no answer.
        """
        outgoing = Outgoing("POST", url, headers, body)
        return await self._egress.send(outgoing, connect_s=_CONNECT_S, limit_bytes=_ANSWER_LIMIT_BYTES)


def _secrets(owner: Organization, now: datetime) -> list[str]:
    previous, changed_at = owner.previous_webhook_secret, owner.webhook_secret_changed_at
    if previous is None or changed_at is None or now - changed_at >= timedelta(seconds=PREVIOUS_SIGNS_S):
        return [owner.webhook_secret]
    return [owner.webhook_secret, previous]
