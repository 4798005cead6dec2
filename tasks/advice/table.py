"""Can this table carry the loop: its rows, keys, times, contract, labels, and the parts that a retrain needs?"""

from collections.abc import Iterator
from datetime import timedelta

from schemas.framing import Framing
from tasks.advice.facts import Facts, Labels, Shape
from tasks.advice.findings import Finding, Severity, several

__all__ = ["contract", "days_of", "delay", "key_and_time", "labels", "leaks", "split"]

_DAY = timedelta(days=1)
_RARE = 50  # labels of the rarest class: an AUC's interval is then about .1 wide on a held-out third
_TELLING, _SAYS_ALL = 0.95, 0.999  # of a single column: hardly honest; a copy of the target
_GAP_DAYS = 7  # as long as a monitoring window: one of them would be empty
_LATE = 0.01  # of the slowest class: what comes after the maturity is judged as if it would never come
_TOO_PATIENT = 3.0  # maturity over the delay that 99 % of labels keep: every model is older than it must be


def contract(facts: Facts) -> Iterator[Finding]:
    found, limit = facts.broken, facts.problem.monitoring.bad_share
    if found is None or not found.bad:
        return
    share = found.bad / max(found.rows, 1)
    # A key that repeats is a finding of its own, with a step of its own.
    rules = {rule: n for rule, n in found.rules.items() if not (facts.shape and rule.endswith(": duplicated"))}
    if not rules:
        return
    worst = sorted(rules.items(), key=lambda rule: -rule[1])
    said = f"{found.bad:,} of {found.rows:,} rows ({share:.1%}) break it: " + several(f"{w} ({n:,})" for w, n in worst)
    column = worst[0][0].split(":")[0]
    step = f'schemas/problems/{facts.problem.name}.py, CONTRACT["{column}"]: correct the rule, or mend the rows'
    if share > limit:
        yield Finding(Severity.MUST, f"The contract refuses more than the {limit:.0%} a turn bears", said, step)
    else:
        yield Finding(Severity.NOTE, "Some rows will be in quarantine", said, step)


def key_and_time(facts: Facts) -> Iterator[Finding]:
    shape, framing = facts.shape, facts.problem.framing
    if shape is None:
        return
    if not shape.rows:
        yield Finding(Severity.MUST, "The table is empty", "0 rows", f"put rows at {facts.problem.source.location}")
        return
    if shape.no_key or shape.repeated_keys:
        said = f"{shape.repeated_keys:,} rows repeat a key, {shape.no_key:,} have none"
        step = "name a column that is unique as Framing.key, or make one in Source.derive"
        most = (shape.no_key + shape.repeated_keys) / shape.rows > facts.problem.monitoring.bad_share
        severity = Severity.MUST if most else Severity.SHOULD
        yield Finding(severity, f"The key {framing.key} does not identify a row", said, step)
    if shape.no_time:
        said = f"{shape.no_time:,} of {shape.rows:,} rows have no {framing.event_time}: no window ever holds them"
        severity = Severity.MUST if shape.no_time / shape.rows > 0.05 else Severity.SHOULD
        yield Finding(severity, "Rows without an event time", said, "fill it in, or drop them in Source.derive")
    if not framing.timeless:
        yield from _times(shape, framing)


def _times(shape: Shape, framing: Framing) -> Iterator[Finding]:
    if shape.future:
        said = f"{shape.future:,} of {shape.rows:,} rows, up to {shape.last:%Y-%m-%d %H:%M} UTC"
        step = f"check the time zone and unit of {framing.event_time}, or that it is when the event happened"
        severity = Severity.MUST if shape.future == shape.rows else Severity.SHOULD
        yield Finding(severity, "Events lie in the future", said, step)
    if shape.longest_gap > _GAP_DAYS * _DAY:
        said = f"{days_of(shape.longest_gap)} without a row, {shape.days:,} days with"
        yield Finding(Severity.NOTE, "The table has a gap", said, "find out why: windows in it are empty, and wait")


def labels(facts: Facts) -> Iterator[Finding]:
    found, framing, plan = facts.labels, facts.problem.framing, facts.problem.retraining
    if found is None:
        return
    if found.matured == 0:
        said = f"no row is older than the maturity ({days_of(framing.maturity)}), so that nothing is known yet"
        step = "wait for more rows, or lower Framing.maturity if labels come sooner"
        yield Finding(Severity.MUST, "The table is shorter than its labels take", said, step)
        return
    if found.labelled == 0:
        said = f"0 of {found.matured:,} rows older than the maturity ({days_of(framing.maturity)}) have a label"
        step = f"check Framing.target ({framing.target}), label_time ({framing.label_time}) and maturity"
        yield Finding(Severity.MUST, "No label is known", said, step)
        return
    missing = (found.matured - found.labelled) / found.matured
    # Where the decision says which label is seen, some are meant to be missing: that has a finding of its own.
    if missing > facts.problem.rollout.unlabelled and framing.labelled_when is None:
        said = f"{missing:.1%} of {found.matured:,} matured rows have none, {facts.problem.rollout.unlabelled:.0%} may: the rest is a selection"
        step = "raise Framing.maturity if they come later; else find them, or raise RolloutPlan.unlabelled in writing"
        yield Finding(Severity.MUST, "Too many labels never come: no rollout would pass", said, step)
    if found.labelled < plan.train_rows + plan.test_rows:
        said = f"{found.labelled:,} matured labels, the plan wants {plan.train_rows:,} to train on and {plan.test_rows:,} to judge on"
        step = "collect more, or lower RetrainingPlan.train_rows and test_rows as far as the margin allows"
        yield Finding(Severity.MUST, "Too few labels", said, step)
    yield from _classes(found, framing)


