"""Visits that resume, a frontier with due times, a second source, requests by HTTP, roles by job.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

CHECKS = (
    ("matches", "goals_not_negative", "home_goals >= 0 AND away_goals >= 0"),
    ("matches", "two_teams", "home_team_id <> away_team_id"),
    ("matches", "not_superseded_by_itself", "superseded_by <> match_id"),
    ("matches", "file_matches_in_file_seasons", "(match_id < 0) = (season_id < 0)"),
    ("matches", "season_is_a_year", "season ~ '^[0-9]{4}$'"),
    ("match_pages", "attempts_not_negative", "attempts >= 0"),
    (
        "match_stats",
        "counts_not_negative",
        "least(shots, shots_on_target, corners, fouls, yellow_cards, red_cards) >= 0",
    ),
)

# What is known, when it was last asked and from when it is due again, all in the source's own time; `clock` is the
# newest reading of it in that season. A month or page without `due_at` is done for good.
FRONTIER = """
CREATE VIEW frontier AS
WITH clocks AS (
    SELECT stages.season_id, max(months.site_time) AS clock
    FROM months JOIN stages USING (stage_id)
    GROUP BY stages.season_id
), named AS (
    SELECT DISTINCT stages.season_id, stages.stage_id, to_char(day::date, 'YYYYMM') AS month
    FROM stages CROSS JOIN LATERAL jsonb_array_elements_text(stages.days) AS day
)
SELECT 'month' AS kind, seasons.tournament, seasons.season, seasons.season_id, stages.stage_id, months.month,
       NULL::bigint AS match_id, months.site_time AS asked_at, months.due_at, clocks.clock, 'open or revisit' AS reason
FROM months
JOIN stages USING (stage_id)
JOIN seasons USING (season_id)
LEFT JOIN clocks USING (season_id)
UNION ALL
SELECT 'month', seasons.tournament, seasons.season, seasons.season_id, named.stage_id, named.month,
       NULL, NULL, coalesce(clocks.clock, seasons.observed_at), clocks.clock, 'never read'
FROM named
JOIN seasons USING (season_id)
LEFT JOIN clocks USING (season_id)
WHERE NOT EXISTS (SELECT FROM months WHERE months.stage_id = named.stage_id AND months.month = named.month)
UNION ALL
SELECT 'page', matches.tournament, matches.season, matches.season_id, matches.stage_id, matches.feed_month,
       matches.match_id, pages.asked_site_time,
       CASE
           WHEN pages.match_id IS NULL THEN matches.kick_off_utc
           WHEN (matches.home_score, matches.away_score)
                IS DISTINCT FROM (pages.feed_home_score, pages.feed_away_score) THEN matches.site_time
           ELSE pages.due_at
       END,
       clocks.clock,
       CASE
           WHEN pages.match_id IS NULL THEN 'never read'
           WHEN (matches.home_score, matches.away_score)
                IS DISTINCT FROM (pages.feed_home_score, pages.feed_away_score) THEN 'score corrected'
           WHEN pages.statistics <> 'present' THEN 'statistics missing'
           ELSE 'revisit'
       END
FROM matches
LEFT JOIN match_pages AS pages USING (match_id)
LEFT JOIN clocks USING (season_id)
WHERE matches.match_id > 0 AND matches.superseded_by IS NULL
  AND matches.status = 6 AND matches.elapsed NOT IN ('AET', 'PEN')
