"""What each asset does, as plain functions: accepted inputs in, a candidate with its verdict out. No Dagster here.

The asset and its check, the bulk job and a plain call all run these same stages. ``base`` says what a stage is,
``chain`` lists them in the order of the flow and finds what is stale, the other modules hold one part of the flow each.
"""
