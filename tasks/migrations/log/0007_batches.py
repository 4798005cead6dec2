"""Requests of many rows at once: the route that each is answered under, and which of them answered a row of the log."""

import sqlalchemy as sa
from alembic import op

revision = "log_0007"
down_revision = "log_0006"


def upgrade() -> None:
    op.create_table(
        "batches",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("problem", sa.String(100), nullable=False),
        sa.Column("request", sa.String(100), nullable=False),  # as whoever asked names it
        sa.Column("inputs", sa.Text, nullable=False),  # JSON: what was asked, by content
        sa.Column("route", sa.Text, nullable=False),  # JSON: kept from the first part to the last
        sa.Column("began", sa.BigInteger, nullable=False),  # microseconds since 1970, UTC
        sa.Column("ended", sa.BigInteger),
        sa.Column("result", sa.Text),  # JSON; null until every part is there
        sa.UniqueConstraint("problem", "request", name="one_batch_a_request"),
    )
    # Null: a turn answered the row, or a gateway. Not in batch mode, which would write each row of SQLite's table anew.
    op.add_column("predictions", sa.Column("batch", sa.Integer))


def downgrade() -> None:
    op.drop_column("predictions", "batch")
    op.drop_table("batches")
