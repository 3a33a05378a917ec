"""Where a quarantined match was listed, so that its month stays due; results that a person withdrew.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# a match that was known before its status was not: the month that listed it last, which is due again from now on
FILL_IN = """
UPDATE gaps SET stage_id = matches.stage_id, feed_month = matches.feed_month
FROM matches
WHERE gaps.kind = 'quarantined' AND matches.match_id = gaps.match_id
"""
MAKE_DUE = """
UPDATE months SET due_at = coalesce(months.site_time, months.observed_at)
FROM gaps
WHERE gaps.kind = 'quarantined' AND gaps.stage_id = months.stage_id AND gaps.feed_month = months.month
"""
GRANTS = (
    # the export leaves out what was withdrawn; a person's word is ended by another, never changed or deleted
    "GRANT SELECT, INSERT ON withdrawals TO match_assets_scrape",
    "GRANT UPDATE (ended_at) ON withdrawals TO match_assets_scrape",
    "GRANT SELECT ON withdrawals TO match_assets_export, match_assets_read",
)


def upgrade() -> None:
    """Forward."""
    op.add_column(
        "gaps",
        sa.Column("stage_id", sa.Integer(), nullable=True, comment="whose feed lists a quarantined match"),
    )
    op.add_column(
        "gaps",
        sa.Column("feed_month", sa.Text(), nullable=True, comment="month whose feed lists a quarantined match"),
    )
    op.create_foreign_key(op.f("fk_gaps_stage_id_stages"), "gaps", "stages", ["stage_id"], ["stage_id"])
    op.create_table(
        "withdrawals",
        sa.Column("withdrawal_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("match_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False, comment="what the person said who withdrew it"),
        sa.Column(
            "withdrawn_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "ended_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when a person took it back, or the source listed the match again",
        ),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_withdrawals_has_a_reason")),
        sa.ForeignKeyConstraint(["match_id"], ["matches.match_id"], name=op.f("fk_withdrawals_match_id_matches")),
        sa.PrimaryKeyConstraint("withdrawal_id", name=op.f("pk_withdrawals")),
        comment="results that the source lost and a person said are gone for good",
    )
    op.create_index(
        "uq_withdrawals_standing",
        "withdrawals",
        ["match_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.execute(FILL_IN)
    op.execute(MAKE_DUE)
    for grant in GRANTS:
        op.execute(grant)
