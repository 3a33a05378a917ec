"""The prediction service: HTTP answers from immutable snapshots, whether or not the orchestrator is up.

Belongs here: the Litestar application, its schemas, the snapshots of champion and features, cache, jobs, worker,
metrics and pages. Does not: Dagster, the warehouse, or a second implementation of any feature: the rows come from
``match_assets.features``, the probabilities from ``match_assets.modelling``.

Start with ``app.create_app``; ``snapshots`` says what an answer is made from, ``predicting`` how it is made.
"""