def _classes(found: Labels, framing: Framing) -> Iterator[Finding]:
    if framing.task == "regression":
        return
    expected = [str(name) for name in framing.classes] if framing.task == "multiclass" else ["0", "1"]
    absent = [name for name in expected if not found.classes.get(name)]
    strangers = [name for name in found.classes if name not in expected]
    if absent or strangers:
        said = f"matured labels are {several(found.classes, most=6)}; without a row: {several(absent) or 'none'}"
        step = f"let {framing.target} hold {', '.join(expected)}: correct Framing.classes, or map it in Source.derive"
        yield Finding(Severity.MUST, "The target's values are not the framing's", said, step)
    rarest = min((found.classes.get(name, 0) for name in expected), default=0)
    if not absent and rarest < _RARE:
        said = f"{rarest} of the rarest class: held-out rows hold a third of them at most"
        yield Finding(
            Severity.SHOULD, "Hardly any label of one class", said, "collect more before trusting an interval"
        )


def delay(facts: Facts) -> Iterator[Finding]:
    found, framing = facts.labels, facts.problem.framing
    if found is None:
        return
    if found.early:
        said = f"{found.early:,} of {found.labelled:,} labels"
        step = f"check which moment {framing.label_time} holds: what is known before the event is no label of it"
        yield Finding(Severity.MUST, "Labels are known before their event", said, step)
    if found.most is None:
        return
    whose = f" of {found.slowest}" if found.slowest else ""
    median = f" {days_of(found.median)} (median)," if found.median is not None else ""
    measured = f"labels{whose} take{median} 99 % come within {days_of(found.most)}"
    if found.late > _LATE:
        said = f"{found.late:.1%} come after {days_of(framing.maturity)}; {measured}"
        step = f"Framing.maturity=timedelta(days={_days_up(found.most)}); make labels PROBLEM={facts.problem.name} shows the curve"
        yield Finding(Severity.SHOULD, "Labels come later than the maturity says", said, step)
    elif framing.maturity > max(_TOO_PATIENT * found.most, found.most + 2 * _DAY):
        said = f"maturity {days_of(framing.maturity)}; {measured}"
        step = f"Framing.maturity=timedelta(days={_days_up(found.most)}), if later labels are not to be expected"
        yield Finding(Severity.NOTE, "Labels are waited for longer than they take", said, step)


def split(facts: Facts) -> Iterator[Finding]:
    plan, source = facts.problem.retraining, facts.problem.source
    if facts.labels is not None and facts.labels.labelled < plan.train_rows + plan.test_rows:
        return  # which is said already
    for parts in facts.parts:
        short = [
            f"{what} {have:,} of {needed:,}"
            for what, have, needed in (
                ("training", parts.train, plan.train_rows),
                ("validation", parts.validation, 1),
                ("held-out", parts.test, plan.test_rows),
            )
            if have < needed
        ]
        if not short:
            continue
        said = f"{parts.at} ({parts.now:%Y-%m-%d}): labelled rows {several(short)}"
        if parts.at == "the newest moment":
            step = "RetrainingPlan.test, validation (longer spans), test_rows, train_rows, or a longer Recipe.window"
            yield Finding(Severity.MUST, "No split leaves enough rows", said, step)
        else:
            step = f"Source.history is {days_of(source.history)}: lengthen it, or let the replay wait"
            yield Finding(Severity.SHOULD, "The replay begins before there is enough to train on", said, step)


def leaks(facts: Facts) -> Iterator[Finding]:
    problem = facts.problem
    for suspect in (s for s in facts.suspects if s.value >= _TELLING):
        copy = suspect.value >= _SAYS_ALL
        said = f"{suspect.measure} {suspect.value:.3f} by itself"
        step = f'if it is filled in later: CONTRACT["{suspect.feature}"] metadata=about(known="with the label"), and out of Recipe.features'
        if copy:
            yield Finding(Severity.MUST, f"{suspect.feature} says the target", said, step)
        else:
            yield Finding(Severity.SHOULD, f"{suspect.feature} predicts suspiciously well", said, step)
    for feature in facts.shape.filled_with_label if facts.shape else ():
        said = "nearly all unlabelled rows lack it, nearly all labelled rows have it"
        step = f'CONTRACT["{feature}"] metadata=about(known="with the label"), and out of Recipe.features'
        yield Finding(Severity.MUST, f"{feature} is filled in with the label", said, step)
    personal = sorted(problem.personal & set(problem.recipe.features))
    if personal:
        step = "take them out of Recipe.features, or write down on which ground they are used"
        yield Finding(Severity.SHOULD, "The recipe is trained on personal data", several(personal, most=5), step)


def days_of(span: timedelta) -> str:
    """A span in the unit that fits it."""
    days = span / _DAY
    if days >= 100:
        return f"{days:,.0f} days"
    if days >= 1 or days <= 0:
        return "1 day" if days == 1 else f"{max(days, 0):.3g} days"
    return f"{days * 24:.3g} hours" if days * 24 >= 1 else f"{days * 24 * 60:.2g} minutes"


def _days_up(span: timedelta) -> int:
    return max(1, -int(-span / _DAY // 1))
