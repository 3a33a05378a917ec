"""A local site shaped like the site of origin, so that the whole chain can run without it.

What belongs here: the worlds whose matches the site shows (``world.py`` draws one from a seed, ``csv_world.py`` reads
one from a folder of football-data files), the pages and feeds made of them, the faults the site can be told to play,
and the server with its own clock. Start reading at ``facts.py``, then ``timeline.py``: a world holds everything that
will ever happen, and the timeline says what of it the site shows at one moment of its clock.

What does not: anything of the pipeline. It knows this site only by its base URL, and nothing here imports it.
"""
