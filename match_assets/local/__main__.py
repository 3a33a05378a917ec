"""``python -m match_assets.local up|down|status|clean|mlflow-ui``: the stack's commands without the rest of the command line."""

from match_assets.local.commands import stack

if __name__ == "__main__":
    stack()
