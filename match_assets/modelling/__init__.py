"""From feature rows and results to a calibrated outcome model, and the rules that judge it.

What belongs here: pure functions on polars frames and numpy arrays. Randomness comes in as a seed, time as a value.
What does not: Dagster, MLflow, the object store, Postgres and HTTP; assets load, call this package and write what it
returns.

Order of reading: ``metrics`` (how a forecast is judged), ``dataset`` and ``split`` (which rows may be seen when),
``linear`` and ``boosting`` (the members), ``baselines``, ``ablation``, ``training`` (choice of blend, final fit),
``calibration``, ``model`` (the artefact that is registered and served), ``promotion`` and ``drift``.
"""
