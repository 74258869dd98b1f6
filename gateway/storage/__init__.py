"""What the gateway keeps: one database, SQLite or PostgreSQL, behind small repositories."""
