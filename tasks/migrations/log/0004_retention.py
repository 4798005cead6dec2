"""A client's id goes with its answer: of rows that are archived or erased, the ids are found by their request."""

from alembic import op

revision = "log_0004"
down_revision = "log_0003"


def upgrade() -> None:
    op.create_index("client_ids_by_request", "client_ids", ["request"])


def downgrade() -> None:
    op.drop_index("client_ids_by_request", "client_ids")
