"""The suppression list on both engines."""

from dataclasses import replace

from gateway.storage.rows import SuppressedNumber
from gateway.storage.suppression import SuppressionList
from tests.tenants import CALLEE, NOW, Tenant, an_id


def entry(tenant: Tenant, number: str = CALLEE) -> SuppressedNumber:
    """Return an entry."""
    return SuppressedNumber(
        id=an_id(), organization_id=tenant.id, number=number, reason="asked", created_at=NOW
    )


async def test_number_is_suppressed_for_its_organization_only(acme: Tenant, rival: Tenant) -> None:
    """Each organization has a list of its own."""
    suppressed = SuppressionList(acme.database)
    added = await suppressed.add(entry(acme))

    assert await suppressed.find(acme.id, CALLEE) == added
    assert await suppressed.find(rival.id, CALLEE) is None
    assert not await suppressed.remove(rival.id, added.id)
    assert (await suppressed.list_page(rival.id, 10, 0)).total == 0


async def test_number_stands_once(acme: Tenant) -> None:
    """Adding a number again answers with the entry that stands."""
    suppressed = SuppressionList(acme.database)
    first = await suppressed.add(entry(acme))
    again = await suppressed.add(replace(entry(acme), reason="again"))

    assert again == first
    assert (await suppressed.list_page(acme.id, 10, 0)).items == (first,)
    assert await suppressed.remove(acme.id, first.id)
    assert await suppressed.find(acme.id, CALLEE) is None
