"""The assets, one file a stage, in the order of the flow. Each loads, calls, writes and returns; nothing more.

What an asset does stands in ``stages`` under the same name; what it is checked for stands in ``gates``. Docstrings here are
what an operator reads in the webserver. Only ``definitions`` imports this package.
"""
