"""What was heard in a call: on disk as it happens, a stereo WAV afterwards (caller left, agent right)."""
