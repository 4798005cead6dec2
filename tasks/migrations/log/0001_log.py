"""The first prediction log: one row a scored row, and labels with the time each became known."""

import sqlalchemy as sa
from alembic import op

revision = "log_0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "predictions",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("problem", sa.String(100), nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("event_time", sa.BigInteger, nullable=False),  # microseconds since 1970, UTC
        sa.Column("entity", sa.Text, nullable=False),
        sa.Column("rollout", sa.Integer, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("stage", sa.String(20), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),  # who answered, or would have
        sa.Column("probability", sa.Float, nullable=False),  # of the challenger being assigned
        sa.Column("champion", sa.String(64), nullable=False),  # sha256 of whoever answers by default
        sa.Column("rival", sa.String(64)),  # the challenger, or in probation the previous champion
        sa.Column("champion_score", sa.Float),
        sa.Column("champion_decision", sa.Float),
        sa.Column("champion_error", sa.String(100)),
        sa.Column("rival_score", sa.Float),
        sa.Column("rival_decision", sa.Float),
        sa.Column("rival_error", sa.String(100)),
        sa.Column("answer_score", sa.Float),
        sa.Column("answer_decision", sa.Float),
        sa.Column("latency_ms", sa.Float),  # null where rows are scored in batches
        sa.UniqueConstraint("problem", "key", name="one_row_a_request"),
    )
    op.create_index("predictions_by_time", "predictions", ["problem", "event_time"])
    op.create_table(
        "labels",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("problem", sa.String(100), nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("label", sa.Float, nullable=False),
        sa.Column("known_at", sa.BigInteger, nullable=False),  # microseconds since 1970, UTC
        sa.UniqueConstraint("problem", "key", "known_at", name="one_label_a_moment"),
    )
    op.create_index("labels_by_time", "labels", ["problem", "known_at"])


def downgrade() -> None:
    op.drop_table("labels")
    op.drop_table("predictions")
