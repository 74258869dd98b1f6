"""The agent's leg: Vatel's voice socket and its REST API."""
