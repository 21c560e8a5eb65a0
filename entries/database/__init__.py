"""Database support beyond the ORM: errors, timeouts, secure deletion."""
