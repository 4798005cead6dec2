"""What is the matter, and what is done about it? A decision table over what data, scores and labels show."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from schemas.incident import Action, Incident, Kind
from schemas.plans import MonitoringPlan
from schemas.verdict import Interval, Outcome, Verdict
from tasks.stats import CalibrationMove, Prior

__all__ = ["Signs", "broken", "triage"]

_BY_OFFSET = 0.75  # part of a move of calibration, from which an offset mends it
_STOPPED = 0.2  # of a class's usual share among labels, under which its labels stopped rather than its rows
_TURNED = -0.5  # of the score's usual effect, under which labels are turned rather than the world


@dataclass(frozen=True)
class Signs:
    """What one closed window shows. Each is a sentence, a verdict or a figure; what is not known is empty or None.

    `told`: matured labels of rows like the present ones are enough to judge by. `rise`: expected loss now over that
    before, as a share of it, if scores mean what they meant. `since`: how long ago the change began, as labels date it;
    `ripe`: enough rows since then have matured to train on, and later ones to judge by; `mappable`: enough to re-map the
    champion's scores, which takes far fewer.
    """

    faults: tuple[str, ...] = ()  # rows that break the contract, did not come, are empty or out of all range
    meanings: tuple[str, ...] = ()  # columns that say another thing than they did
    columns: tuple[str, ...] = ()  # that both of these are about
    unlabelled: tuple[str, ...] = ()  # labels that are due and did not come
    errors: float = 0.0  # share of valid requests that got no answer
    constant: bool = False  # the champion says one thing to all, and did not before
    can_roll_back: bool = False
    worse: Interval | None = None  # loss of a young champion over its predecessor's, same rows
    drift: Verdict | None = None
    seasonal: bool = False  # all that moved is as it was a cycle ago
    decay: Verdict | None = None
    calibration: CalibrationMove | None = None
    prior: Prior | None = None  # the share of positives that the scores alone speak for
    told: bool = False
    rise: float | None = None
    since: timedelta | None = None
    ripe: bool = True
    mappable: bool = True
    due: Verdict | None = None  # why it is time to renew; its gate is the reason's name
    emergency: bool = False  # the live loss is beyond the size that the plan lets wait


def triage(signs: Signs, *, plan: MonitoringPlan) -> Incident | None:
    """The incident that the signs speak of; None where all is as it was.

    Faults speak first, since nothing is judged on faulty rows or labels; then the model itself, then what labels say, then
    what inputs alone say, and time last.
    """
    for rule in _TABLE:
        found = rule(signs, plan)
        if found is not None:
            return found
    return None


def broken(move: CalibrationMove | None, plan: MonitoringPlan) -> bool:
    """Whether scores no longer mean what they meant: by more than chance, and by enough to matter."""
    return move is not None and move.p_value < plan.decay_alpha and move.gap >= plan.calibration_floor


def _data_fault(signs: Signs, _plan: MonitoringPlan) -> Incident | None:
    if not signs.faults:
        return None
    said = f"data fault, holding: {'; '.join(signs.faults[:3])}. Nothing is trained on these rows"
    return Incident(Kind.DATA_FAULT, Action.HOLD, said, {"faults": len(signs.faults)}, columns=signs.columns)


def _meaning(signs: Signs, _plan: MonitoringPlan) -> Incident | None:
    if not signs.meanings:
        return None
    said = (
        f"change of meaning, holding: {'; '.join(signs.meanings[:3])}. Ask whoever writes the column; "
        "a retrain that a person then asks for says that it is right"
    )
    return Incident(Kind.MEANING, Action.HOLD, said, {"columns": len(signs.meanings)}, columns=signs.columns)


def _errors(signs: Signs, plan: MonitoringPlan) -> Incident | None:
    if signs.errors <= plan.bad_share and not signs.constant:
        return None
    what = "says one thing to all" if signs.constant else f"gave no answer to {signs.errors:.1%} of sound requests"
    evidence = {"errors": signs.errors, "constant": int(signs.constant)}
    return _bug(f"the champion {what}", evidence, signs)


def _bug(what: str, evidence: Mapping[str, float | int | str | None], signs: Signs) -> Incident:
    if signs.can_roll_back:
        said = f"model bug: {what}; the previous champion is restored"
        return Incident(Kind.MODEL_BUG, Action.ROLL_BACK, said, evidence)
    said = f"model bug: {what}, and there is no previous champion that could answer. A person has to say what serves"
    return Incident(Kind.MODEL_BUG, Action.ASK, said, evidence)


def _label_fault(signs: Signs, _plan: MonitoringPlan) -> Incident | None:
    move, found = signs.calibration, list(signs.unlabelled)
    evidence: dict[str, float | int | str | None] = {"sentences": len(found)}
    if move is not None and _stopped(move, signs.prior):
        found += [
            f"positives are {move.now:.2%} of the labels, before {move.before:.2%}, and the inputs know of no change"
        ]
        evidence |= {"share now": move.now, "share before": move.before}
    if move is not None and move.slope < _TURNED and move.p_value < 1e-4:
        found += ["what scores high is labelled low and the other way round: labels are turned"]
        evidence |= {"slope": move.slope}
    if not found:
        return None
    said = f"label-pipeline fault, holding: {'; '.join(found[:3])}. Nothing is judged by such labels"
    return Incident(Kind.LABEL_FAULT, Action.HOLD, said, evidence)


def _stopped(move: CalibrationMove, prior: Prior | None) -> bool:
    """One class fell to a fifth of its share among labels, where chance does not, and the scores do not say so too."""
    shares = ((move.now, move.before), (1 - move.now, 1 - move.before))
    if move.p_value >= 1e-4 or not any(now <= _STOPPED * before for now, before in shares):
        return False
    return not _agrees(move, prior)


def _agrees(move: CalibrationMove, prior: Prior | None) -> bool:
    """Whether the share that the scores speak for is nearer to that of the labels now than to that before."""
    if prior is None or not prior.valid or not math.isfinite(prior.estimate):
        return False
    return abs(prior.estimate - move.now) < abs(prior.estimate - move.before)


def _worse(signs: Signs, _plan: MonitoringPlan) -> Incident | None:
    """The young champion is worse than the one it replaced, and the inputs are as they were."""
    if signs.worse is None or signs.worse.low <= 0:
        return None
    evidence = {"low": signs.worse.low, "worse": signs.worse.estimate}
    return _bug(f"it loses {signs.worse} a row more than the model it replaced", evidence, signs)


def _labels_moved(signs: Signs, plan: MonitoringPlan) -> Incident | None:
    """The scores' meaning moved, as matured labels show: by an offset that the inputs know of too, or otherwise."""
    move = signs.calibration
    if move is None or not broken(move, plan):
        return None
    evidence: dict[str, float | int | str | None] = {
        "gap": move.gap,
        "p_value": move.p_value,
        "by_offset": move.offset_share,
        "share now": move.now,
        "share before": move.before,
    }
    evidence |= {"share by scores": signs.prior.estimate} if signs.prior else {}
    says = f"{move.now:.1%} of matured labels are positive, {move.before:.1%} were"
    if move.offset_share >= _BY_OFFSET and _agrees(move, signs.prior):
        said = f"label shift: {says}, and the scores speak for {signs.prior}. The champion's scores are re-mapped first"
        moved = Incident(Kind.LABEL_SHIFT, Action.RECALIBRATE, said, evidence, signs.since, emergency=signs.emergency)
        return moved if signs.mappable else _unripe(moved)
    said = f"concept drift: scores no longer mean what they did (p {move.p_value:.1g}, {move.gap:.2f} sd of the label); {says}"
    turned = Incident(Kind.CONCEPT_DRIFT, Action.RETRAIN, said, evidence, signs.since, emergency=signs.emergency)
    return turned if signs.ripe else _unripe(turned)


