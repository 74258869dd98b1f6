"""Calls before their talk: who answers a ring, placing calls for tasks, and what Twilio tells of both."""
