"""How are the plans of a draft written, each number with its reason?"""

from datetime import timedelta

from tasks.guesses.proposal import Proposal

__all__ = ["plan_lines", "plan_names", "span_code"]

_DAY = timedelta(days=1)


def span_code(span: timedelta) -> str:
    """A duration as people write it.

    >>> span_code(timedelta(days=14)), span_code(timedelta(hours=6)), span_code(timedelta(minutes=90))
    ('timedelta(days=14)', 'timedelta(hours=6)', 'timedelta(minutes=90)')
    """
    seconds = round(span / timedelta(seconds=1))
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds % size == 0:
            return f"timedelta({unit}={seconds // size})"
    return f"timedelta(seconds={seconds})"


def plan_lines(p: Proposal) -> list[str]:
    """The plans as arguments of PROBLEM; without a time, only what an offline gate asks."""
    if p.timeless:
        return _offline(p)
    return [*_rollout(p), *_monitoring(p), *_retraining(p), *_data(p)]


def plan_names(p: Proposal) -> list[str]:
    """The plans that a draft spells out, to be imported."""
    if not p.timeless:
        return ["DataPlan", "MonitoringPlan", "RetrainingPlan", "RolloutPlan"]
    return ["RetrainingPlan", *(["RolloutPlan"] if _unlabelled(p) else [])]


def _offline(p: Proposal) -> list[str]:
    labelled = round(p.table.rows * (1 - p.table.columns[p.target.name].missing))
    judged = round(labelled * (0.15 if labelled >= 10_000 else 0.6))
    unlabelled = _unlabelled(p)
    return [
        *(["    rollout=RolloutPlan(", unlabelled, "    ),"] if unlabelled else []),
        "    retraining=RetrainingPlan(",
        f"        # some {judged:,} of {labelled:,} labelled rows are held out by a hash of their key",
        f"        test_rows={max(min(judged // 2, 500), 30)},",
        f"        train_rows={max(min(labelled // 6, 500), 30)},",
        f"        slice_rows={max(min(judged // 8, 200), 10)},",
        f"        calibration_rows={max(min(judged // 2, 200), 20)},",
        "    ),",
    ]


def _rollout(p: Proposal) -> list[str]:
    d, plan = p.plan.durations, p.plan
    a_day = f"{plan.rows_a_day:,.0f} rows a day" if plan.rows_a_day >= 1 else f"{plan.rows_a_day * 7:.1f} rows a week"
    lines = [
        "    rollout=RolloutPlan(",
        f"        # {a_day}; what comes after the history lasts {plan.live / _DAY:,.0f} days, and a rollout has to fit into it",
        f"        shadow_at_least={span_code(d.shadow)},",
        f"        shadow_at_most={span_code(d.shadow_at_most)},",
        f"        share_at_least={span_code(d.share)},",
        f"        share_requests={plan.share_requests},  # half of what 5 % bring meanwhile",
        f"        share_entities={plan.share_entities}," + ("" if p.entity else "  # no entity: each row is its own"),
        f"        canary_at_most={span_code(d.canary_at_most)},",
        "        ab_at_least=None,",
        f'        ab_waiver="a draft: {a_day.replace(",", " ")}; the paired shadow shows in fewer rows what two arms would",',
        f"        probation={span_code(d.probation)},",
        f"        probation_rows={plan.probation_rows},",
        f"        probation_at_most={span_code(d.probation_at_most)},",
    ]
    unlabelled = _unlabelled(p)
    return [*lines, *([unlabelled] if unlabelled else []), "    ),"]


def _unlabelled(p: Proposal) -> str:
    """The share of rows that may stay without a label, where the table says that it is more than a few; else nothing."""
    missing, late = p.table.columns[p.target.name].missing, 1 - p.matured
    if missing + late <= 0.02:
        return ""
    allowed = min(0.99, round(1.5 * (missing + late) + 0.05, 2))
    says = f"{100 * missing:.0f} % have no label at all, {100 * late:.0f} % get it later than the maturity"
    return f"        unlabelled={allowed:g},  # {says}"


def _monitoring(p: Proposal) -> list[str]:
    d = p.plan.durations
    return [
        "    monitoring=MonitoringPlan(",
        f"        window={span_code(d.watched)},",
        f"        reference={span_code(d.reference)},  # the first champion is fitted on what of it is labelled",
        f"        history={span_code(d.history)},",
        f"        decay_window={span_code(d.decay)},",
        f"        decay_blocks={p.plan.decay_blocks},",
        f"        decay_tolerance={p.scale.margin:g},  # the margin",
        "    ),",
    ]


def _retraining(p: Proposal) -> list[str]:
    d, plan = p.plan.durations, p.plan
    return [
        "    retraining=RetrainingPlan(",
        f"        every={span_code(d.every)},",
        f"        cooldown={span_code(d.cooldown)},",
        f"        test={span_code(d.test)},  # some {plan.rows_a_day * (d.test / _DAY):,.0f} rows",
        f"        validation={span_code(d.validation)},  # Brier and absolute losses need no threshold",
        f"        test_rows={plan.test_rows},",
        f"        train_rows={plan.train_rows},",
        f"        slice_rows={plan.slice_rows},",
        f"        calibration_rows={plan.calibration_rows},",
        f"        patience={span_code(d.patience)},",
        f"        healthy_turn={span_code(d.turn)},  # some {plan.live / d.turn:,.0f} turns in a replay, of half a second each",
        f"        rollout_turn={span_code(d.rollout_turn)},",
        "    ),",
    ]


def _data(p: Proposal) -> list[str]:
    d = p.plan.durations
    embargo = (
        f"        embargo={span_code(d.embargo)},  # the maturity would take {100 * (d.maturity / d.history):.0f} % of the history\n"
        if d.embargo is not None
        else ""
    )
    lines = [
        "    data=DataPlan(",
        f"        partition={span_code(d.partition)},",
        f"        volume_ratio={p.plan.volume_ratio:g},  # 98 % of the days lie within {p.plan.volume_ratio / 1.5:.2g} of the median, and half as much again",
    ]
    return [*lines, *([embargo.rstrip()] if embargo else []), "    ),"]
