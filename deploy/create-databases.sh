#!/bin/sh
# Run once by the postgres image, on an empty volume. POSTGRES_DB itself is the warehouse.
set -eu
for name in dagster mlflow; do
    psql --username "$POSTGRES_USER" --dbname postgres --command "CREATE DATABASE $name"
done
