"""What nodes tell each other: live events, commands, leases, limits; in one process, or over Redis/Valkey."""
