"""What the assets need from outside: one resource that opens store, warehouse, experiment log and registry.

Dagster's own configuration stops here; everything below takes plain settings. Start with ``platform``.
"""
