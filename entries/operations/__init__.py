"""Operations: backups, system checks of the deployment, the data folder."""
