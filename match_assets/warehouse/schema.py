"""Tables of the warehouse.

Current state (``matches``, ``match_pages``, ``match_stats``) holds the newest observation of each key; ``observations``
keeps every content that ever was current, append-only. Ids are the source's own. Scores shown beside a status that is
no result stay in ``home_score`` and ``away_score``; ``home_goals`` and ``away_goals`` are results after ninety minutes.
Ids below zero are this project's own: seasons, stages, matches and teams that only a file names (``import-csv``).
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
MOMENT = DateTime(timezone=True)

tournaments = Table(
    "tournaments",
    METADATA,
    Column("tournament", Text, primary_key=True, comment="key in params.yaml, a partition key"),
    Column("region_id", Integer, nullable=False),
    Column("tournament_id", Integer, nullable=False),
    Column("region_name", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("observed_at", MOMENT, nullable=False),
    UniqueConstraint("region_id", "tournament_id"),
)

seasons = Table(
    "seasons",
    METADATA,
    Column("season_id", Integer, primary_key=True, autoincrement=False),
    Column("tournament", Text, ForeignKey("tournaments.tournament"), nullable=False),
    Column("season", Text, nullable=False, comment="year in which it begins, a partition key"),
    Column("name", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("observed_at", MOMENT, nullable=False),
    Index(None, "tournament", "season"),
)

stages = Table(
    "stages",
    METADATA,
    Column("stage_id", Integer, primary_key=True, autoincrement=False),
    Column("season_id", Integer, ForeignKey("seasons.season_id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("days", JSONB, nullable=False, comment="match days of the calendar mask, ISO dates ascending"),
    Column("observed_at", MOMENT, nullable=False),
)

months = Table(
    "months",
    METADATA,
    Column("stage_id", Integer, ForeignKey("stages.stage_id"), primary_key=True),
    Column("month", Text, primary_key=True, comment="YYYYMM as the feed is asked for it"),
    Column("site_time", MOMENT, comment="the source's clock at the last answer"),
    Column("observed_at", MOMENT, nullable=False),
    Column("n_matches", Integer, nullable=False),
    Column("due_at", MOMENT, comment="the source's time from which to ask again; empty means never"),
)

teams = Table(
    "teams",
    METADATA,
    Column("team_id", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, comment="the calendar feed's newest"),
    Column("observed_at", MOMENT, nullable=False),
)

team_names = Table(
    "team_names",
    METADATA,
    Column("team_id", Integer, ForeignKey("teams.team_id"), primary_key=True),
    Column("surface", Text, primary_key=True, comment="feed, match_centre or file: each names teams in its own way"),
    Column("name", Text, primary_key=True),
    Column("first_observed_at", MOMENT, nullable=False),
)

matches = Table(
    "matches",
    METADATA,
    Column("match_id", BigInteger, primary_key=True, autoincrement=False),
    Column("tournament", Text, nullable=False),
    Column("season", Text, nullable=False),
    Column("season_id", Integer, ForeignKey("seasons.season_id"), nullable=False),
    Column("stage_id", Integer, ForeignKey("stages.stage_id"), nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("elapsed", Text, nullable=False),
    Column("kick_off_utc", MOMENT, nullable=False),
    Column("is_kick_off_time_known", Boolean, nullable=False),
    Column("home_team_id", Integer, ForeignKey("teams.team_id"), nullable=False),
    Column("away_team_id", Integer, ForeignKey("teams.team_id"), nullable=False),
    Column("home_team", Text, nullable=False),
    Column("away_team", Text, nullable=False),
    Column("home_score", SmallInteger),
    Column("away_score", SmallInteger),
    Column("home_goals", SmallInteger),
    Column("away_goals", SmallInteger),
    Column("missing_since", MOMENT, comment="the source's clock when the calendar stopped listing it"),
    Column("feed_month", Text, nullable=False, comment="month whose feed last listed it"),
    Column("site_time", MOMENT, nullable=False),
    Column("observed_at", MOMENT, nullable=False),
    Column("content_hash", Text, nullable=False),
    Column(
        "superseded_by",
        BigInteger,
        ForeignKey("matches.match_id"),
        comment="the same match under the id that counts now",
    ),
    Index(None, "tournament", "season"),
    Index(None, "stage_id", "feed_month"),
    Index(None, "superseded_by"),
    CheckConstraint("(home_goals IS NULL) = (away_goals IS NULL)", name="goals_of_both_sides"),
    CheckConstraint("home_goals IS NULL OR status = 6", name="only_finished_has_goals"),
    CheckConstraint("home_goals >= 0 AND away_goals >= 0", name="goals_not_negative"),
    CheckConstraint("home_team_id <> away_team_id", name="two_teams"),
    CheckConstraint("superseded_by <> match_id", name="not_superseded_by_itself"),
    CheckConstraint("(match_id < 0) = (season_id < 0)", name="file_matches_in_file_seasons"),
    CheckConstraint("season ~ '^[0-9]{4}$'", name="season_is_a_year"),
)

match_pages = Table(
    "match_pages",
    METADATA,
    Column("match_id", BigInteger, ForeignKey("matches.match_id"), primary_key=True),
    Column("statistics", Text, nullable=False, comment="present, or why there are none"),
    Column("home_score", SmallInteger, comment="the page's own score"),
    Column("away_score", SmallInteger),
    Column("home_goals_half_time", SmallInteger),
    Column("away_goals_half_time", SmallInteger),
    Column("site_time", MOMENT, nullable=False, comment="the feed's clock when the page was read"),
    Column("observed_at", MOMENT, nullable=False),
    Column("content_hash", Text, nullable=False),
    Column("attempts", Integer, nullable=False, comment="how often the page was asked for"),
    Column("asked_at", MOMENT, comment="last attempt, whatever it brought"),
    Column("asked_site_time", MOMENT),
    Column("feed_home_score", SmallInteger, comment="the feed's score for which the page was last asked"),
    Column("feed_away_score", SmallInteger),
    Column("due_at", MOMENT, comment="the source's time from which to ask again; empty means never"),
    CheckConstraint("attempts >= 0", name="attempts_not_negative"),
)

match_stats = Table(
    "match_stats",
    METADATA,
    Column("match_id", BigInteger, ForeignKey("match_pages.match_id"), primary_key=True),
    Column("is_home", Boolean, primary_key=True),
    Column("team_id", Integer, ForeignKey("teams.team_id"), nullable=False),
    Column("shots", SmallInteger),
    Column("shots_on_target", SmallInteger),
    Column("corners", SmallInteger),
    Column("fouls", SmallInteger),
    Column("yellow_cards", SmallInteger),
    Column("red_cards", SmallInteger),
    CheckConstraint(
        "least(shots, shots_on_target, corners, fouls, yellow_cards, red_cards) >= 0", name="counts_not_negative"
    ),
)

observations = Table(
    "observations",
    METADATA,
    Column("observation_id", BigInteger, Identity(always=True), primary_key=True),
    Column("match_id", BigInteger, nullable=False),
    Column("surface", Text, nullable=False, comment="feed, match_page or file"),
    Column("site_time", MOMENT, nullable=False),
    Column("observed_at", MOMENT, nullable=False),
    Column("content_hash", Text, nullable=False),
    Column("content", JSONB, nullable=False),
    UniqueConstraint("match_id", "surface", "site_time", "observed_at", "content_hash", name="uq_observations_once"),
)

fetches = Table(
    "fetches",
    METADATA,
    Column("fetch_id", BigInteger, Identity(always=True), primary_key=True),
    Column("requested_at", MOMENT, nullable=False, index=True),
    Column("url", Text, nullable=False),
    Column("outcome", Text, nullable=False, comment="ok, blocked, unexpected, refused or unavailable"),
    Column("http_status", SmallInteger),
    Column("n_bytes", Integer, nullable=False),
    Column("duration_seconds", Double, nullable=False),
    Column("sha256", Text),
    Column("detail", Text, nullable=False),
    Column("evidence", LargeBinary, comment="gzip of the body, kept only when the page was not what we expected"),
)

gaps = Table(
    "gaps",
    METADATA,
    Column("match_id", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, primary_key=True, comment="see match_assets.warehouse.gaps"),
    Column("tournament", Text, nullable=False),
    Column("season", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("first_seen_at", MOMENT, nullable=False),
    Column("stage_id", Integer, ForeignKey("stages.stage_id"), comment="whose feed lists a quarantined match"),
    Column("feed_month", Text, comment="month whose feed lists a quarantined match"),
    Index(None, "tournament", "season"),
)

withdrawals = Table(
    "withdrawals",
    METADATA,
    Column("withdrawal_id", BigInteger, Identity(always=True), primary_key=True),
    Column("match_id", BigInteger, ForeignKey("matches.match_id"), nullable=False),
    Column("reason", Text, nullable=False, comment="what the person said who withdrew it"),
    Column("withdrawn_at", MOMENT, nullable=False, server_default=func.clock_timestamp()),
    Column("ended_at", MOMENT, comment="when a person took it back, or the source listed the match again"),
    CheckConstraint("reason <> ''", name="has_a_reason"),
    Index("uq_withdrawals_standing", "match_id", unique=True, postgresql_where=text("ended_at IS NULL")),
    comment="results that the source lost and a person said are gone for good",
)

circuits = Table(
    "circuits",
    METADATA,
    Column("host", Text, primary_key=True),
    Column("opened_at", MOMENT, nullable=False),
    Column("closed_until", MOMENT, nullable=False, comment="no request before this time"),
    Column("url", Text, nullable=False),
    Column("marker", Text, nullable=False, comment="what showed that the site refuses us"),
)

source_pace = Table(
    "source_pace",
    METADATA,
    Column("host", Text, primary_key=True),
    Column("next_allowed_at", MOMENT, nullable=False),
    Column("day", Date, comment="UTC day that n_today counts"),
    Column("n_today", Integer, nullable=False, server_default="0", comment="requests given out on that day"),
    Column("crawl_delay_seconds", Double, comment="what robots.txt last asked for"),
)

alerts = Table(
    "alerts",
    METADATA,
    Column("alert_id", BigInteger, Identity(always=True), primary_key=True),
    Column("raised_at", MOMENT, nullable=False, server_default=func.clock_timestamp()),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False, comment="what it is about: a host, a partition"),
    Column("message", Text, nullable=False),
    Column("facts", JSONB, nullable=False),
    Column("acknowledged_at", MOMENT, comment="when a person said that it was seen"),
    Index(None, "kind", "subject"),
)

visits = Table(
    "visits",
    METADATA,
    Column("visit_id", BigInteger, Identity(always=True), primary_key=True),
    Column("subject", Text, nullable=False, comment="what is visited: a partition key, or catalogue"),
    Column("started_at", MOMENT, nullable=False, server_default=func.clock_timestamp()),
    UniqueConstraint("subject"),
    comment="visits under way; one that was killed stands until it is taken up again",
)

visit_answers = Table(
    "visit_answers",
    METADATA,
    Column("visit_id", BigInteger, ForeignKey("visits.visit_id", ondelete="CASCADE"), primary_key=True),
    Column("path", Text, primary_key=True, comment="what the source was asked for"),
    Column("record", LargeBinary, nullable=False, comment="what was read from the answer, as JSON"),
    Column("observed_at", MOMENT, nullable=False),
    comment="answers of visits under way, so that none is asked for twice",
)

team_aliases = Table(
    "team_aliases",
    METADATA,
    Column("region_id", Integer, primary_key=True),
    Column("folded", Text, primary_key=True, comment="the name as it is compared: NFC, case folded, single spaces"),
    Column("name", Text, nullable=False, comment="as a file spells it"),
    Column("team_id", Integer, nullable=False),
    Column("origin", Text, nullable=False, comment="shipped, or the file that a person gave"),
    Column("added_at", MOMENT, nullable=False, server_default=func.clock_timestamp()),
)

scrape_requests = Table(
    "scrape_requests",
    METADATA,
    Column("request_id", Text, primary_key=True),
    Column("tournament", Text, nullable=False),
    Column("season", Text, nullable=False),
    Column("reason", Text, nullable=False, comment="what the caller said; may be empty"),
    Column("state", Text, nullable=False, server_default="requested"),
    Column("run_id", Text, comment="the orchestrator's run that serves it"),
    Column("detail", Text, nullable=False, server_default="", comment="progress, or why it failed"),
    Column("requested_at", MOMENT, nullable=False, server_default=func.clock_timestamp()),
    Column("updated_at", MOMENT, nullable=False, server_default=func.clock_timestamp()),
    CheckConstraint("state IN ('requested', 'running', 'done', 'failed')", name="known_state"),
    CheckConstraint("season ~ '^[0-9]{4}$'", name="season_is_a_year"),
    Index(
        "uq_scrape_requests_open",
        "tournament",
        "season",
        unique=True,
        postgresql_where=text("state IN ('requested', 'running')"),
    ),
    Index(None, "state", "requested_at"),
)
