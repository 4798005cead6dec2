"""Three ways in which the obvious test promotes or stops a model for no reason, and what holds instead."""

import numpy as np
import pytest

from tasks.stats import Betting, CoinFlip

ALPHA, LIMIT, RUNS = 0.05, np.log(20), 200
CHANCE = 3 * np.sqrt(ALPHA * (1 - ALPHA) / RUNS)  # three standard errors of a share of RUNS runs


def test_a_pooled_z_test_takes_a_drifting_base_rate_for_the_challenger_and_the_coin_flip_does_not():
    rng, naive, ours = np.random.default_rng(5), 0, 0
    share = np.repeat([0.05, 0.10, 0.25, 0.50], 2_000)
    base = np.linspace(0.01, 0.08, share.size)
    for _ in range(RUNS):
        arm, erred = rng.random(share.size) < share, rng.random(share.size) < base
        spread = np.sqrt(erred.mean() * (1 - erred.mean()) * (1 / arm.sum() + 1 / (~arm).sum()))
        naive += (erred[arm].mean() - erred[~arm].mean()) / spread > 1.645
        ours += CoinFlip().update(arm[erred], share[erred]).log_peak >= LIMIT
    assert naive / RUNS > 0.8
    assert ours / RUNS <= ALPHA + CHANCE


def test_every_error_of_a_customer_is_counted_again_and_the_first_alone_is_not():
    rng, naive, ours = np.random.default_rng(6), 0, 0
    customers, requests, share = 400, 6_000, 0.25
    for _ in range(RUNS):
        arm = rng.random(customers) < share  # a customer stays in an arm, and some err at almost every request
        frailty = rng.beta(0.05, 0.95, customers)
        who = rng.integers(0, customers, requests)
        failed = who[rng.random(requests) < frailty[who]]
        first = failed[np.sort(np.unique(failed, return_index=True)[1])]
        naive += CoinFlip().update(arm[failed], np.full(failed.size, share)).log_peak >= LIMIT
        ours += CoinFlip().update(arm[first], np.full(first.size, share)).log_peak >= LIMIT
    assert naive / RUNS > 3 * ALPHA
    assert ours / RUNS <= ALPHA + CHANCE


@pytest.mark.parametrize("late", [0, 1])
def test_labels_in_the_order_they_arrive_are_a_selection_and_behind_a_watermark_they_are_not(late):
    """Two models that err alike: each is better on one label, and one of the labels is known a month later."""
    rng, naive, ours = np.random.default_rng(7), 0, 0
    n, delay, now = 4_000, 2_000, 4_000
    for _ in range(RUNS):
        label = rng.integers(0, 2, n)
        gain = np.where(label == late, -0.1, 0.1) * rng.integers(0, 2, n)  # mean 0 over both labels
        predicted = np.arange(n)
        known = predicted + np.where(label == late, delay, 0)
        arrived = np.argsort(known, kind="stable")
        arrived = arrived[known[arrived] <= now]
        behind = predicted[predicted + delay <= now]  # every label of these rows is in, whichever it is
        naive += Betting().update(gain[arrived]).log_peak >= LIMIT
        ours += Betting().update(gain[behind]).log_peak >= LIMIT
    assert naive == RUNS
    assert ours / RUNS <= ALPHA + CHANCE
