"""Pure readers of the source's pages: bytes and address in, records or ``UnexpectedPageError`` out."""

from match_assets.source.parsers.calendar import parse_month_feed
from match_assets.source.parsers.catalogue import parse_home_page, parse_season_list, parse_season_page
from match_assets.source.parsers.match import parse_match_page

__all__ = ["parse_home_page", "parse_match_page", "parse_month_feed", "parse_season_list", "parse_season_page"]
