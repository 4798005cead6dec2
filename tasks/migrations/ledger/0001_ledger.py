"""The first ledger: append-only rows, hash-chained, unique on (problem, sequence)."""

import sqlalchemy as sa
from alembic import op

revision = "ledger_0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "ledger",
        sa.Column("problem", sa.String(100), primary_key=True),
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("stage", sa.String(20), nullable=False),
        sa.Column("arrow", sa.String(10), nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
        sa.Column("notes", sa.Text, nullable=False),
        sa.Column("notes_hash", sa.String(64), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("ledger")
