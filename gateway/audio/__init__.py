"""Audio between the legs: int16 mono arrays in, int16 mono arrays out. PURE and synchronous throughout."""
