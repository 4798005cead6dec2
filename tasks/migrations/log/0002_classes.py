"""Of several classes a score is a list: each model's probabilities, and the answer's, as JSON; null elsewhere."""

import sqlalchemy as sa
from alembic import op

revision = "log_0002"
down_revision = "log_0001"

_ADDED = ("champion_scores", "rival_scores", "answer_scores")


def upgrade() -> None:
    for name in _ADDED:
        op.add_column("predictions", sa.Column(name, sa.Text))


def downgrade() -> None:
    for name in _ADDED:
        op.drop_column("predictions", name)
