"""Answers the agent's tool calls from the operator's endpoints."""
