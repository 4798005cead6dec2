"""How is a proposal written down, so that a person reads it as code and can correct it? Pure: guesses in, Python out."""

from pathlib import Path

from tasks.draft_contract import contract_lines
from tasks.draft_derive import derive_lines
from tasks.draft_plans import plan_lines, plan_names, span_code
from tasks.draft_words import days_of, delay_says, span_name
from tasks.guesses.columns import number, quoted
from tasks.guesses.proposal import Proposal

__all__ = ["summary", "written"]

_FEW = 20_000  # rows under which small steps and small trees lost less on five of six public tables


def written(p: Proposal) -> str:
    """The text of schemas/problems/NAME.py; every guess has its evidence beside it."""
    parts = [_head(p), _names(p), _rule(p), derive_lines(p), contract_lines(p), _problem(p)]
    return "\n".join(part for part in parts if part) + "\n"


def summary(p: Proposal, path: Path) -> str:
    """One screen: what was taken for what, what was left out, what to look at first, and what comes next."""
    lines = [f"{path} is written, from {p.table.rows:,} rows x {len(p.table.columns)} columns", ""]
    lines += [f"  {what:<11} {says}" for what, says in _taken(p)]
    for kind, title in (
        ("leak", "left out as suspected leaks"),
        ("doubt", "strong and kept: look whether they are known in time"),
    ):
        found = [n for n in p.notes if n.kind == kind]
        lines += ["", f"  {title}:", *(f"    {n.column}: {n.says}" for n in found)] if found else []
    if p.personal:
        lines += ["", f"  suspected personal: {', '.join(p.personal)}"]
    rest = [f"{n.column} ({n.says})" for n in p.notes if n.kind in ("empty", "constant", "text", "id", "time")]
    lines += ["", f"  not used: {'; '.join(rest)}"] if rest else []
    lines += [
        "",
        "  look first at the lines marked `guess` and `yours to say`",
        f"  next: make doctor PROBLEM={p.name}",
    ]
    if p.timeless:
        lines.append("  without a time no rollout can be replayed: it ends at an accepted offline gate")
    elif not p.plan.fits:
        lines.append(
            "  the table is short for its label delay: a whole rollout does not fit into what is left after the history"
        )
    return "\n".join(lines)


def _taken(p: Proposal) -> list[tuple[str, str]]:
    others = f" (or {', '.join(p.target.others)}: TARGET=)" if p.target.others else ""
    taken = [("target", f"{p.target.name}, {p.target.task}: {p.target.says}{others}")]
    if p.event is None or p.times is None:
        taken.append(("event time", "none: the rows are taken as of one moment"))
    else:
        taken.append(
            ("event time", f"{p.event_name}: {p.times.first:%Y-%m-%d} to {p.times.last:%Y-%m-%d}; {p.event.says}")
        )
        taken.append(("label time", delay_says(p)))
    taken.append(("key", p.key.name if p.key else f"made as {p.key_name}: no column is different in every row"))
    taken.append(
        (
            "entity",
            f"{p.entity.name}, {p.entity.distinct:,} values"
            if p.entity
            else "none: nothing that repeats is named like an id",
        )
    )
    taken.append(
        (
            "features",
            f"{len(p.numbers)} numbers, {len(p.categories)} of words, {len(p.spans)} spans, {len(p.calendar)} of the calendar",
        )
    )
    return taken


def _head(p: Proposal) -> str:
    """What the file is, and what it imports."""
    lossy = {"binary": "BrierLoss", "multiclass": "BrierLoss", "regression": "AbsoluteLoss"}[p.target.task]
    about = ["from schemas.columns import about"] if p.personal or p.leaks else []
    lines = [
        f'"""A draft from {p.table.rows:,} rows x {len(p.table.columns)} columns: what will {_plain(p.target.name)} be? Read each guess before it counts."""',
        "",
        *(["from datetime import UTC, datetime, timedelta"] if p.timeless else ["from datetime import timedelta"]),
        "",
        "import ibis",
        "import pandas as pd",
        "import pandera.pandas as pa",
        "",
        *about,
        f"from schemas.framing import {', '.join(sorted([lossy, 'Framing', 'Risk']))}",
        f"from schemas.plans import {', '.join(plan_names(p))}",
        "from schemas.problem import Problem",
        "from schemas.recipe import Recipe",
        "from schemas.source import Source",
        "",
        '__all__ = ["PROBLEM"]',
        "",
        'UTC_TIME = pd.DatetimeTZDtype(unit="us", tz="UTC")',
    ]
    return "\n".join(lines)


