"""Tables in which one thing is wrong on purpose, and the problem around each: what would the diagnosis have to name?

Every world is drawn from its seed: task, size, features, categories, balance, noise, time or none, and how its cause is
planted. Rules were found on seeds from 100 on; seeds below draw every number from the other half of its range (`Draws`), so
that what is reported was never tuned on.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa

from schemas.columns import about
from schemas.diagnosis import Constraint
from schemas.framing import AbsoluteLoss, BrierLoss, Framing
from schemas.plans import ImprovementPlan
from schemas.problem import Problem
from schemas.recipe import Recipe
from schemas.source import Source
from tasks import scoring, training
from tests.flows.made import DAY, START, TIME

CAUSES = (
    Constraint.DATA,
    Constraint.NOISE,
    Constraint.BIAS,
    Constraint.VARIANCE,
    Constraint.LEAK,
    Constraint.MISMATCH,
    Constraint.SLICE,
    Constraint.CEILING,
)
DAYS = 80
WORTHWHILE = 0.004  # loss a row: three in a hundred of what a middling model loses
POOL = 6_000  # rows of the same world on which a recipe's capacity is chosen, where that is not what is wrong


class Draws:
    """Numbers from a world's own half of each range: the first and third quarter for tuning, the others for the report."""

    def __init__(self, seed: int, cause: Constraint) -> None:
        self.rng = np.random.default_rng([seed, list(CAUSES).index(cause)])
        self.tuned = seed >= 100

    def between(self, low: float, high: float) -> float:
        quarter = 2 * int(self.rng.integers(2)) + (0 if self.tuned else 1)
        return low + (high - low) * (quarter + self.rng.random()) / 4

    def whole(self, low: int, high: int) -> int:
        return round(self.between(low, high))

    def one_of(self, *of: Any) -> Any:
        return of[int(self.rng.integers(len(of)))]


@dataclass(frozen=True)
class World:
    cause: Constraint
    problem: Problem
    rows: pd.DataFrame
    said: str  # what was planted, in words


@dataclass(frozen=True)
class _Truth:
    """What the target follows: weights of lines, bends, steps and pairs, and what each category adds."""

    line: np.ndarray
    bend: np.ndarray
    step: np.ndarray
    pairs: tuple[tuple[int, int, float], ...]
    levels: tuple[np.ndarray, ...]
    scale: float
    shift: float

    def __call__(self, x: np.ndarray, codes: np.ndarray) -> np.ndarray:
        raw = self._raw(x, codes)
        return np.asarray(self.shift + self.scale * raw)

    def _raw(self, x: np.ndarray, codes: np.ndarray) -> np.ndarray:
        raw = x @ self.line + np.abs(x) @ self.bend + (x > 0.3) @ self.step
        for i, j, weight in self.pairs:
            raw = raw + weight * x[:, i] * x[:, j]
        for column, of in enumerate(self.levels):
            raw = raw + of[codes[:, column]]
        return raw


def world(cause: Constraint, seed: int) -> World:
    """A world in which `cause` is what binds."""
    draws = Draws(seed, cause)
    return {
        Constraint.DATA: _too_little,
        Constraint.NOISE: _noisy,
        Constraint.BIAS: _underfit,
        Constraint.VARIANCE: _overfit,
        Constraint.LEAK: _leaky,
        Constraint.MISMATCH: _moved,
        Constraint.SLICE: _one_slice,
        Constraint.CEILING: _at_ceiling,
    }[cause](seed, draws)


@dataclass(frozen=True)
class _Plan:
    """The quiet world around a cause."""

    task: str
    timeless: bool
    x: np.ndarray
    codes: np.ndarray
    truth: _Truth
    noise: float

    @property
    def names(self) -> list[str]:
        return [f"x{i}" for i in range(self.x.shape[1])]

    @property
    def kinds(self) -> list[str]:
        return [f"kind{i}" for i in range(self.codes.shape[1])]

    def labels(self, rng: np.random.Generator, latent: np.ndarray | None = None) -> np.ndarray:
        z = self.truth(self.x, self.codes) if latent is None else latent
        if self.task == "regression":
            return np.asarray(z + self.noise * rng.normal(size=len(z)))
        return (rng.random(len(z)) < 1 / (1 + np.exp(-z))).astype(float)


