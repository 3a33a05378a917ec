"""The site of origin: its pages, how they are read, and how politely they are asked for.

Parsers are pure; ``client`` alone talks to the site; ``ingestion`` joins both with the warehouse.
"""
