"""The gateway as ``vatel-gateway`` runs it, but impatient: leases of three seconds instead of fifteen.

For tests that kill nodes and cannot wait as long as an operator can.
"""

import sys

from gateway import cli
from gateway.ledger import finishing, ledger, recovery

LEASE_S = 3.0


def hurry() -> None:
    """Shorten what is waited for when a node is gone."""
    for module, name, seconds in (
        (ledger, "LEASE_S", LEASE_S),
        (ledger, "RENEW_S", 0.6),
        (recovery, "_LOOK_EVERY_S", 0.4),
        (recovery, "_GRACE_S", 1.5),
        (finishing, "_RECOVER_AFTER_S", 2.0),
        (finishing, "_RECOVER_EVERY_S", 1.0),
        (finishing, "_UNFINISHED_FOR_S", 5.0),
    ):
        assert hasattr(module, name), f"{name} is no more"
        setattr(module, name, seconds)


if __name__ == "__main__":
    hurry()
    sys.exit(cli.main())
