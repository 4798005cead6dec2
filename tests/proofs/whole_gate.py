"""How often does the whole gate promote a challenger that is no better? Offline and live, with looks as often as one likes.

A known world: y ~ Bernoulli(p(x)), so that a challenger's true loss is known. Each run trains a champion and a challenger
on samples of their own, asks every offline gate but the fresh process, and then looks at live rows a hundred at a time;
PASS at any look promotes. The third case is at the margin exactly: the champion's score shaken by +-sqrt(margin), which
adds the margin to a squared error whatever the score.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from scipy.stats import beta

from flows.case import Case
from flows.judging import judge, verdict_of
from schemas.framing import BrierLoss, Framing
from schemas.plans import Gate, Promotion, RetrainingPlan
from schemas.problem import Problem
from schemas.recipe import Recipe
from schemas.source import Source
from schemas.verdict import Outcome
from tasks import gates, scoring, training
from tasks.splits import Split

__all__ = ["CASES", "prove"]

MARGIN, ALPHA = 0.01, 0.05
_ROWS = {"train": 1_500, "validation": 200, "test": 2_000, "live": 4_000}
_START = datetime(2024, 1, 1, tzinfo=UTC)
_FEATURES = ("a", "b", "c")
CASES = ("equal, superiority", "equal, non-inferiority", "at the margin, non-inferiority")

PROBLEM = Problem(
    name="known_world",
    statement="",
    contract=pa.DataFrameSchema({name: pa.Column() for name in (*_FEATURES, "key", "at", "y", "known_at")}),
    source=Source(location=""),
    framing=Framing(
        task="binary",
        objective="",
        key="key",
        entity=None,
        event_time="at",
        target="y",
        label_time="known_at",
        maturity=timedelta(days=1),
        loss=BrierLoss(),
        margin=MARGIN,
        tolerated_harm=MARGIN,
        metric="roc_auc",
        money_per_loss=100.0,
        calibration_tolerance=0.15,
    ),
    recipe=Recipe(family="linear", features=_FEATURES),
    retraining=RetrainingPlan(gates=tuple(gate for gate in Gate if gate is not Gate.SERVEABILITY)),
)


def rows(n: int, rng: np.random.Generator, *, first: int = 0) -> pd.DataFrame:
    X = rng.normal(size=(n, 3))
    p = 1 / (1 + np.exp(-(X @ [1.0, -0.7, 0.4])))
    times = pd.date_range(_START, periods=n, freq="5min") + pd.Timedelta(minutes=5 * first)
    frame = pd.DataFrame(X, columns=list(_FEATURES))
    return frame.assign(y=(rng.random(n) < p).astype(float), key=np.arange(first, first + n), at=times, known_at=times)


class Shaken:
    """A model whose score is moved by +-`by`, as often up as down whatever the row says."""

    def __init__(self, model: Any, by: float) -> None:
        self._model, self._by = model, by
        self.classes_, self.feature_names_in_ = model.classes_, model.feature_names_in_

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        sign = np.where(pd.util.hash_pandas_object(frame, index=False).to_numpy() % 2 == 0, 1.0, -1.0)
        # Not clipped: that would make it better than the margin, and numerical health is not asked of it here.
        positive = self._model.predict_proba(frame)[:, 1] + sign * self._by
        return np.column_stack([1 - positive, positive])


def run(case_name: str, seed: int) -> tuple[bool, bool]:
    """Whether the offline gates passed, and whether the challenger was promoted."""
    rng = np.random.default_rng([20261121, CASES.index(case_name), seed])
    first, parts = 0, {}
    for name, n in _ROWS.items():
        parts[name] = rows(n, rng, first=first)
        first += n
    champion = training.fit(PROBLEM.recipe, PROBLEM.framing, rows(_ROWS["train"], rng), seed=seed)
    live = parts.pop("live")
    split = Split(**parts)
    challenger = training.fit(PROBLEM.recipe, PROBLEM.framing, split.train, seed=seed)
    problem, promotion = PROBLEM, Promotion.NON_INFERIORITY
    if case_name == "equal, superiority":
        promotion = Promotion.SUPERIORITY
    if case_name.startswith("at the margin"):
        challenger = Shaken(champion, MARGIN**0.5)
        # Shaken on purpose, it is no probability everywhere, and what shakes it is no behaviour of a model.
        asked = tuple(gate for gate in PROBLEM.retraining.gates if gate is not Gate.NUMERICAL_HEALTH)
        problem = replace(problem, retraining=problem.retraining.model_copy(update={"gates": asked}))
    case = Case(
        problem=problem,
        recipe=problem.recipe,
        parts=split,
        challenger=challenger,
        naive=training.naive_baseline(problem.framing, split.train, _FEATURES),
        simpler=lambda: {},
        champion=lambda: champion,
        champion_trained=True,
        promotion=promotion,
        test_set=str(seed),
        uses=0,
        trained_on=lambda: {"challenger": split.train["key"], "champion": []},
        seed=seed,
    )
    offline = verdict_of(judge(case)).outcome is Outcome.PASS
    return offline, offline and _promoted(champion, challenger, live, promotion)


def _promoted(champion: Any, challenger: Any, live: pd.DataFrame, promotion: Promotion) -> bool:
    y = live["y"].to_numpy()
    loss = [
        scoring.row_loss(scoring.score(model, live, PROBLEM.framing), y, PROBLEM.framing)
        for model in (champion, challenger)
    ]
    looks = range(100, len(live) + 1, 100)
    return any(
        gates.paired_sequential(
            loss[0][:n], loss[1][:n], promotion=promotion, margin=MARGIN, alpha=ALPHA, enough=True
        ).outcome
        is Outcome.PASS
        for n in looks
    )


def prove(runs: int = 200) -> list[dict[str, Any]]:
    """Promotions in `runs` runs of each case, with the binomial bound that the rate has to be compatible with."""
    found = []
    for name in CASES:
        said = [run(name, seed) for seed in range(runs)]
        promoted = sum(promoted for _, promoted in said)
        # The rate is over 5 % beyond doubt where even its lower 97.5 % bound is.
        low = float(beta.ppf(0.025, promoted, runs - promoted + 1)) if promoted else 0.0
        high = float(beta.ppf(0.975, promoted + 1, runs - promoted)) if promoted < runs else 1.0
        judged = name != "equal, non-inferiority"
        found.append(
            {
                "case": name,
                "runs": runs,
                "offline": sum(passed for passed, _ in said) / runs,
                "promoted": promoted / runs,
                "low": low,
                "high": high,
                "judged": judged,
                "holds": not judged or low <= ALPHA,
            }
        )
        print(
            f"  {name:<34} promoted {promoted} of {runs}, rate {promoted / runs:.3f} [{low:.3f}, {high:.3f}]",
            flush=True,
        )
    return found
