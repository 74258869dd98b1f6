"""A whole call on one machine: sandbox, webhook, gateway and one simulated caller, with no account."""
