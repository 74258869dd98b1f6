"""Both clusters are what the interface says."""

from gateway.cluster.inprocess import InProcessCluster
from gateway.cluster.interface import LEASE_S, RENEW_S, Cluster
from gateway.cluster.valkey import ValkeyCluster


async def test_both_clusters_fit_the_interface() -> None:
    """The type checker sees to the methods; here, that neither needs anything to be made."""
    clusters: list[Cluster] = [InProcessCluster("a"), ValkeyCluster("a", "redis://127.0.0.1:1")]

    assert [cluster.node for cluster in clusters] == ["a", "a"]
    assert [cluster.nodes for cluster in clusters] == [1, 1]


def test_lease_survives_two_lost_renewals() -> None:
    """A lease lasts for three intervals of renewal."""
    assert LEASE_S == 3 * RENEW_S
