"""First schema.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "circuits",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_until", sa.DateTime(timezone=True), nullable=False, comment="no request before this time"),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("marker", sa.Text(), nullable=False, comment="what showed that the site refuses us"),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_circuits")),
    )
    op.create_table(
        "fetches",
        sa.Column("fetch_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False, comment="ok, blocked, unexpected, refused or unavailable"),
        sa.Column("http_status", sa.SmallInteger(), nullable=True),
        sa.Column("n_bytes", sa.Integer(), nullable=False),
        sa.Column("duration_seconds", sa.Double(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column(
            "evidence",
            sa.LargeBinary(),
            nullable=True,
            comment="gzip of the body, kept only when the page was not what we expected",
        ),
        sa.PrimaryKeyConstraint("fetch_id", name=op.f("pk_fetches")),
    )
    op.create_index(op.f("ix_fetches_requested_at"), "fetches", ["requested_at"], unique=False)
    op.create_table(
        "gaps",
        sa.Column("match_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="statistics, missing, quarantined or disagreement"),
        sa.Column("tournament", sa.Text(), nullable=False),
        sa.Column("season", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("match_id", "kind", name=op.f("pk_gaps")),
    )
    op.create_index(op.f("ix_gaps_tournament_season"), "gaps", ["tournament", "season"], unique=False)
    op.create_table(
        "observations",
        sa.Column("observation_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("match_id", sa.BigInteger(), nullable=False),
        sa.Column("surface", sa.Text(), nullable=False, comment="feed or match_page"),
        sa.Column("site_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("observation_id", name=op.f("pk_observations")),
        sa.UniqueConstraint(
            "match_id", "surface", "site_time", "observed_at", "content_hash", name="uq_observations_once"
        ),
    )
    op.create_table(
        "source_pace",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("next_allowed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_source_pace")),
    )
    op.create_table(
        "teams",
        sa.Column("team_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="the calendar feed's newest"),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("team_id", name=op.f("pk_teams")),
    )
    op.create_table(
        "tournaments",
        sa.Column("tournament", sa.Text(), nullable=False, comment="key in params.yaml, a partition key"),
        sa.Column("region_id", sa.Integer(), nullable=False),
        sa.Column("tournament_id", sa.Integer(), nullable=False),
        sa.Column("region_name", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tournament", name=op.f("pk_tournaments")),
        sa.UniqueConstraint("region_id", "tournament_id", name=op.f("uq_tournaments_region_id_tournament_id")),
    )
    op.create_table(
        "seasons",
        sa.Column("season_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tournament", sa.Text(), nullable=False),
        sa.Column("season", sa.Text(), nullable=False, comment="year in which it begins, a partition key"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tournament"], ["tournaments.tournament"], name=op.f("fk_seasons_tournament_tournaments")
        ),
        sa.PrimaryKeyConstraint("season_id", name=op.f("pk_seasons")),
    )
    op.create_index(op.f("ix_seasons_tournament_season"), "seasons", ["tournament", "season"], unique=False)
    op.create_table(
        "team_names",
        sa.Column("team_id", sa.Integer(), nullable=False),
        sa.Column(
            "surface",
            sa.Text(),
            nullable=False,
            comment="feed or match_centre: the source names teams differently there",
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("first_observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["team_id"], ["teams.team_id"], name=op.f("fk_team_names_team_id_teams")),
        sa.PrimaryKeyConstraint("team_id", "surface", "name", name=op.f("pk_team_names")),
    )
    op.create_table(
        "stages",
        sa.Column("stage_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("season_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column(
            "days",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="match days of the calendar mask, ISO dates ascending",
        ),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["season_id"], ["seasons.season_id"], name=op.f("fk_stages_season_id_seasons")),
        sa.PrimaryKeyConstraint("stage_id", name=op.f("pk_stages")),
    )
    op.create_index(op.f("ix_stages_season_id"), "stages", ["season_id"], unique=False)
    op.create_table(
        "matches",
        sa.Column("match_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tournament", sa.Text(), nullable=False),
        sa.Column("season", sa.Text(), nullable=False),
        sa.Column("season_id", sa.Integer(), nullable=False),
        sa.Column("stage_id", sa.Integer(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("elapsed", sa.Text(), nullable=False),
        sa.Column("kick_off_utc", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_kick_off_time_known", sa.Boolean(), nullable=False),
        sa.Column("home_team_id", sa.Integer(), nullable=False),
        sa.Column("away_team_id", sa.Integer(), nullable=False),
        sa.Column("home_team", sa.Text(), nullable=False),
        sa.Column("away_team", sa.Text(), nullable=False),
        sa.Column("home_score", sa.SmallInteger(), nullable=True),
        sa.Column("away_score", sa.SmallInteger(), nullable=True),
        sa.Column("home_goals", sa.SmallInteger(), nullable=True),
        sa.Column("away_goals", sa.SmallInteger(), nullable=True),
        sa.Column(
            "missing_since",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the source's clock when the calendar stopped listing it",
        ),
        sa.Column("feed_month", sa.Text(), nullable=False, comment="month whose feed last listed it"),
        sa.Column("site_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.CheckConstraint("(home_goals IS NULL) = (away_goals IS NULL)", name=op.f("ck_matches_goals_of_both_sides")),
        sa.CheckConstraint("home_goals IS NULL OR status = 6", name=op.f("ck_matches_only_finished_has_goals")),
        sa.ForeignKeyConstraint(["away_team_id"], ["teams.team_id"], name=op.f("fk_matches_away_team_id_teams")),
        sa.ForeignKeyConstraint(["home_team_id"], ["teams.team_id"], name=op.f("fk_matches_home_team_id_teams")),
        sa.ForeignKeyConstraint(["season_id"], ["seasons.season_id"], name=op.f("fk_matches_season_id_seasons")),
        sa.ForeignKeyConstraint(["stage_id"], ["stages.stage_id"], name=op.f("fk_matches_stage_id_stages")),
        sa.PrimaryKeyConstraint("match_id", name=op.f("pk_matches")),
    )
    op.create_index(op.f("ix_matches_stage_id_feed_month"), "matches", ["stage_id", "feed_month"], unique=False)
    op.create_index(op.f("ix_matches_tournament_season"), "matches", ["tournament", "season"], unique=False)
    op.create_table(
        "months",
        sa.Column("stage_id", sa.Integer(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False, comment="YYYYMM as the feed is asked for it"),
        sa.Column(
            "site_time", sa.DateTime(timezone=True), nullable=True, comment="the source's clock at the last answer"
        ),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("n_matches", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["stage_id"], ["stages.stage_id"], name=op.f("fk_months_stage_id_stages")),
        sa.PrimaryKeyConstraint("stage_id", "month", name=op.f("pk_months")),
    )
    op.create_table(
        "match_pages",
        sa.Column("match_id", sa.BigInteger(), nullable=False),
        sa.Column("statistics", sa.Text(), nullable=False, comment="present, or why there are none"),
        sa.Column("home_score", sa.SmallInteger(), nullable=True, comment="the page's own score"),
        sa.Column("away_score", sa.SmallInteger(), nullable=True),
        sa.Column("home_goals_half_time", sa.SmallInteger(), nullable=True),
        sa.Column("away_goals_half_time", sa.SmallInteger(), nullable=True),
        sa.Column(
            "site_time", sa.DateTime(timezone=True), nullable=False, comment="the feed's clock when the page was read"
        ),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, comment="how often the page was asked for"),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True, comment="last attempt, whatever it brought"),
        sa.Column("asked_site_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "feed_home_score",
            sa.SmallInteger(),
            nullable=True,
            comment="the feed's score for which the page was last asked",
        ),
        sa.Column("feed_away_score", sa.SmallInteger(), nullable=True),
        sa.ForeignKeyConstraint(["match_id"], ["matches.match_id"], name=op.f("fk_match_pages_match_id_matches")),
        sa.PrimaryKeyConstraint("match_id", name=op.f("pk_match_pages")),
    )
    op.create_table(
        "match_stats",
        sa.Column("match_id", sa.BigInteger(), nullable=False),
        sa.Column("is_home", sa.Boolean(), nullable=False),
        sa.Column("team_id", sa.Integer(), nullable=False),
        sa.Column("shots", sa.SmallInteger(), nullable=True),
        sa.Column("shots_on_target", sa.SmallInteger(), nullable=True),
        sa.Column("corners", sa.SmallInteger(), nullable=True),
        sa.Column("fouls", sa.SmallInteger(), nullable=True),
        sa.Column("yellow_cards", sa.SmallInteger(), nullable=True),
        sa.Column("red_cards", sa.SmallInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["match_id"], ["match_pages.match_id"], name=op.f("fk_match_stats_match_id_match_pages")
        ),
        sa.ForeignKeyConstraint(["team_id"], ["teams.team_id"], name=op.f("fk_match_stats_team_id_teams")),
        sa.PrimaryKeyConstraint("match_id", "is_home", name=op.f("pk_match_stats")),
    )


def downgrade() -> None:
    """Back."""
    op.drop_table("match_stats")
    op.drop_table("match_pages")
    op.drop_table("months")
    op.drop_index(op.f("ix_matches_tournament_season"), table_name="matches")
    op.drop_index(op.f("ix_matches_stage_id_feed_month"), table_name="matches")
    op.drop_table("matches")
    op.drop_index(op.f("ix_stages_season_id"), table_name="stages")
    op.drop_table("stages")
    op.drop_table("team_names")
    op.drop_index(op.f("ix_seasons_tournament_season"), table_name="seasons")
    op.drop_table("seasons")
    op.drop_table("tournaments")
    op.drop_table("teams")
    op.drop_table("source_pace")
    op.drop_table("observations")
    op.drop_index(op.f("ix_gaps_tournament_season"), table_name="gaps")
    op.drop_table("gaps")
    op.drop_index(op.f("ix_fetches_requested_at"), table_name="fetches")
    op.drop_table("fetches")
    op.drop_table("circuits")
