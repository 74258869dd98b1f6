"""Puts a Vatel voice agent on the phone: Twilio Media Streams in, a Vatel session out."""
