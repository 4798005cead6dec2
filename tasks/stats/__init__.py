"""Which number do these numbers make? numpy and scipy only; nothing of ours is imported here."""

from tasks.stats.conformal import smallest_rate, window_limits
from tasks.stats.drift import binned, bins, distance
from tasks.stats.evalues import coin_flip, rate_above, rate_below
from tasks.stats.power import smallest_difference
from tasks.stats.sequences import confidence_sequence, fixed_interval
from tasks.stats.srm import sample_ratio

__all__ = [
    "binned",
    "bins",
    "coin_flip",
    "confidence_sequence",
    "distance",
    "fixed_interval",
    "rate_above",
    "rate_below",
    "sample_ratio",
    "smallest_difference",
    "smallest_rate",
    "window_limits",
]
