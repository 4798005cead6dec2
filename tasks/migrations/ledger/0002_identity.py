"""Which ledger is it? One row, made with the tables: what is deployed over a ledger says so by it."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "ledger_0002"
down_revision = "ledger_0001"


def upgrade() -> None:
    table = op.create_table("ledger_identity", sa.Column("id", sa.String(12), primary_key=True))
    op.bulk_insert(table, [{"id": secrets.token_hex(6)}])


def downgrade() -> None:
    op.drop_table("ledger_identity")