"""

# Roles belong to the whole server. Another database's migration may be making the same one at this moment; and where an
# administrator has made them, whoever owns this database needs no right to make roles.
ROLE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') THEN
        CREATE ROLE {name} NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""
EXPORTED = (
    "tournaments, seasons, stages, months, teams, team_names, matches, match_pages, match_stats, observations, gaps, "
    "frontier, warehouse_version"
)
GRANTS = (
    # the scraper and the importer: every row, no table
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO match_assets_scrape",
    "REVOKE INSERT, UPDATE, DELETE ON warehouse_version FROM match_assets_scrape",
    # history is append-only for everyone but its owner
    "REVOKE UPDATE, DELETE ON observations, fetches FROM match_assets_scrape",
    f"GRANT SELECT ON {EXPORTED} TO match_assets_export",
    "GRANT SELECT ON ALL TABLES IN SCHEMA public TO match_assets_read",
    # the prediction service: asks for scrapes and follows them
    "GRANT SELECT, INSERT ON scrape_requests TO match_assets_request",
    "GRANT SELECT ON tournaments, seasons, warehouse_version TO match_assets_request",
)
ROLES = ("match_assets_scrape", "match_assets_export", "match_assets_read", "match_assets_request")


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "alerts",
        sa.Column("alert_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False, comment="what it is about: a host, a partition"),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "acknowledged_at", sa.DateTime(timezone=True), nullable=True, comment="when a person said that it was seen"
        ),
        sa.PrimaryKeyConstraint("alert_id", name=op.f("pk_alerts")),
    )
    op.create_index(op.f("ix_alerts_kind_subject"), "alerts", ["kind", "subject"], unique=False)
    op.create_table(
        "scrape_requests",
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("tournament", sa.Text(), nullable=False),
        sa.Column("season", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False, comment="what the caller said; may be empty"),
        sa.Column("state", sa.Text(), server_default="requested", nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True, comment="the orchestrator's run that serves it"),
        sa.Column("detail", sa.Text(), server_default="", nullable=False, comment="progress, or why it failed"),
        sa.Column(
            "requested_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("season ~ '^[0-9]{4}$'", name=op.f("ck_scrape_requests_season_is_a_year")),
        sa.CheckConstraint(
            "state IN ('requested', 'running', 'done', 'failed')", name=op.f("ck_scrape_requests_known_state")
        ),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_scrape_requests")),
    )
    op.create_index(
        op.f("ix_scrape_requests_state_requested_at"), "scrape_requests", ["state", "requested_at"], unique=False
    )
    op.create_index(
        "uq_scrape_requests_open",
        "scrape_requests",
        ["tournament", "season"],
        unique=True,
        postgresql_where=sa.text("state IN ('requested', 'running')"),
    )
    op.create_table(
        "team_aliases",
        sa.Column("region_id", sa.Integer(), nullable=False),
        sa.Column(
            "folded", sa.Text(), nullable=False, comment="the name as it is compared: NFC, case folded, single spaces"
        ),
        sa.Column("name", sa.Text(), nullable=False, comment="as a file spells it"),
        sa.Column("team_id", sa.Integer(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False, comment="shipped, or the file that a person gave"),
        sa.Column("added_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("region_id", "folded", name=op.f("pk_team_aliases")),
    )
    op.create_table(
        "visits",
        sa.Column("visit_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False, comment="what is visited: a partition key, or catalogue"),
        sa.Column(
            "started_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("visit_id", name=op.f("pk_visits")),
        sa.UniqueConstraint("subject", name=op.f("uq_visits_subject")),
        comment="visits under way; one that was killed stands until it is taken up again",
    )
    op.create_table(
        "visit_answers",
        sa.Column("visit_id", sa.BigInteger(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False, comment="what the source was asked for"),
        sa.Column("record", sa.LargeBinary(), nullable=False, comment="what was read from the answer, as JSON"),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["visit_id"], ["visits.visit_id"], name=op.f("fk_visit_answers_visit_id_visits"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("visit_id", "path", name=op.f("pk_visit_answers")),
        comment="answers of visits under way, so that none is asked for twice",
    )
    op.alter_column(
        "gaps",
        "kind",
        existing_type=sa.TEXT(),
        comment="see match_assets.warehouse.gaps",
        existing_comment="statistics, missing, quarantined or disagreement",
        existing_nullable=False,
    )
    op.add_column(
        "match_pages",
        sa.Column(
            "due_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the source's time from which to ask again; empty means never",
        ),
    )
    op.add_column(
        "matches",
        sa.Column(
            "superseded_by", sa.BigInteger(), nullable=True, comment="the same match under the id that counts now"
        ),
    )
    op.create_index(op.f("ix_matches_superseded_by"), "matches", ["superseded_by"], unique=False)
    op.create_foreign_key(
        op.f("fk_matches_superseded_by_matches"), "matches", "matches", ["superseded_by"], ["match_id"]
    )
    op.add_column(
        "months",
        sa.Column(
            "due_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the source's time from which to ask again; empty means never",
        ),
    )
    op.alter_column(
        "observations",
        "surface",
        existing_type=sa.TEXT(),
        comment="feed, match_page or file",
        existing_comment="feed or match_page",
        existing_nullable=False,
    )
    op.add_column("source_pace", sa.Column("day", sa.Date(), nullable=True, comment="UTC day that n_today counts"))
    op.add_column(
        "source_pace",
        sa.Column(
            "n_today", sa.Integer(), server_default="0", nullable=False, comment="requests given out on that day"
        ),
    )
    op.add_column(
        "source_pace",
        sa.Column("crawl_delay_seconds", sa.Double(), nullable=True, comment="what robots.txt last asked for"),
    )
    op.alter_column(
        "team_names",
        "surface",
        existing_type=sa.TEXT(),
        comment="feed, match_centre or file: each names teams in its own way",
        existing_comment="feed or match_centre: the source names teams differently there",
        existing_nullable=False,
    )
    for table, name, condition in CHECKS:
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, condition)
    # what was read before due times were kept is asked for once more
    op.execute("UPDATE months SET due_at = coalesce(site_time, observed_at)")
    op.execute("UPDATE match_pages SET due_at = asked_site_time WHERE statistics <> 'present' AND attempts < 5")
    op.execute(FRONTIER)
    for name in ROLES:
        op.execute(ROLE.format(name=name))
        op.execute(f"GRANT USAGE ON SCHEMA public TO {name}")
    for grant in GRANTS:
        op.execute(grant)
