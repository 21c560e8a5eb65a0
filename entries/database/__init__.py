"""What SQLite and PostgreSQL need beyond the ORM: timeouts, secure deletion."""
