"""Twilio's side of a call: media stream messages and their order, signatures, TwiML, socket and REST."""
