"""What runs by itself: a daily visit, a look for news, backfills of what is missing or late, models of reached cut-offs.

These are edges: they may read the wall clock to pace themselves. What is past, late or reached they take from the data.
"""
