"""The second source: folders of football-data style files, one row a match.

What belongs here: reading such files (``table.py`` their cells, ``reader.py`` their rows as typed records with what is
odd about them), the aliases that give a club one id whatever source names it (``teams.py`` and the shipped
``team_aliases.csv``), and the import that carries them into the warehouse (``importing.py``, ``report.py``,
``commands.py``). Start reading at ``importing.py``.

What does not: SQL. Files go through the same observations and upserts as the site's pages, in ``warehouse``.
"""
