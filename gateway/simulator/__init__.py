"""A Twilio: signed webhooks, TwiML, media streams with a real playout clock, REST (demo, tests, load)."""
