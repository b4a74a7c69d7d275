"""The database backend: PostgreSQL, started on the first connection if embedded."""
