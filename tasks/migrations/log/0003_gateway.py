"""What a gateway writes: requests by ordered number, client ids, trips, counts; several requests may score one key."""

import sqlalchemy as sa
from alembic import op

revision = "log_0003"
down_revision = "log_0002"


def upgrade() -> None:
    with op.batch_alter_table("predictions", recreate="auto") as table:
        # Rows that a turn scored have request 0, so that one key is scored once; a client may ask twice about a key.
        table.add_column(sa.Column("request", sa.BigInteger, nullable=False, server_default="0"))
        table.add_column(sa.Column("position", sa.Integer, nullable=False, server_default="0"))
        table.add_column(sa.Column("version", sa.String(20)))  # of the model that answered
        table.drop_constraint("one_row_a_request", type_="unique")
        table.create_unique_constraint("one_row_a_position", ["problem", "key", "request", "position"])
    op.create_index(
        "predictions_by_request",
        "predictions",
        ["request"],
        sqlite_where=sa.text("request > 0"),
        postgresql_where=sa.text("request > 0"),
    )
    op.create_table(
        "client_ids",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("problem", sa.String(100), nullable=False),
        sa.Column("client_id", sa.String(200), nullable=False),
        sa.Column("request", sa.BigInteger, nullable=False),
        sa.Column("payload", sa.String(32), nullable=False),  # blake2b of what was asked
        sa.UniqueConstraint("problem", "client_id", name="one_request_a_client_id"),
    )
    op.create_table(
        "trips",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("problem", sa.String(100), nullable=False),
        sa.Column("rollout", sa.Integer, nullable=False),
        sa.Column("model", sa.String(64), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),  # microseconds since 1970, UTC
        sa.Column("reason", sa.Text, nullable=False),
        sa.UniqueConstraint("problem", "rollout", "model", name="one_trip_a_challenger"),
    )
    op.create_table(
        "counts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("problem", sa.String(100), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),  # refused, dropped, beside
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("n", sa.Integer, nullable=False),
    )
    op.create_index("counts_by_time", "counts", ["problem", "kind", "at"])
    op.create_table(
        "gateways",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("problem", sa.String(100), nullable=False),
        sa.Column("started", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    for name in ("gateways", "counts", "trips", "client_ids"):
        op.drop_table(name)
    op.drop_index("predictions_by_request", "predictions")
    with op.batch_alter_table("predictions", recreate="auto") as table:
        table.drop_constraint("one_row_a_position", type_="unique")
        table.create_unique_constraint("one_row_a_request", ["problem", "key"])
        for name in ("version", "position", "request"):
            table.drop_column(name)
