"""A local Vatel: session tokens, the voice socket, and agents that follow a script."""
