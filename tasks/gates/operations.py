"""The fast clock and its like: does the challenger answer, as often and to whom it should, quickly and from a small process?"""

import math
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import ArrayLike

from schemas.verdict import Outcome, Verdict
from tasks.gates.verdicts import shown_e
from tasks.stats import CoinFlip, rate_above, rate_below, sample_ratio

__all__ = [
    "Limits",
    "Probe",
    "enough_traffic",
    "error_guardrail",
    "latency_guardrail",
    "prediction_shift",
    "serveable",
    "shares_held",
]


@dataclass(frozen=True)
class Probe:
    """What a fresh process measured of a logged model: golden rows scored, and what that took."""

    rows: int
    differing: int  # golden rows whose score is another one than in the process that trained it
    load_seconds: float
    latency_ms: float  # one row, at the framing's quantile
    memory_mb: float
    size_mb: float
    error: str = ""


@dataclass(frozen=True)
class Limits:
    """What a process that serves the model may take."""

    load_seconds: float
    latency_ms: float
    memory_mb: float
    size_mb: float


def serveable(probe: Probe, limits: Limits) -> Verdict:
    """Can the logged model be served: does it load in a fresh process, score as it did in training, fast and small enough?"""
    name = "serveability"
    # How fast and how large depends on the machine: people read it, and no hash covers it.
    beside = {"load_seconds": probe.load_seconds, "latency_ms": probe.latency_ms, "memory_mb": probe.memory_mb}
    beside |= {"size_mb": probe.size_mb}
    evidence = {"golden_rows": probe.rows, "differing": probe.differing}
    if probe.error:
        said = f"the logged model does not serve in a fresh process: {probe.error}"
        return Verdict(name, Outcome.FAIL, said, evidence, beside)
    if probe.rows == 0:
        return Verdict(name, Outcome.WAIT, "there was no golden row to score", evidence, beside)
    if probe.differing > 0:
        said = f"{probe.differing} of {probe.rows} golden rows score otherwise in a fresh process than in training"
        return Verdict(name, Outcome.FAIL, said, evidence, beside)
    measured = {
        "one row takes": (probe.latency_ms, limits.latency_ms, "ms"),
        "loading takes": (probe.load_seconds, limits.load_seconds, "s"),
        "memory grows by": (probe.memory_mb, limits.memory_mb, "MB"),
        "its file has": (probe.size_mb, limits.size_mb, "MB"),
    }
    # Written so that a figure which is not a number is over its limit too.
    over = [
        f"{what} {x:.3g} {unit}, {limit:g} is the limit"
        for what, (x, limit, unit) in measured.items()
        if not x <= limit
    ]
    if over:
        return Verdict(name, Outcome.FAIL, "; ".join(over), evidence, beside)
    said = f"{probe.rows} golden rows score alike in a fresh process, {probe.latency_ms:.1f} ms a row, {probe.size_mb:.1f} MB"
    return Verdict(name, Outcome.PASS, said, evidence, beside)


def error_guardrail(hits: ArrayLike, probability: ArrayLike, *, ratio: float, alpha: float, arms: str) -> Verdict:
    """The fast clock: does the challenger fail more often? `hits` and `probability` as in `coin_flip`; only holds or stops."""
    return _struck(hits, probability, ratio, alpha, arms, name="error guardrail", what="error", does="raises")


def latency_guardrail(hits: ArrayLike, probability: ArrayLike, *, ratio: float, alpha: float, arms: str) -> Verdict:
    """The same of answers that took longer than a limit frozen before the challenger answered any."""
    return _struck(hits, probability, ratio, alpha, arms, name="latency guardrail", what="slow answer", does="is slow")


def _struck(
    hits: ArrayLike, probability: ArrayLike, ratio: float, alpha: float, arms: str, *, name: str, what: str, does: str
) -> Verdict:
    # At whichever event it crossed: evidence that was enough once is not taken back by what comes later.
    log_e = CoinFlip(ratio).update(hits, probability).log_peak
    in_challenger, n = int(np.sum(hits)), int(np.size(hits))
    counted = f"{what}s".replace(" ", "_")
    evidence = {counted: n, f"{counted}_of_challenger": in_challenger, "log_e": log_e}
    article = "an" if what[0] in "aeiou" else "a"
    says = f"{in_challenger} of {n} entities with {article} {what} met it from the challenger, {arms} (e-value {shown_e(log_e)})"
    if log_e >= math.log(1 / alpha):
        return Verdict(name, Outcome.FAIL, f"the challenger {does}: {says}", evidence)
    return Verdict(name, Outcome.PASS, says if n else f"no {what}s", evidence)


def prediction_shift(
    positives: int, rows: int, *, held_out: float, factor: float, alpha: float, what: str = "positives"
) -> Verdict:
    """Does the challenger act on as many live requests as it did on held-out rows? A leak shows here within a day."""
    name = f"prediction shift of {what}"
    if rows == 0:
        return Verdict(name, Outcome.WAIT, "it has scored no request yet", {"rows": 0})
    low, high = held_out / factor, min(held_out * factor, 1 - 1e-9)
    if not 0 < low < high:
        said = f"a held-out share of {what} of {held_out:.4f} gives no limits"
        return Verdict(name, Outcome.WAIT, said, {"rows": rows})
    log_e = max(rate_below(positives, rows, rate=low), rate_above(positives, rows, rate=high))
    evidence = {"rows": rows, "share": positives / rows, "held_out": held_out, "log_e": log_e}
    says = f"it acts on {positives / rows:.2%} of {rows:,} live requests, on held-out rows it was {held_out:.2%}"
    # Two one-sided tests share alpha.
    if log_e >= math.log(2 / alpha):
        return Verdict(name, Outcome.FAIL, f"{says}: not the model that was judged offline", evidence)
    return Verdict(name, Outcome.PASS, says, evidence)


def shares_held(in_challenger: ArrayLike, probability: ArrayLike, *, alpha: float) -> Verdict:
    """Do entities fall to the arms as they were assigned? A mismatch makes every comparison of arms void."""
    if np.size(in_challenger) == 0:
        return Verdict("sample ratio", Outcome.WAIT, "no entity was assigned to an arm yet", {"entities": 0})
    log_e = sample_ratio(in_challenger, probability)
    n = int(np.size(in_challenger))
    evidence = {"entities": n, "in_challenger": int(np.sum(in_challenger)), "log_e": log_e}
    if log_e >= math.log(1 / alpha):
        return Verdict(
            "sample ratio",
            Outcome.FAIL,
            f"{evidence['in_challenger']} of {n} entities in the challenger's arm is not what was assigned",
            evidence,
        )
    return Verdict(
        "sample ratio",
        Outcome.PASS,
        f"{evidence['in_challenger']} of {n} entities in the challenger's arm, as assigned",
        evidence,
    )


def enough_traffic(
    *,
    requests: int,
    entities: int,
    elapsed: timedelta,
    at_least: timedelta,
    requests_needed: int,
    entities_needed: int,
) -> Verdict:
    """Has the share had its time, its requests and its entities?"""
    evidence = {"requests": requests, "entities": entities, "days": elapsed / timedelta(days=1)}
    says = f"{requests:,} requests of {entities:,} entities in {elapsed / timedelta(days=1):.1f} days"
    done = elapsed >= at_least and requests >= requests_needed and entities >= entities_needed
    if done:
        return Verdict("traffic", Outcome.PASS, says, evidence)
    needed = f"{requests_needed:,} of {entities_needed:,} in {at_least / timedelta(days=1):.1f}"
    return Verdict("traffic", Outcome.WAIT, f"{says}; {needed} are needed", evidence)
