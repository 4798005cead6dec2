import json
from dataclasses import replace

import pytest

from schemas.night import Called, Night
from tests.pictured import night


def test_a_night_comes_back_from_json_as_it_was() -> None:
    there = night()
    assert Night.from_json(json.loads(json.dumps(there.to_json()))) == there


def test_a_night_that_still_runs_does_too() -> None:
    there = replace(night(), ended=None, opportunity="", gain=None, steps=())
    assert Night.from_json(json.loads(json.dumps(there.to_json()))) == there


def test_the_brier_score_counts_what_was_settled() -> None:
    steps = night().steps[:3]
    said = [
        replace(steps[0], predicted_chance=0.9, called=Called.GAIN),
        replace(steps[1], predicted_chance=0.4, called=Called.NOISE),
        replace(steps[2], predicted_chance=1.0, called=Called.FAILED),
    ]
    assert replace(night(), steps=tuple(said)).brier == pytest.approx((0.1**2 + 0.4**2) / 2)
    assert replace(night(), steps=()).brier is None