def quiet(
    seed: int,
    draws: Draws,
    *,
    n: int,
    d: int,
    form: str,
    timeless: bool | None = None,
    strength: tuple[float, float] = (1.6, 3.0),
) -> _Plan:
    rng, task = draws.rng, ("binary", "regression")[seed % 2]
    k = draws.whole(0, 3) if form != "wide" else 0
    x = rng.normal(size=(n, d))
    codes = np.column_stack([rng.integers(0, 3 + i, size=n) for i in range(k)]) if k else np.zeros((n, 0), dtype=int)
    truth = _truth(draws, d, k, form)
    raw = truth._raw(x, codes)
    if task == "binary":
        scale = draws.between(*strength) / raw.std()
        shift = draws.between(-1.6, 0.4) - scale * raw.mean()
    else:
        scale, shift = 1 / raw.std(), -raw.mean() / raw.std()
    timeless = bool(draws.rng.random() < 0.3) if timeless is None else timeless
    return _Plan(
        task, timeless, x, codes, replace(truth, scale=float(scale), shift=float(shift)), draws.between(0.25, 0.7)
    )


def _truth(draws: Draws, d: int, k: int, form: str) -> _Truth:
    rng = draws.rng
    used = rng.random(d) < draws.between(0.5, 1.0)
    used[:2] = True
    line = rng.normal(size=d) * used
    zero = np.zeros(d)
    levels = tuple(rng.normal(size=3 + i) for i in range(k))
    if form in ("line", "wide"):
        return _Truth(line, zero, zero, (), levels, 1, 0)
    bend, step = 1.3 * rng.normal(size=d) * used, 1.5 * rng.normal(size=d) * used
    if form == "additive":
        return _Truth(0.4 * line, bend, step, (), levels, 1, 0)
    many = max(2, d // 3)
    pairs = tuple(
        (int(i), int(j), float(rng.choice([-1.5, 1.5]))) for i, j in (rng.permutation(d)[:2] for _ in range(many))
    )
    return _Truth(0.5 * line, 0.7 * bend, zero, pairs, levels, 1, 0)


def made(
    cause: Constraint,
    seed: int,
    plan: _Plan,
    recipe: Recipe,
    labels: np.ndarray,
    said: str,
    *,
    extra: dict[str, Any] | None = None,
    slices: tuple[str, ...] = (),
    x: np.ndarray | None = None,
) -> World:
    n = len(labels)
    at = pd.Timestamp(START) + pd.to_timedelta(np.sort(np.random.default_rng(seed).random(n)) * DAYS, unit="D")
    if plan.timeless:
        at = pd.Series([pd.Timestamp(START)] * n)
    rows = pd.DataFrame({"id": np.arange(n), "at": pd.Series(at).astype(TIME)})
    for name, column in zip(plan.names, (plan.x if x is None else x).T, strict=True):
        rows[name] = column
    for i, name in enumerate(plan.kinds):
        rows[name] = pd.Series([f"{name}{'abcdefgh'[c]}" for c in plan.codes[:, i]], dtype=str)
    for name, column in (extra or {}).items():
        rows[name] = column
    rows["y"], rows["y_at"] = (
        labels,
        (rows["at"] + pd.Timedelta(hours=3)).astype(TIME) if not plan.timeless else rows["at"],
    )
    name = f"world_{str(cause).replace(' ', '_').replace('/', '_')}_{seed}"
    return World(cause, _problem(name, plan, recipe, rows, labels, slices), rows, said)


def _problem(
    name: str, plan: _Plan, recipe: Recipe, rows: pd.DataFrame, labels: np.ndarray, slices: tuple[str, ...]
) -> Problem:
    columns: dict[str, Any] = {"id": pa.Column("int64"), "at": pa.Column(TIME)}
    for column in rows.columns.difference(["id", "at", "y", "y_at"], sort=False):
        kind = "float64" if pd.api.types.is_numeric_dtype(rows[column]) else str
        columns[column] = pa.Column(kind, nullable=True)
    columns["y"] = pa.Column("float64", nullable=True, metadata=about(known="with delay", known_at="y_at"))
    columns["y_at"] = pa.Column(TIME, nullable=True)
    loss: Any = BrierLoss() if plan.task == "binary" else AbsoluteLoss(bound=2.0)
    return Problem(
        name=name,
        statement="What will y be?",
        contract=pa.DataFrameSchema(columns),
        source=Source(location=f"{name}/rows.parquet"),
        framing=Framing(
            task=plan.task,  # type: ignore[arg-type]
            objective="be judged",
            key="id",
            entity=None,
            event_time="at",
            timeless=plan.timeless,
            target="y",
            label_time="y_at",
            maturity=timedelta(0) if plan.timeless else DAY,
            loss=loss,
            margin=0.01,
            tolerated_harm=0.01,
            metric="roc_auc" if plan.task == "binary" else "mae",
            slices=slices,
        ),
        recipe=recipe,
        improvement=ImprovementPlan(worthwhile=WORTHWHILE),
    )


def _chosen(plan: _Plan, candidates: list[dict[str, Any]], family: str, n: int, seed: int) -> Recipe:
    """The parameters that do best for a fit on `n` rows: somebody has tuned this recipe, on rows of the same world."""
    rows, framing = _more_of(plan, n + 2_000, seed)
    names, found = tuple(plan.names + plan.kinds), []
    for parameters in candidates:
        recipe = Recipe(family=family, features=names, parameters=parameters)  # type: ignore[arg-type]
        judged = rows.iloc[n:]
        said = scoring.score(training.fit(recipe, framing, rows.iloc[:n], seed=0), judged, framing)
        found.append(float(scoring.row_loss(said, judged["y"].to_numpy(dtype=float), framing).mean()))
    return Recipe(family=family, features=names, parameters=candidates[int(np.argmin(found))])  # type: ignore[arg-type]


def _codes(plan: _Plan, rng: np.random.Generator, n: int) -> np.ndarray:
    k = plan.codes.shape[1]
    return np.column_stack([rng.integers(0, 3 + i, size=n) for i in range(k)]) if k else np.zeros((n, 0), dtype=int)


LINES = {
    "binary": [{"C": c} for c in (0.003, 0.01, 0.03, 0.1, 1.0)],
    "regression": [{"alpha": a} for a in (1.0, 10.0, 30.0, 100.0)],
}
TREES = [
    {"max_iter": i, "max_leaf_nodes": leaves, "learning_rate": 0.1, "min_samples_leaf": m}
    for i, leaves, m in ((30, 4, 20), (60, 4, 20), (60, 8, 20), (100, 8, 20), (100, 16, 20), (40, 3, 30))
]


def _tuned(plan: _Plan, form: str, n: int, seed: int) -> Recipe:
    if form in ("line", "wide"):
        return _chosen(plan, LINES[plan.task], "linear", n, seed)
    return _chosen(plan, TREES, "boosting", n, seed)


def _too_little(seed: int, draws: Draws) -> World:
    """Drawn again until four times the rows would truly gain: a recipe that is tuned can be near its end on few."""
    for _ in range(20):
        form = draws.one_of("wide", "pairs")
        if form == "wide":
            n, d = draws.whole(350, 800), draws.whole(35, 70)
        else:
            n, d = draws.whole(700, 1700), draws.whole(8, 14)
        plan = quiet(seed, draws, n=n, d=d, form=form, strength=(2.5, 4.5))
        recipe = _tuned(plan, form, int(0.75 * n), seed)
        gain = _gain_of(plan, recipe, int(0.75 * n), seed)
        if gain > 4 * WORTHWHILE:
            break
    return made(
        Constraint.DATA,
        seed,
        plan,
        recipe,
        plan.labels(draws.rng),
        f"{n} rows, {d} features, {form}, four times as many gain {gain:.4f}",
    )


def _gain_of(plan: _Plan, recipe: Recipe, n: int, seed: int) -> float:
    """What four times `n` rows gain, on rows that neither was fitted on."""
    rows, framing = _more_of(plan, 4 * n + 3_000, seed)
    judged, found = rows.iloc[4 * n :], []
    for part in (rows.iloc[: 4 * n], *(rows.iloc[i * n : (i + 1) * n] for i in range(4))):
        said = scoring.score(training.fit(recipe, framing, part, seed=0), judged, framing)
        found.append(float(scoring.row_loss(said, judged["y"].to_numpy(dtype=float), framing).mean()))
    return float(np.mean(found[1:])) - found[0]


def _more_of(plan: _Plan, n: int, seed: int) -> tuple[pd.DataFrame, Framing]:
    """Fresh rows of the same world, in no order."""
    rng = np.random.default_rng([seed, 99])
    fresh = replace(plan, x=rng.normal(size=(n, plan.x.shape[1])), codes=_codes(plan, rng, n))
    one = made(Constraint.CEILING, seed, fresh, Recipe(features=tuple(plan.names + plan.kinds)), fresh.labels(rng), "")
    return one.rows, one.problem.framing


def _noisy(seed: int, draws: Draws) -> World:
    form, n, d = draws.one_of("line", "additive", "pairs"), draws.whole(2000, 5000), draws.whole(4, 12)
    plan = quiet(seed, draws, n=n, d=d, form=form, strength=(2.5, 5.0))
    rng, y = draws.rng, plan.labels(draws.rng)
    share = draws.between(0.08, 0.25)
    wrong = rng.random(n) < share
    if plan.task == "binary":
        y = np.where(wrong, 1 - y, y)
    else:
        y = np.where(wrong, rng.choice([-1, 1], n) * rng.uniform(2, 6, n), y)
    recipe = _tuned(plan, form, 2000, seed)
    return made(Constraint.NOISE, seed, plan, recipe, y, f"{share:.0%} of labels wrong, {form}, {n} rows")


def _underfit(seed: int, draws: Draws) -> World:
    """Drawn again until a tuned recipe would truly gain: a line can be nearly right about a bend."""
    for _ in range(20):
        form, n, d = draws.one_of("additive", "pairs"), draws.whole(1500, 4000), draws.whole(4, 12)
        plan = quiet(seed, draws, n=n, d=d, form=form)
        how = draws.one_of("line", "short", "stiff")
        names = tuple(plan.names + plan.kinds)
        family, parameters = (
            "boosting",
            {"max_iter": 40, "learning_rate": 0.02, "max_leaf_nodes": 4, "min_samples_leaf": 200},
        )
        if how == "line":
            family, parameters = "linear", draws.one_of(*LINES[plan.task])
        elif how == "short":
            parameters = {"max_iter": draws.whole(3, 10), "max_leaf_nodes": draws.whole(3, 8)}
        recipe = Recipe(family=family, features=names, parameters=parameters)
        if _behind(plan, recipe, _tuned(plan, form, 1500, seed), 1500, seed) > 4 * WORTHWHILE:
            break
    return made(Constraint.BIAS, seed, plan, recipe, plan.labels(draws.rng), f"{how} on {form}, {n} rows")


def _overfit(seed: int, draws: Draws) -> World:
    """Drawn again until a tuned recipe would truly gain."""
    for _ in range(20):
        form, n, d = draws.one_of("line", "additive", "pairs"), draws.whole(900, 2500), draws.whole(5, 14)
        plan = quiet(seed, draws, n=n, d=d, form=form, strength=(0.8, 2.0))
        parameters = {
            "max_iter": draws.whole(80, 160),
            "max_leaf_nodes": draws.whole(31, 80),
            "min_samples_leaf": draws.whole(1, 4),
            "learning_rate": draws.between(0.15, 0.4),
        }
        recipe, part = Recipe(features=tuple(plan.names + plan.kinds), parameters=parameters), int(0.75 * n)
        if _behind(plan, recipe, _tuned(plan, "additive", part, seed), part, seed) > 4 * WORTHWHILE:
            break
    return made(Constraint.VARIANCE, seed, plan, recipe, plan.labels(draws.rng), f"{parameters} on {form}, {n} rows")


def _behind(plan: _Plan, recipe: Recipe, tuned: Recipe, n: int, seed: int) -> float:
    """What a tuned recipe gains over this one, both fitted on `n` rows, on rows that neither was fitted on."""
    rows, framing = _more_of(plan, n + 3_000, seed)
    judged = rows.iloc[n:]
    said = [
        scoring.score(training.fit(one, framing, rows.iloc[:n], seed=0), judged, framing) for one in (recipe, tuned)
    ]
    first, second = (scoring.row_loss(one, judged["y"].to_numpy(dtype=float), framing).mean() for one in said)
    return float(first - second)


def _leaky(seed: int, draws: Draws) -> World:
    form, n, d = draws.one_of("line", "additive", "pairs"), draws.whole(1500, 4000), draws.whole(4, 12)
    plan = quiet(seed, draws, n=n, d=d, form=form, timeless=False if seed % 3 == 0 else None)
    rng, how = draws.rng, draws.one_of("number", "code", "copies")
    recipe = _tuned(plan, "pairs" if how == "copies" else form, 1500, seed)
    if how == "copies":
        return _copies(seed, draws, plan)
    y = plan.labels(rng)
    if plan.task == "binary":
        right = np.where(rng.random(n) < draws.between(0.0, 0.01), 1 - y, y)
        told: Any = right * draws.between(2, 5) + 0.2 * rng.normal(size=n)
        if how == "code":
            told = pd.Series(
                np.where(right > 0.5, rng.choice(["late", "gone"], n), rng.choice(["paid", "open"], n)), dtype=str
            )
    else:
        told = 3 * y + draws.between(0.05, 0.25) * rng.normal(size=n)
    features = (*recipe.features, "told")
    return made(
        Constraint.LEAK,
        seed,
        plan,
        recipe.model_copy(update={"features": features}),
        y,
        f"told as {how}, {form}",
        extra={"told": told},
    )


def _copies(seed: int, draws: Draws, plan: _Plan) -> World:
    """Rows that were entered again some days later, with their label."""
    rng, n, share = draws.rng, len(plan.x), draws.between(0.2, 0.5)
    again, of = rng.random(n) < share, rng.integers(0, n, size=n)
    of = np.where(again, of, np.arange(n))
    y = plan.labels(rng)[of]
    plan = replace(plan, x=plan.x[of], codes=plan.codes[of])
    names = tuple(plan.names + plan.kinds)
    recipe = Recipe(features=names, parameters={"max_iter": 100, "max_leaf_nodes": 31, "min_samples_leaf": 5})
    return made(Constraint.LEAK, seed, plan, recipe, y, f"{share:.0%} of rows copied")


def _moved(seed: int, draws: Draws) -> World:
    form, n, d = draws.one_of("line", "additive", "pairs"), draws.whole(2000, 5000), draws.whole(4, 10)
    plan = quiet(seed, draws, n=n, d=d, form=form, timeless=False)
    rng, since = draws.rng, draws.between(0.62, 0.8)
    new = np.arange(n) >= since * n
    how = draws.one_of("habit", "unit", "column")
    x, z = plan.x.copy(), plan.truth(plan.x, plan.codes)
    if how == "habit":
        other = replace(_truth(draws, d, plan.codes.shape[1], form), scale=plan.truth.scale, shift=plan.truth.shift)
        z = np.where(new, 0.4 * z + 0.6 * other(plan.x, plan.codes), z)
    y = plan.labels(rng, z)
    loudest = int(np.argmax([abs(np.corrcoef(plan.x[:, j], z)[0, 1]) for j in range(d)]))
    if how == "unit":
        x[new, loudest] = -x[new, loudest] * draws.between(1.5, 3)
    if how == "column":
        for j in {loudest, int(rng.integers(d))}:
            x[new, j] = rng.permutation(x[new, j])
    recipe = _tuned(plan, form, 2000, seed)
    return made(Constraint.MISMATCH, seed, plan, recipe, y, f"{how} from {since:.0%} on, {form}", x=x)


def _one_slice(seed: int, draws: Draws) -> World:
    form, n, d = draws.one_of("line", "additive", "pairs"), draws.whole(2500, 6000), draws.whole(4, 10)
    plan = quiet(seed, draws, n=n, d=d, form=form, strength=(2.5, 5.0))
    rng, share = draws.rng, draws.between(0.1, 0.3)
    inside = rng.random(n) < share
    where = np.where(inside, "phone", rng.choice(["shop", "web", "post"], n))
    x, y, how = plan.x.copy(), plan.labels(rng), draws.one_of("labels", "features")
    if how == "labels":
        wrong = inside & (rng.random(n) < draws.between(0.35, 0.5))
        y = np.where(wrong, 1 - y, y) if plan.task == "binary" else np.where(inside, y[rng.permutation(n)], y)
    else:
        x[inside] = rng.normal(size=(int(inside.sum()), d))
    recipe = _tuned(plan, form, 2500, seed)
    features = (*recipe.features, "channel")
    return made(
        Constraint.SLICE,
        seed,
        plan,
        recipe.model_copy(update={"features": features}),
        y,
        f"{how} of {share:.0%} of rows, {form}",
        extra={"channel": pd.Series(where, dtype=str)},
        slices=("channel",) if draws.rng.random() < 0.5 else (),
        x=x,
    )


def _at_ceiling(seed: int, draws: Draws) -> World:
    """Drawn again until four times the rows would truly gain next to nothing: a tuned recipe can still be short of them."""
    for _ in range(20):
        form = draws.one_of("line", "additive")
        n, d = draws.whole(5000, 9000), draws.whole(3, 8)
        plan = quiet(seed, draws, n=n, d=d, form=form, strength=(0.8, 3.0))
        recipe = _tuned(plan, form, int(0.7 * n), seed)
        if _gain_of(plan, recipe, int(0.7 * n), seed) < WORTHWHILE / 2:
            break
    return made(Constraint.CEILING, seed, plan, recipe, plan.labels(draws.rng), f"{form}, {n} rows")
