"""The REST half of a sandbox: Vatel's public API under ``/v1``, operation by operation."""
