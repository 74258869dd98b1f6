"""The bridge: one call machine between two protocols, two audio chains beside it, one shell around all."""
