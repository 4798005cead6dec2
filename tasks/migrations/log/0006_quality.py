"""What was measured of each cohort, and when it was known: a figure that late labels revise gets a row more."""

import sqlalchemy as sa
from alembic import op

revision = "log_0006"
down_revision = "log_0005"


def upgrade() -> None:
    op.create_table(
        "quality",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("problem", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),  # realised, partly matured, expected, served
        sa.Column("metric", sa.String(100), nullable=False),
        sa.Column("started", sa.BigInteger, nullable=False),  # of the cohort; microseconds since 1970, UTC
        sa.Column("ended", sa.BigInteger, nullable=False),
        sa.Column("model", sa.String(64), nullable=False),  # sha256
        sa.Column("known_at", sa.BigInteger, nullable=False),  # the `now` of the turn, whose knowledge it is
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("value", sa.Float, nullable=False),
        sa.Column("low", sa.Float),  # of a 95 % interval; null where none can be given
        sa.Column("high", sa.Float),
        sa.Column("note", sa.Text, nullable=False, server_default=""),
        # A turn that is run again writes nothing twice.
        sa.UniqueConstraint(
            "problem", "kind", "metric", "started", "ended", "model", "known_at", name="one_figure_a_moment"
        ),
    )


def downgrade() -> None:
    op.drop_table("quality")
