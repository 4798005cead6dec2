"""How likely was the decision that went out, and was it drawn? Rows from before were decided by their model: surely."""

import sqlalchemy as sa
from alembic import op

revision = "log_0005"
down_revision = "log_0004"


def upgrade() -> None:
    # Constants as defaults: neither engine writes the rows that are there anew.
    with op.batch_alter_table("predictions", recreate="auto") as table:
        table.add_column(sa.Column("propensity", sa.Float, server_default="1"))
        table.add_column(sa.Column("explored", sa.Boolean, server_default=sa.false()))


def downgrade() -> None:
    # Not in batch mode: a table made anew would lose the condition of its partial index.
    for name in ("explored", "propensity"):
        op.drop_column("predictions", name)