def _plain(text: str) -> str:
    return text.replace("\\", "/").replace('"', "'")


def _tuple(names: tuple[str, ...]) -> str:
    return f"({', '.join(map(quoted, names))}{',' if len(names) == 1 else ''})"


def _names(p: Proposal) -> str:
    """The features, the columns that are known too late, and how the file is read."""
    lines = [f"NUMBERS = {_tuple(p.numbers)}"] if p.numbers else []
    lines += [f"WORDS = {_tuple(p.categories)}"] if p.categories else []
    made = (*(span_name(m.columns[0]) for m in p.spans), *(f"event_{part}" for part in p.calendar))
    lines += [f"MADE = {_tuple(made)}  # by derive"] if made else []
    lines += [
        f"# not used: {n.column}: {n.says}" for n in p.notes if n.kind in ("empty", "constant", "text", "id", "time")
    ]
    if p.reading or p.types:
        options = dict(p.reading)
        if p.types:
            options["types"] = dict(sorted(p.types.items()))
        lines += [f"# {says}" for says in p.table.reading.says]
        lines += ["# what DuckDB would guess otherwise", f"READING = {_python(options)}"]
    return "\n".join(lines)


def _python(value: object) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(str(k))}: {_python(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_python, value)) + "]"
    return repr(value)


def _rule(p: Proposal) -> str:
    """A heuristic to paste: the best single threshold, with what it loses."""
    if p.rule is None or p.rule.loss >= p.rule.naive:
        return ""
    kind, method = (
        ("HeuristicRegressor", "predict(self, X")
        if p.target.task == "regression"
        else ("HeuristicClassifier", "probability(self, frame")
    )
    frame = "X" if p.target.task == "regression" else "frame"
    return "\n".join(
        [
            f"# yours to say: a rule to start from. One threshold loses {p.rule.loss:.4f} a row on later rows, a constant {p.rule.naive:.4f}:",
            f"# class OneThreshold({kind}):  # from schemas.heuristic; then heuristic=OneThreshold() in PROBLEM",
            f"#     def {method}: pd.DataFrame) -> np.ndarray:",
            f"#         return np.where({frame}[{quoted(p.rule.column)}] <= {p.rule.cut:.6g}, {p.rule.below:.4g}, {p.rule.above:.4g})",
        ]
    )


def _problem(p: Proposal) -> str:
    reading = "reading=READING, " if p.reading or p.types else ""
    url = f"url={quoted(p.url)}, " if p.url else ""
    features = "*".join(
        [
            "",
            *(
                f"{name}, "
                for name, there in (("NUMBERS", p.numbers), ("WORDS", p.categories), ("MADE", p.spans or p.calendar))
                if there
            ),
        ]
    )
    lines = [
        "PROBLEM = Problem(",
        f"    name={quoted(p.name)},",
        "    # yours to say: the question in one sentence, as those ask it who use the answer",
        f"    statement={quoted(f'What will {_plain(p.target.name)} be, asked when the row is made?')},",
        "    contract=CONTRACT,",
        "    source=Source(",
        f"        location={quoted(p.location)}, {url}{reading}derive=derive,",
        *([] if p.timeless else [f"        history={span_code(p.plan.durations.history)},  # {_history_says(p)}"]),
        "    ),",
        *_framing(p),
        f'    recipe=Recipe(family="boosting", features=({features.rstrip(", ")},), {_window(p)}parameters={_parameters(p)}),',
        *plan_lines(p),
        ")",
    ]
    return "\n".join(lines)


