"""Nights of experiments, the steps they took, and the result of each experiment, once."""

import sqlalchemy as sa
from alembic import op

revision = "experiments_0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "nights",
        sa.Column("problem", sa.String(100), primary_key=True),
        sa.Column("night", sa.String(40), primary_key=True),
        sa.Column("began", sa.String(40), nullable=False),
        sa.Column("ended", sa.String(40)),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "steps",
        sa.Column("problem", sa.String(100), primary_key=True),
        sa.Column("night", sa.String(40), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "experiments",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("problem", sa.String(100), nullable=False, index=True),
        sa.Column("at", sa.String(40), nullable=False),
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
    )


def downgrade() -> None:
    for table in ("experiments", "steps", "nights"):
        op.drop_table(table)
