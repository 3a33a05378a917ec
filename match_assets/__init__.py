"""match-assets: football match pages become trustworthy, served probabilities, stage by stage, as one Dagster graph.

Start reading at ``definitions`` (the graph as a table of contents), then ``stages`` (what each asset does, without any
orchestrator), then ``features`` and ``modelling`` (pure). ``store`` holds the data, ``source`` and ``warehouse`` bring it
in, ``local`` starts the servers of one machine.
"""
