"""The way out to addresses that users configure: which may be asked, signed how, and by what client."""
