"""Which number do these numbers make? numpy and scipy only; nothing of ours is imported here."""

from tasks.stats.agreement import cohen_kappa, error_of_agreement
from tasks.stats.bootstrap import bootstrap_interval, paired_bootstrap
from tasks.stats.bounded import bounded_interval
from tasks.stats.calibration import Calibration, CalibrationBin, calibration
from tasks.stats.conformal import smallest_rate, window_limits
from tasks.stats.counts import binomial_excess, count_tails, dispersion
from tasks.stats.drift import binned, bins, distance
from tasks.stats.evalues import CoinFlip, coin_flip, rate_above, rate_below
from tasks.stats.loop import MadeByDecisions, made_by_decisions
from tasks.stats.maturity import DelayCurve, delay_curve, delay_curve_of_known
from tasks.stats.metrics import (
    average_precision,
    macro_auc,
    precision_at_threshold,
    recall_at_precision,
    recall_at_threshold,
    roc_auc,
    weighted_mean,
)
from tasks.stats.noise import LabelNoise, label_noise
from tasks.stats.paired import Betting, RunningAverage, betting, running_average
from tasks.stats.power import (
    entities_for_sample_ratio,
    errors_for_coin_flip,
    rows_for_betting,
    rows_for_running_average,
    rows_for_unpaired,
    smallest_difference,
    smallest_paired_difference,
)
from tasks.stats.propensity import LabelWeights, effective_size, hajek, horvitz_thompson, label_weights
from tasks.stats.selective import Corrected, corrected_mean, corrected_precision, corrected_recall, selection_gap
from tasks.stats.sequences import confidence_sequence, fixed_interval
from tasks.stats.srm import SampleRatio, sample_ratio
from tasks.stats.unpaired import unpaired_sequence

__all__ = [
    "Betting",
    "Calibration",
    "CalibrationBin",
    "CoinFlip",
    "Corrected",
    "DelayCurve",
    "LabelNoise",
    "LabelWeights",
    "MadeByDecisions",
    "RunningAverage",
    "SampleRatio",
    "average_precision",
    "betting",
    "binned",
    "binomial_excess",
    "bins",
    "bootstrap_interval",
    "bounded_interval",
    "calibration",
    "cohen_kappa",
    "coin_flip",
    "confidence_sequence",
    "corrected_mean",
    "corrected_precision",
    "corrected_recall",
    "count_tails",
    "delay_curve",
    "delay_curve_of_known",
    "dispersion",
    "distance",
    "effective_size",
    "entities_for_sample_ratio",
    "error_of_agreement",
    "errors_for_coin_flip",
    "fixed_interval",
    "hajek",
    "horvitz_thompson",
    "label_noise",
    "label_weights",
    "macro_auc",
    "made_by_decisions",
    "paired_bootstrap",
    "precision_at_threshold",
    "rate_above",
    "rate_below",
    "recall_at_precision",
    "recall_at_threshold",
    "roc_auc",
    "rows_for_betting",
    "rows_for_running_average",
    "rows_for_unpaired",
    "running_average",
    "sample_ratio",
    "selection_gap",
    "smallest_difference",
    "smallest_paired_difference",
    "smallest_rate",
    "unpaired_sequence",
    "weighted_mean",
    "window_limits",
]