def _unripe(incident: Incident) -> Incident:
    """A challenger of rows from before the change could only fail."""
    said = "too few rows since the change have matured to learn from and to judge by: the challenger waits for them"
    action = Action.ASK if incident.emergency else Action.NOTE
    return replace(incident, action=action, reason=f"{incident.reason}; {said}")


def _decayed(signs: Signs, plan: MonitoringPlan) -> Incident | None:
    if not _fails(signs.decay) or _harder_rows(signs, plan):
        return None
    assert signs.decay is not None
    evidence = dict(signs.decay.evidence)
    if _fails(signs.drift):
        said = f"covariate shift that costs: {signs.decay.reason}; the inputs moved to where the champion errs more"
        kind = Kind.COVARIATE_SHIFT
    elif signs.calibration is None:
        said, kind = f"concept drift: {signs.decay.reason}, and the inputs are as they were", Kind.CONCEPT_DRIFT
    else:
        said, kind = f"slow decay: {signs.decay.reason}; scores still mean what they did", Kind.STALENESS
    return Incident(kind, Action.RETRAIN, said, evidence, signs.since, emergency=signs.emergency)


def _harder_rows(signs: Signs, plan: MonitoringPlan) -> bool:
    """Whether the inputs moved and labels of such rows say that the scores still mean what they did: then the loss is that of
    rows that are harder to tell apart, which a new model does not mend, and what is expected of them says how bad it is."""
    knows = signs.told and signs.calibration is not None and not broken(signs.calibration, plan)
    return knows and _fails(signs.drift) and not signs.emergency


