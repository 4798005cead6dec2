"""Is the column found that nobody reads, and does every world of the proof begin with a recipe that can be mended?"""

import numpy as np

from tests.flows.made import added
from tests.proofs.choosing import Bench, diagnosed, ours, runs_of
from tests.proofs.worlds import KINDS, world


def test_a_column_that_nobody_reads_is_found_at_once(home):
    one = world("unused_column", 1)
    with added(one.problem, home):
        bench = Bench(one, diagnosed)
        runs, history = runs_of(bench, ours(bench, np.random.default_rng(1)), looks=True)
    assert runs == 1, [tried.idea.name for tried in history]


def test_every_world_starts_badly_and_its_best_action_fits_its_recipe():
    for kind in KINDS:
        one = world(kind, 1)
        start = one.problem.recipe
        for change in one.best:
            assert start.model_validate(start.model_dump(mode="json") | change) != start
        assert set(start.features) <= set(one.problem.asked) & set(one.rows.columns)
        assert Bench(one, diagnosed).start == start