def _parameters(p: Proposal) -> str:
    """What trees need to be taken as they are: what judges them, and how few rows they learn from."""
    given = ['"max_iter": 100']
    if p.target.task == "regression":
        # Trees that fit squares answer with means, and what is judged on absolute errors wants medians.
        return "{" + ", ".join([*given, '"loss": "absolute_error"']) + "}"
    # Without a penalty a class of a dozen rows drives scores out of bounds, and every class loses by it.
    given.append('"l2_regularization": 1.0')
    if p.table.rows < _FEW:
        given += ['"learning_rate": 0.05', '"max_leaf_nodes": 8']
    return "{" + ", ".join(given) + "}"


def _history_says(p: Proposal) -> str:
    return f"of {p.plan.span.total_seconds() / 86_400:,.0f} days; the rest, some {p.plan.rows_a_day:,.0f} rows a day, is replayed"


def _window(p: Proposal) -> str:
    window = p.plan.durations.window
    if window is None or p.timeless:
        return ""
    return f"window={span_code(window)}, "


def _framing(p: Proposal) -> list[str]:
    s, maturity = p.scale, p.plan.durations.maturity
    loss = f"AbsoluteLoss(bound={number(s.bound)})" if p.target.task == "regression" else "BrierLoss()"
    why = (
        "the spread of 98 % of the targets"
        if p.target.task == "regression"
        else "no costs are known; yours to say: CostLoss, where a miss costs more than a false alarm"
    )
    rare = p.target.task == "binary" and s.positives < 0.05
    metric = {"binary": "average_precision" if rare else "roc_auc", "multiclass": "accuracy", "regression": "mae"}[
        p.target.task
    ]
    matured = (
        f"{100 * p.matured:g} % of the labels have come" + _short_says(p)
        if p.delay
        else "as the label's delay is assumed"
    )
    return [
        "    framing=Framing(",
        f"        task={quoted(p.target.task)},",
        *(
            [f"        classes=({', '.join(quoted(c) if isinstance(c, str) else str(c) for c in p.target.classes)},),"]
            if p.target.classes
            else []
        ),
        "        # yours to say: what should move, and by how much",
        f"        objective={quoted('A loss at least a tenth under that of a constant answer.')},",
        f"        key={quoted(p.key_name)}, entity={quoted(p.entity.name) if p.entity else None},",
        f"        event_time={quoted(p.event_name)}, target={quoted(p.target.name)}, label_time={quoted(p.known_name)},",
        f"        maturity={span_code(maturity)},  # {matured}",
        *(["        timeless=True,  # no column says when"] if p.timeless else []),
        f"        loss={loss},  # {why}",
        f"        margin={s.margin:g},  # a twentieth of what a constant answer loses, {s.naive:.3g}",
        f"        tolerated_harm={s.margin:g},",
        f"        metric={quoted(metric)},"
        + (f"  # {100 * s.positives:.1f} % are ones" if p.target.task == "binary" else ""),
        f"        calibration_tolerance={_tolerance(p):g},  # yours to say: how far a score may lie from what happens",
        "        # yours to say: what else can go wrong, each with the check that would see it",
        f"        risks={_risks(p)},",
        "    ),",
    ]


def _risks(p: Proposal) -> str:
    """Without a time nothing comes after another: what watches live requests would be open, a gate and the contract are not."""
    names = (
        (("no better than a constant", "constant"), ("values that nobody has seen", "contract"))
        if p.timeless
        else (("the world changes", "decay"), ("the inputs change", "drift"))
    )
    return "(" + ", ".join(f"Risk(name={quoted(name)}, detector={quoted(by)})" for name, by in names) + ")"


def _short_says(p: Proposal) -> str:
    if p.matured >= 0.995 or p.delay is None:
        return ""
    return f"; for 99.5 % ({days_of(p.delay.q995)}) the table is too short. yours to say: the others are a selection"


def _tolerance(p: Proposal) -> float:
    if p.target.task == "binary":
        return 0.1 if 0.1 <= p.scale.positives <= 0.9 else 0.05
    return 0.15
