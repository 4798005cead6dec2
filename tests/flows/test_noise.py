"""Are planted wrong labels found, in number and by name, and is little found where none is planted?"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from flows.noise import noise_of
from schemas.columns import about
from schemas.errors import PerennialError
from schemas.framing import AbsoluteLoss, BrierLoss, Framing
from tasks.out_of_fold import folds
from tests.flows.made import BANDS, HIGH, PROBLEM, readings


def planted(share: float, *, target: str = "high", seed: int = 3, days: int = 60) -> tuple[pd.DataFrame, np.ndarray]:
    """Readings whose class x and the kind tell for sure, with `share` of the labels flipped."""
    rows, rng = readings(days=days), np.random.default_rng(seed)
    latent = np.where(rows["kind"] == "a", rows["x"], -rows["x"])
    band = np.array(BANDS, dtype=object)[np.digitize(latent, [-0.6, 0.6])]
    wrong = rng.random(len(rows)) < share
    if target == "high":
        truth = (latent > 0.3).astype(float)
        return rows.assign(high=np.where(wrong, 1 - truth, truth)), wrong
    other = np.array(BANDS, dtype=object)[(np.searchsorted(BANDS, band) + 1) % 3]
    return rows.assign(band=pd.Series(np.where(wrong, other, band), dtype=str)), wrong


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
def test_the_share_of_flipped_labels_is_found_and_the_rows_by_name(share):
    rows, wrong = planted(share)
    found = noise_of(HIGH, rows, seed=1, shown=200)
    assert found.rate == pytest.approx(wrong.mean(), rel=0.2)
    assert found.ceiling == pytest.approx(1 - wrong.mean(), abs=0.03)
    flipped = set(rows.loc[wrong, "id"].astype(str))
    assert np.mean([suspect.key in flipped for suspect in found.suspects]) > 0.95
    assert sorted((s.loss for s in found.suspects), reverse=True) == [s.loss for s in found.suspects]


def test_where_nothing_is_flipped_little_is_found():
    rows, _ = planted(0.0)
    found = noise_of(HIGH, rows, seed=1)
    assert found.rate < 0.02
    assert found.surest == 0.0


def test_of_several_classes_each_has_its_share():
    rows, wrong = planted(0.1, target="band")
    found = noise_of(PROBLEM, rows, seed=1)
    assert found.rate == pytest.approx(wrong.mean(), abs=0.05)
    assert set(found.by_class) == set(BANDS)


def test_of_numbers_those_far_off_are_counted():
    rows, _ = planted(0.0)
    rng = np.random.default_rng(1)
    number = rows["x"] + 0.1 * rng.normal(size=len(rows))
    number[::100] += 20.0
    said = HIGH.framing.model_dump() | {"task": "regression", "loss": AbsoluteLoss(bound=5.0), "requirements": ()}
    said |= {"costs": None, "fairness": (), "behaviours": (), "metric": "mae"}
    problem = replace(HIGH, framing=Framing.model_validate(said))
    found = noise_of(problem, rows.assign(high=number), seed=1, shown=50)
    assert np.isnan(found.rate)
    assert found.outlying == pytest.approx(len(rows) / 100, rel=0.15)
    assert {s.key for s in found.suspects} <= set(rows["id"][::100].astype(str))


def test_entities_stay_in_one_fold_and_time_in_stretches():
    rows = readings(days=10)
    stretches = folds(HIGH.framing, rows, 5)
    assert (np.diff(stretches) >= 0).all()
    assert set(stretches) == set(range(5))
    by_entity = HIGH.framing.model_copy(update={"entity": "kind"})
    assert pd.Series(folds(by_entity, rows, 5)).groupby(rows["kind"]).nunique().eq(1).all()
    timeless = HIGH.framing.model_copy(update={"timeless": True})
    assert set(folds(timeless, rows, 5)) == set(range(5))
    assert not (np.diff(folds(timeless, rows, 5)) >= 0).all()


def test_a_personal_key_is_not_told():
    rows, _ = planted(0.05, days=20)
    contract = HIGH.contract.update_column("id", metadata=about(personal=True))
    found = noise_of(replace(HIGH, contract=contract), rows, seed=1, shown=5)
    assert all(suspect.key.startswith("row ") for suspect in found.suspects)


def test_rows_of_one_label_are_refused_in_one_sentence():
    rows = readings(days=5).assign(high=1.0)
    framing = HIGH.framing.model_copy(update={"loss": BrierLoss()})
    with pytest.raises(PerennialError, match="one label"):
        noise_of(replace(HIGH, framing=framing), rows, seed=1)
