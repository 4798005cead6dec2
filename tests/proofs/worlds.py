"""Problems that start badly, and what is known to mend each: a generated one for every kind of fault."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa

from schemas.framing import AbsoluteLoss, BrierLoss, CostLoss, Framing
from schemas.plans.improvement import Tier
from schemas.problem import Problem
from schemas.recipe import Recipe
from schemas.source import Source

__all__ = ["KINDS", "START", "TIME", "World", "features_of", "problem_of", "world"]

TIME = pd.DatetimeTZDtype(unit="us", tz="UTC")
START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 200


@dataclass(frozen=True)
class World:
    """A problem whose recipe is the bad start. `best` are changes to it, each of which mends it alone or after the one
    before; its target is the loss that most of their gain reaches."""

    problem: Problem
    rows: pd.DataFrame
    best: tuple[dict[str, Any], ...]
    tier: Tier

    @property
    def name(self) -> str:
        return self.problem.name


Maker = Callable[[np.random.Generator], tuple[pd.DataFrame, dict[str, Any], tuple[dict[str, Any], ...]]]
KINDS: dict[str, Maker] = {}


def world(kind: str, seed: int) -> World:
    """The world of this kind with this seed. The maker says rows, what the problem is, and what mends it."""
    rng = np.random.default_rng([seed, *kind.encode()])
    frame, said, best = KINDS[kind](rng)
    folds = min(max(2, -(-3_000 // len(frame))), 4)  # some 300 judged rows: what is better has to be shown
    tier = Tier(name="full", share=1, folds=folds, seeds=1)
    return World(problem_of(f"{kind}_{seed}", frame, **said), _timed(frame), best, tier)


def _kind(maker: Maker) -> Maker:
    KINDS[maker.__name__.strip("_")] = maker
    return maker


def _timed(frame: pd.DataFrame) -> pd.DataFrame:
    at = pd.Series(pd.date_range(START, START + DAYS * timedelta(days=1), periods=len(frame))).astype(TIME)
    known = (at + timedelta(hours=1)).astype(TIME)
    return frame.reset_index(drop=True).assign(id=np.arange(len(frame)), at=at, known=known)


def problem_of(
    name: str,
    frame: pd.DataFrame,
    *,
    start: Mapping[str, Any],
    task: str = "binary",
    loss: Any = None,
    timeless: bool = False,
) -> Problem:
    kinds = {"id": "int64", "at": TIME, "known": TIME}
    columns = {column: pa.Column(kinds.get(column, str(frame[column].dtype)), nullable=True) for column in frame}
    columns |= {column: pa.Column(kinds[column]) for column in kinds if column not in columns}
    bound = float(3 * frame["y"].std()) if task == "regression" else 1.0
    usual = AbsoluteLoss(bound=bound) if task == "regression" else BrierLoss()
    framing = Framing(
        task=task,  # type: ignore[arg-type]
        classes=tuple(sorted(frame["y"].unique())) if task == "multiclass" else (),
        objective="the best action is found",
        key="id",
        entity=None,
        event_time="at",
        timeless=timeless,
        target="y",
        label_time="known",
        maturity=timedelta(days=1),
        loss=loss or usual,
        margin=0.02,
        tolerated_harm=0.02,
        metric={"binary": "roc_auc", "multiclass": "accuracy", "regression": "mae"}[task],  # type: ignore[arg-type]
    )
    contract = pa.DataFrameSchema(columns)
    return Problem(name, "what mends it?", contract, Source(location=f"{name}.parquet"), framing, Recipe(**start))


def _drawn(rng: np.random.Generator, logit: np.ndarray) -> np.ndarray:
    return (rng.random(len(logit)) < 1 / (1 + np.exp(-logit))).astype(float)


def _numbers(rng: np.random.Generator, n: int, k: int) -> pd.DataFrame:
    return pd.DataFrame(rng.normal(size=(n, k)), columns=[f"x{i}" for i in range(k)])


def features_of(frame: pd.DataFrame, *but: str) -> list[str]:
    return [name for name in frame.columns if name not in ("y", *but)]


@_kind
def _interaction(rng: np.random.Generator):
    frame = _numbers(rng, 1_500, 7)
    a, b, c = rng.permutation(7)[:3]
    x = frame.to_numpy()
    frame["y"] = _drawn(rng, 1.8 * x[:, a] * x[:, b] + 0.7 * x[:, c])
    start = {"family": "linear", "features": features_of(frame)}
    return frame, {"start": start}, ({"interactions": [[f"x{min(a, b)}", f"x{max(a, b)}"]]},)


@_kind
def _product(rng: np.random.Generator):
    """The same of a number: a price is an area times a rate."""
    frame = _numbers(rng, 1_300, 6)
    a, b, c = rng.permutation(6)[:3]
    x = frame.to_numpy()
    frame["y"] = x[:, a] + 1.5 * x[:, a] * x[:, b] - x[:, c] + rng.normal(0, 0.7, len(x))
    start = {"family": "linear", "features": features_of(frame)}
    change = {"interactions": [[f"x{min(a, b)}", f"x{max(a, b)}"]]}
    return frame, {"start": start, "task": "regression"}, (change,)


@_kind
def _steps(rng: np.random.Generator):
    """What holds in one range is turned round in the next: no straight line follows."""
    frame = _numbers(rng, 1_500, 6)
    x = frame.to_numpy()
    inside = (np.abs(x[:, 0]) < 0.8).astype(float)
    frame["y"] = _drawn(rng, 4 * inside * (x[:, 1] > 0) - 1.2 + 1.5 * (np.abs(x[:, 2]) > 1))
    return (
        frame,
        {"start": {"family": "linear", "features": features_of(frame)}},
        ({"family": "boosting", "parameters": {}},),
    )


@_kind
def _overfit(rng: np.random.Generator):
    frame = _numbers(rng, 900, 14)
    x = frame.to_numpy()
    frame["y"] = _drawn(rng, x[:, :5] @ np.array([0.8, -0.7, 0.6, 0.5, -0.5]))
    start = {"family": "boosting", "features": features_of(frame), "parameters": {"max_iter": 60, "learning_rate": 0.4}}
    return frame, {"start": start}, ({"family": "linear", "parameters": {}},)


@_kind
def _wriggling(rng: np.random.Generator):
    """Overfit, and bent: a straight line would be worse still."""
    frame = _numbers(rng, 1_000, 10)
    x = frame.to_numpy()
    frame["y"] = _drawn(rng, 2.2 * (np.abs(x[:, 0]) > 0.7) - 1.2 + 0.8 * np.sign(x[:, 1]) * (x[:, 2] > 0))
    parameters = {"max_iter": 60, "learning_rate": 0.4, "min_samples_leaf": 5}
    start = {"family": "boosting", "features": features_of(frame), "parameters": parameters}
    slower = parameters | {"learning_rate": 0.1}
    return frame, {"start": start}, ({"parameters": slower}, {"parameters": slower | {"max_leaf_nodes": 7}})


@_kind
def _noisy_labels(rng: np.random.Generator):
    """A fifth of the labels is wrong."""
    frame = _numbers(rng, 1_300, 8)
    x = frame.to_numpy()
    truth = (x[:, 0] + x[:, 1] * (x[:, 2] > 0) > 0).astype(float)
    frame["y"] = np.where(rng.random(len(x)) < 0.2, 1 - truth, truth)
    parameters = {"max_iter": 60, "learning_rate": 0.3, "min_samples_leaf": 5}
    start = {"family": "boosting", "features": features_of(frame), "parameters": parameters}
    fewer = parameters | {"max_leaf_nodes": 7}
    return frame, {"start": start}, ({"parameters": fewer}, {"parameters": fewer | {"learning_rate": 0.075}})


@_kind
def _old_rows(rng: np.random.Generator):
    """What the columns mean changed at three fifths of the time."""
    frame = _numbers(rng, 1_500, 6)
    x, new = frame.to_numpy(), np.arange(1_500) > 0.6 * 1_500
    one, other = rng.normal(0, 1.3, 6), rng.normal(0, 1.3, 6)
    frame["y"] = _drawn(rng, np.where(new, x @ other, x @ one))
    start = {"family": "linear", "features": features_of(frame)}
    return frame, {"start": start}, ({"window": "P50D"},)


@_kind
def _few_rows(rng: np.random.Generator):
    """Trained on a tenth of what there is, though nothing has changed."""
    frame = _numbers(rng, 1_500, 12)
    x = frame.to_numpy()
    frame["y"] = _drawn(rng, x @ rng.normal(0, 0.6, 12) + 1.0 * x[:, 0] * (x[:, 1] > 0))
    start = {"family": "boosting", "features": features_of(frame), "window": "P20D", "parameters": {"max_iter": 60}}
    return frame, {"start": start}, ({"window": None},)


_WORDS = [
    "invoice",
    "late",
    "refund",
    "broken",
    "parcel",
    "thanks",
    "question",
    "order",
    "price",
    "colour",
    "size",
    "team",
    "week",
    "month",
    "meeting",
    "delivery",
    "address",
    "card",
    "bank",
    "letter",
    "phone",
    "answer",
    "please",
    "update",
    "account",
    "friend",
    "holiday",
    "weather",
    "note",
]


def _said(rng: np.random.Generator, n: int, *, about: np.ndarray, words: list[str]) -> list[str]:
    common = rng.choice(_WORDS, size=(n, 7))
    told = [list(row) for row in common]
    for i in np.flatnonzero(about):
        told[i][rng.integers(7)] = str(rng.choice(words))
    return [" ".join(row) for row in told]


@_kind
def _unread_text(rng: np.random.Generator):
    frame = _numbers(rng, 1_300, 5)
    x, angry = frame.to_numpy(), rng.random(1_300) < 0.4
    frame["message"] = pd.Series(_said(rng, 1_300, about=angry, words=["angry", "lawyer", "cancel"]), dtype=str)
    frame["region"] = pd.Series(rng.choice(["n", "s", "e", "w"], 1_300), dtype=str)
    frame["y"] = _drawn(rng, 2.5 * angry - 1.2 + 0.6 * x[:, 0])
    start = {"family": "linear", "features": ["x0", "x1", "x2", "x3"]}
    change = {"features": ["x0", "x1", "x2", "x3", "message"], "encodings": {"message": "text"}}
    return frame, {"start": start}, (change,)


@_kind
def _text_as_category(rng: np.random.Generator):
    frame = _numbers(rng, 1_300, 4)
    x, angry = frame.to_numpy(), rng.random(1_300) < 0.4
    frame["message"] = pd.Series(_said(rng, 1_300, about=angry, words=["angry", "lawyer", "cancel"]), dtype=str)
    frame["y"] = _drawn(rng, 2.5 * angry - 1.2 + 0.6 * x[:, 0])
    return frame, {"start": {"family": "linear", "features": features_of(frame)}}, ({"encodings": {"message": "text"}},)


@_kind
def _unused_column(rng: np.random.Generator):
    frame = _numbers(rng, 1_300, 9)
    x, hidden = frame.to_numpy(), 4 + int(rng.integers(5))
    frame["y"] = _drawn(rng, 0.8 * x[:, 0] - 0.5 * x[:, 1] + 1.6 * x[:, hidden])
    used = [f"x{i}" for i in range(4)]
    start = {"family": "linear", "features": used}
    return frame, {"start": start}, ({"features": [*used, f"x{hidden}"]},)


@_kind
def _two_unused(rng: np.random.Generator):
    """Of a number, two columns of six, one of them with a bend."""
    frame = _numbers(rng, 1_300, 10)
    a, b = (int(i) for i in 4 + rng.permutation(6)[:2])
    x = frame.to_numpy()
    frame["y"] = x[:, 0] + 0.9 * x[:, a] + 1.2 * np.abs(x[:, b]) + rng.normal(0, 0.6, len(x))
    used = [f"x{i}" for i in range(4)]
    said = {"start": {"family": "boosting", "features": used, "parameters": {"max_iter": 60}}, "task": "regression"}
    return frame, said, ({"features": [*used, f"x{a}"]}, {"features": [*used, f"x{a}", f"x{b}"]})


@_kind
def _idle_columns(rng: np.random.Generator):
    frame = _numbers(rng, 500, 45)
    x = frame.to_numpy()
    frame["y"] = _drawn(rng, x[:, :4] @ np.array([1.2, -1.0, 0.9, 0.8]))
    start = {"family": "linear", "features": features_of(frame), "parameters": {"C": 10.0}}
    return frame, {"start": start}, ({"features": [f"x{i}" for i in range(4)]},)


@_kind
def _codes(rng: np.random.Generator):
    """Shops have a level of their own each, and are read by how common they are."""
    n, shops = 1_500, 60
    frame = _numbers(rng, n, 3)
    shop = rng.integers(0, shops, n)
    level = rng.normal(0, 1.6, shops)
    frame["shop"] = pd.Series([f"s{i:03d}" for i in shop], dtype=str)
    frame["y"] = _drawn(rng, level[shop] + 0.6 * frame["x0"].to_numpy())
    start = {"family": "linear", "features": features_of(frame), "encodings": {"shop": "frequency"}}
    return frame, {"start": start}, ({"encodings": {"shop": "target"}},)


@_kind
def _coarse(rng: np.random.Generator):
    """Five stumps are asked to follow what takes a hundred trees."""
    frame = _numbers(rng, 1_300, 6)
    x = frame.to_numpy()
    frame["y"] = np.sin(2 * x[:, 0]) + x[:, 1] * (x[:, 2] > 0) + 0.5 * x[:, 3] + rng.normal(0, 0.3, len(x))
    parameters = {"max_iter": 15, "max_leaf_nodes": 4}
    start = {"family": "boosting", "features": features_of(frame), "parameters": parameters}
    more = parameters | {"max_iter": 45}
    best = ({"parameters": more}, {"parameters": more | {"max_leaf_nodes": 12}})
    return frame, {"start": start, "task": "regression"}, best


@_kind
def _held_down(rng: np.random.Generator):
    frame = _numbers(rng, 1_300, 8)
    frame["y"] = _drawn(rng, frame.to_numpy() @ rng.normal(0, 1.0, 8))
    start = {"family": "linear", "features": features_of(frame), "parameters": {"C": 0.001}}
    return frame, {"start": start}, ({"parameters": {"C": 0.03}}, {"parameters": {"C": 0.9}})


@_kind
def _three_classes(rng: np.random.Generator):
    frame = _numbers(rng, 1_300, 7)
    x, hidden = frame.to_numpy(), 4 + int(rng.integers(3))
    latent = x[:, 0] + 1.3 * x[:, hidden] + rng.normal(0, 0.5, len(x))
    frame["y"] = pd.Series(np.array(["low", "mid", "top"])[np.digitize(latent, [-0.7, 0.7])], dtype=str)
    used = [f"x{i}" for i in range(4)]
    said = {"start": {"family": "linear", "features": used}, "task": "multiclass"}
    return frame, said, ({"features": [*used, f"x{hidden}"]},)


@_kind
def _hours(rng: np.random.Generator):
    """What matters is the hour, and nobody reads the clock."""
    frame = _numbers(rng, 1_500, 4)
    at = pd.date_range(START, START + DAYS * timedelta(days=1), periods=1_500)
    night = (at.hour < 6) | (at.hour > 20)
    frame["y"] = 2.0 * night + frame["x0"] + rng.normal(0, 0.6, 1_500)
    start = {"family": "boosting", "features": features_of(frame), "parameters": {"max_iter": 60}}
    return frame, {"start": start, "task": "regression"}, ({"features": [*features_of(frame), "at"]},)


@_kind
def _mended_threshold(rng: np.random.Generator):
    """Positives are rare, missing one costs ten false alarms, and somebody wrote 0.5."""
    frame = _numbers(rng, 2_000, 6)
    x = frame.to_numpy()
    frame["y"] = _drawn(rng, -3.2 + 1.4 * x[:, 0] + 1.0 * x[:, 1])
    start = {"family": "linear", "features": features_of(frame), "threshold": 0.5}
    return frame, {"start": start, "loss": CostLoss(false_alarm=0.1)}, ({"threshold": None},)


@_kind
def _balanced_scores(rng: np.random.Generator):
    """Classes were balanced, and the loss is of probabilities."""
    frame = _numbers(rng, 1_500, 6)
    x = frame.to_numpy()
    frame["y"] = _drawn(rng, -2.6 + 1.2 * x[:, 0] + 0.8 * x[:, 1])
    start = {"family": "linear", "features": features_of(frame), "class_weight": "balanced"}
    return frame, {"start": start}, ({"class_weight": None},)


@_kind
def _suspect_labels(rng: np.random.Generator):
    """Older labels were given in a hurry: a third of those of the first four fifths, and all of one class, is wrong."""
    n = 1_500
    frame = _numbers(rng, n, 6)
    x = frame.to_numpy()
    truth = (x[:, 0] + 0.8 * x[:, 1] - 0.5 * x[:, 2] > 0).astype(float)
    wrong = (rng.random(n) < 0.15) & (np.arange(n) < 0.75 * n)
    frame["y"] = np.where(wrong, 1 - truth, truth)
    start = {"family": "boosting", "features": features_of(frame), "parameters": {"max_iter": 50}}
    return frame, {"start": start}, ({"drop_suspects": 0.15},)
