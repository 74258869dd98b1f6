"""Event webhooks: what the outbox holds is delivered, signed, again and again, until taken or given up."""