def _inputs_moved(signs: Signs, plan: MonitoringPlan) -> Incident | None:
    if not _fails(signs.drift):
        return None
    assert signs.drift is not None
    evidence, moved = dict(signs.drift.evidence), signs.drift.reason
    if signs.seasonal:
        said = f"seasonal, noted: {moved}; {plan.cycle / timedelta(days=1):.0f} days ago it was the same"
        return Incident(Kind.SEASONAL, Action.NOTE, said, evidence)
    if not signs.told:
        waits = "no matured label of such rows can tell yet what it costs"
        action = Action.RETRAIN if plan.drift_without_labels == "retrain" else Action.NOTE
        then = "the plan retrains then" if action is Action.RETRAIN else "noted until one can"
        return Incident(Kind.COVARIATE_SHIFT, action, f"covariate shift: {moved}; {waits}, and {then}", evidence)
    if signs.rise is not None and signs.rise > plan.loss_rise:
        said = f"covariate shift that costs: {moved}; the expected loss rose by {signs.rise:.0%}"
        return Incident(Kind.COVARIATE_SHIFT, Action.RETRAIN, said, evidence | {"rise": signs.rise})
    means = "scores still mean what they did" if signs.calibration else "the loss is what it was"
    said = f"covariate shift, noted: {moved}; matured labels of such rows say that {means}"
    said += f"; the rows are harder: {signs.decay.reason}" if signs.decay and _fails(signs.decay) else ""
    return Incident(Kind.COVARIATE_SHIFT, Action.NOTE, said, evidence)


def _stale(signs: Signs, _plan: MonitoringPlan) -> Incident | None:
    if not _fails(signs.due):
        return None
    assert signs.due is not None
    return Incident(Kind.STALENESS, Action.RETRAIN, signs.due.reason, {**signs.due.evidence, "due": signs.due.gate})


def _fails(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.outcome is Outcome.FAIL


Rule = Callable[[Signs, MonitoringPlan], Incident | None]
_TABLE: tuple[Rule, ...] = (
    _data_fault,
    _meaning,
    _errors,
    _label_fault,
    _worse,
    _labels_moved,
    _decayed,
    _inputs_moved,
    _stale,
)
