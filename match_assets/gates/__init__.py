"""Validation gates: pandera schemas and cross-row rules that give a verdict on a candidate frame.

No Dagster here: ``checks`` wraps these for the graph, the bulk job and tests call them directly. ``verdict`` says what a
verdict is and how pandera's failures become one; ``schemas`` holds the rules of each asset.
"""
