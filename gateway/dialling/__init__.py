"""Calls before their talk: which agent answers a ring, placing calls for tasks, and what Twilio tells of both."""
