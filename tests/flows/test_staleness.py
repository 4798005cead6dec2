"""Does the curve show a world that moves and keep quiet about one that stays, with what it rests on?"""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from flows.__main__ import main
from flows.staleness import lines, staleness
from schemas.framing import BrierLoss
from schemas.recipe import Recipe
from tasks import windows
from tests.flows import made
from tests.flows.made import HIGH

DAYS = 112
WEEKLY = replace(
    HIGH,
    name="weekly",
    source=replace(HIGH.source, location="weekly/rows.parquet", history=timedelta(days=28)),
    framing=HIGH.framing.model_copy(update={"loss": BrierLoss(), "requirements": (), "costs": None}),
    recipe=Recipe(features=("x", "z"), family="linear", window=timedelta(days=14)),
)


def table(*, turns: float) -> pd.DataFrame:
    """What is high is decided by a direction of x and z that turns by so many radians over the whole time."""
    rows = made.readings(days=DAYS, per_day=60)
    angle = turns * np.arange(len(rows)) / len(rows)
    latent = np.cos(angle) * rows["x"] + np.sin(angle) * rows["z"]
    return rows.assign(high=(latent + np.random.default_rng(1).normal(scale=0.3, size=len(rows)) > 0).astype(float))


def test_where_the_world_turns_loss_grows_with_age_and_renewing_pays(home):
    windows.materialise(WEEKLY, table(turns=3.0))
    found = staleness(WEEKLY)
    estimates = [one.estimate for one in found.growth.values()]
    assert next(iter(found.growth)) == 1
    assert estimates[5] > estimates[2] > estimates[0] > 0
    assert found.pays_after is not None
    assert found.pays_after <= 3
    assert found.weeks[1] == (DAYS - 28) // 7 - 1
    assert "renewing pays after" in list(lines(WEEKLY, found))[-1]


def test_where_nothing_moves_no_growth_is_shown(home):
    windows.materialise(WEEKLY, table(turns=0.0))
    found = staleness(WEEKLY)
    assert found.pays_after is None
    assert "not needed" in list(lines(WEEKLY, found))[-1]


def test_the_command_prints_the_curve_and_keeps_its_figures(home, tmp_path, capsys):
    windows.materialise(WEEKLY, table(turns=3.0))
    with made.added(WEEKLY, tmp_path):
        assert main(["staleness", "weekly"]) == 0
    assert "weeks" in capsys.readouterr().out
    assert (home / "figures" / "staleness-weekly.json").exists()


def test_a_short_history_says_so(home):
    windows.materialise(WEEKLY, table(turns=0.0).head(40 * 60))
    assert "too short" in next(lines(WEEKLY, staleness(WEEKLY)))


@pytest.mark.parametrize("command", ["worth"])
def test_before_any_comparison_there_is_no_worth(home, tmp_path, capsys, command):
    with made.added(WEEKLY, tmp_path):
        assert main([command, "weekly"]) == 0
    assert "no challenger has been compared" in capsys.readouterr().out
