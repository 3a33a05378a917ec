"""The embedded stack: the real servers of one machine, started, watched and stopped by us.

What belongs here: finding binaries, ports and passwords, starting processes and ending exactly those. What does not:
anything that a server *holds* (see ``warehouse``, ``store``); nothing outside this package knows whether a server is
embedded or remote. Start reading at ``stack.py`` (three data servers, also the tests' fixture), then ``supervisor.py``
(everything, watched).
"""
