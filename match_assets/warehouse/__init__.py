"""The PostgreSQL warehouse of what the source said: schema, migrations, replay-safe writing, snapshot reading."""
