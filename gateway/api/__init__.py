"""The gateway's HTTP face."""
