"""Is the split uniform, sticky while the share grows, and new in every rollout?"""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, kstest

from tasks.routing import in_challenger_arm, position

ENTITIES = [str(n) for n in range(20_000)]


def test_positions_are_uniform():
    assert kstest([position(e, key="fraud/1") for e in ENTITIES], "uniform").pvalue > 0.001


@pytest.mark.parametrize("share", [0.01, 0.05, 0.25, 0.5])
def test_about_the_stated_share_falls_to_the_challenger(share):
    found = in_challenger_arm(ENTITIES, key="fraud/1", share=share).mean()
    assert found == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / len(ENTITIES)))


@pytest.mark.parametrize("share, inside", [(0.0, 0), (1.0, len(ENTITIES))])
def test_no_share_is_nobody_and_the_whole_share_is_everybody(share, inside):
    assert in_challenger_arm(ENTITIES, key="k", share=share).sum() == inside


@given(st.text(max_size=20), st.text(max_size=80), st.floats(0, 1), st.floats(0, 1))
def test_who_is_inside_stays_inside_when_the_share_grows(entity, key, one, other):
    small, large = sorted([one, other])
    assert in_challenger_arm([entity], key=key, share=small) <= in_challenger_arm([entity], key=key, share=large)
    assert 0 <= position(entity, key=key) < 1


@pytest.mark.parametrize(
    "one, other",
    [("fraud/1", "fraud/2"), ("fraud/1", "bikes/1"), ("a" * 90 + "/1", "a" * 90 + "/2")],
    ids=["two rollouts", "two problems", "two rollouts of a long name"],
)
def test_being_inside_one_rollout_says_nothing_about_another(one, other):
    first, second = (in_challenger_arm(ENTITIES, key=key, share=0.1) for key in (one, other))
    table = [[np.sum((first == a) & (second == b)) for a in (0, 1)] for b in (0, 1)]
    assert chi2_contingency(table).pvalue > 0.001


def test_all_requests_of_an_entity_go_one_way_whatever_their_type():
    arms = in_challenger_arm([7, "7", 7, 8], key="k", share=0.5)
    assert arms[0] == arms[1] == arms[2]


def test_nobody_is_routed_nowhere():
    assert in_challenger_arm([], key="k", share=0.5).shape == (0,)


def test_every_process_routes_alike():
    code = "from tasks.routing import position; print([position(str(e), key='fraud/1') for e in range(9)])"
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert said == {str([position(str(e), key="fraud/1") for e in range(9)])}
