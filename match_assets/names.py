"""Comparing the names of clubs: what counts is the letters, not how they were typed."""

import unicodedata


def folded(name: str) -> str:
    """``name`` as it is compared: composed (NFC), case folded, runs of any space as one.

    Names are shown as their source writes them; this form is never shown.
    """
    return unicodedata.normalize("NFC", " ".join(unicodedata.normalize("NFC", name).split()).casefold())
