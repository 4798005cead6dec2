"""Does the evidence allow the next step? Each gate is pure and returns PASS, FAIL or WAIT, with the numbers in its sentence."""

from tasks.gates.data import Seen, arrivals, missing_shares, unseen_categories
from tasks.gates.honesty import (
    fresh_test_set,
    labels_complete,
    labels_supported,
    mirror_complete,
    no_duplicates,
    no_overlap,
    same_pair,
)
from tasks.gates.labels import early_labels, maturity_holds
from tasks.gates.leaks import no_leak
from tasks.gates.monitoring import decay, drift, requirement_live
from tasks.gates.operations import (
    Limits,
    Probe,
    enough_traffic,
    error_guardrail,
    latency_guardrail,
    prediction_shift,
    serveable,
    shares_held,
)
from tasks.gates.paired import business_effect, no_worse_live, not_shown_worse, paired_offline, paired_sequential
from tasks.gates.quality import (
    Violations,
    behaves,
    business_value,
    calibrated,
    fair,
    finite,
    precision_kept,
    requirement,
    simplest,
    slices,
)
from tasks.gates.skew import same_features
from tasks.gates.verdicts import at_deadline, closed

__all__ = [
    "Limits",
    "Probe",
    "Seen",
    "Violations",
    "arrivals",
    "at_deadline",
    "behaves",
    "business_effect",
    "business_value",
    "calibrated",
    "closed",
    "decay",
    "drift",
    "early_labels",
    "enough_traffic",
    "error_guardrail",
    "fair",
    "finite",
    "fresh_test_set",
    "labels_complete",
    "labels_supported",
    "latency_guardrail",
    "maturity_holds",
    "mirror_complete",
    "missing_shares",
    "no_duplicates",
    "no_leak",
    "no_overlap",
    "no_worse_live",
    "not_shown_worse",
    "paired_offline",
    "paired_sequential",
    "precision_kept",
    "prediction_shift",
    "requirement",
    "requirement_live",
    "same_features",
    "same_pair",
    "serveable",
    "shares_held",
    "simplest",
    "slices",
    "unseen_categories",
]
