"""The site's robots.txt, obeyed as RFC 9309 has it: absent allows all, unreachable disallows all."""

from protego import Protego

AGENT = "match-assets"
_DISALLOW_ALL = "User-agent: *\nDisallow: /\n"


class Robots:
    """What one site allows us.

    Args:
        http_status: of the answer to ``/robots.txt``; ``None`` when there was none.
        text: its body.
    """

    def __init__(self, http_status: int | None, text: str) -> None:
        self.is_reachable = http_status is not None and http_status < 500
        if not self.is_reachable:
            text = _DISALLOW_ALL
        elif http_status != 200:
            text = ""
        self._rules = Protego.parse(text)

    def allows(self, url: str) -> bool:
        """Whether we may ask for ``url``."""
        return bool(self._rules.can_fetch(url, AGENT))

    @property
    def delay_seconds(self) -> float:
        """The least time between two requests that the site asks for; 0 when it asks for none."""
        return float(self._rules.crawl_delay(AGENT) or 0.0)
