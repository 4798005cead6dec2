"""Which number do these numbers make? numpy and scipy only; nothing of ours is imported here."""

from tasks.stats.agreement import cohen_kappa, error_of_agreement
from tasks.stats.bootstrap import bootstrap_interval, paired_bootstrap
from tasks.stats.bounded import bounded_interval
from tasks.stats.calibration import Calibration, CalibrationBin, calibration
from tasks.stats.calibration_move import CalibrationMove, calibration_move, moved_since
from tasks.stats.cbpe import Calibrated, calibrated, effective_rows, expected_auc, expected_ratio
from tasks.stats.conformal import Ranks, Unusual, alarm_ranks, alarm_rate, smallest_rate, unusual, window_limits
from tasks.stats.counts import binomial_excess, count_tails, dispersion
from tasks.stats.drift import (
    binned,
    bins,
    distance,
    distances_of,
    jensen_shannon,
    kolmogorov_smirnov,
    missing_share,
    outside_share,
    psi,
    thinned,
    total_variation,
    wasserstein,
)
from tasks.stats.evalues import CoinFlip, coin_flip, rate_above, rate_below
from tasks.stats.gain import gain_interval
from tasks.stats.learning_curve import Law, power_law
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
from tasks.stats.prior import Prior, label_prior
from tasks.stats.propensity import LabelWeights, effective_size, hajek, horvitz_thompson, label_weights
from tasks.stats.recalibration import platt_map, straight_map, temperature
from tasks.stats.rescaling import Rescaling, Spike, relabelled, rescaling, rotated, spike
from tasks.stats.saturation import flipped_share
from tasks.stats.selective import Corrected, corrected_mean, corrected_precision, corrected_recall, selection_gap
from tasks.stats.sequences import confidence_sequence, fixed_interval
from tasks.stats.srm import SampleRatio, sample_ratio
from tasks.stats.staleness import growth, rank_correlation, sign_agreement
from tasks.stats.trend import Trend, mann_kendall, theil_sen, trend
from tasks.stats.unpaired import unpaired_sequence
from tasks.stats.weighting import shares_known, weighted_ratio

__all__ = [
    "Betting",
    "Calibrated",
    "Calibration",
    "CalibrationBin",
    "CalibrationMove",
    "CoinFlip",
    "Corrected",
    "DelayCurve",
    "LabelNoise",
    "LabelWeights",
    "Law",
    "MadeByDecisions",
    "Prior",
    "Ranks",
    "Rescaling",
    "RunningAverage",
    "SampleRatio",
    "Spike",
    "Trend",
    "Unusual",
    "alarm_ranks",
    "alarm_rate",
    "average_precision",
    "betting",
    "binned",
    "binomial_excess",
    "bins",
    "bootstrap_interval",
    "bounded_interval",
    "calibrated",
    "calibration",
    "calibration_move",
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
    "distances_of",
    "effective_rows",
    "effective_size",
    "entities_for_sample_ratio",
    "error_of_agreement",
    "errors_for_coin_flip",
    "expected_auc",
    "expected_ratio",
    "fixed_interval",
    "flipped_share",
    "gain_interval",
    "growth",
    "hajek",
    "horvitz_thompson",
    "jensen_shannon",
    "kolmogorov_smirnov",
    "label_noise",
    "label_prior",
    "label_weights",
    "macro_auc",
    "made_by_decisions",
    "mann_kendall",
    "missing_share",
    "moved_since",
    "outside_share",
    "paired_bootstrap",
    "platt_map",
    "power_law",
    "precision_at_threshold",
    "psi",
    "rank_correlation",
    "rate_above",
    "rate_below",
    "recall_at_precision",
    "recall_at_threshold",
    "relabelled",
    "rescaling",
    "roc_auc",
    "rotated",
    "rows_for_betting",
    "rows_for_running_average",
    "rows_for_unpaired",
    "running_average",
    "sample_ratio",
    "selection_gap",
    "shares_known",
    "sign_agreement",
    "smallest_difference",
    "smallest_paired_difference",
    "smallest_rate",
    "spike",
    "straight_map",
    "temperature",
    "theil_sen",
    "thinned",
    "total_variation",
    "trend",
    "unpaired_sequence",
    "unusual",
    "wasserstein",
    "weighted_mean",
    "weighted_ratio",
    "window_limits",
]
