"""A process that carries seasons for its parent: ``python -m match_assets.stages.carrier FD``.

Over the inherited socket it is sent a task, then lists of seasons. It sends back each thing that it did and goes on
when the parent has put it on record. It ends with its parent, whose end of the socket closes.
"""

import signal
import sys
from multiprocessing.connection import Connection

from match_assets.stages.carrying import Task, carried_here


def serve(line: Connection) -> None:
    """Carries what it is sent until the parent closes the line."""
    task: Task = line.recv()
    work = task.context()
    seen = work.recalled()
    while True:
        for told in carried_here(work, seen, line.recv()):
            line.send(told)
            line.recv()
        line.send(None)


def main() -> None:
    """Serves the parent at the other end of the inherited socket."""
    # Ctrl-C reaches the whole group; the parent decides
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Connection(int(sys.argv[1])) as line:
        try:
            serve(line)
        except (EOFError, ConnectionError):
            return  # the parent has no more to say, or is gone


if __name__ == "__main__":
    main()
