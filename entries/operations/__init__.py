"""What the operator runs: backups, deployment checks, the data folder."""
