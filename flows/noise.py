"""Which labels look wrong to models that were not trained on them, and what do so many wrong labels leave to be had?"""

from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd

from schemas.problem import Problem
from tasks import scoring, training
from tasks.out_of_fold import out_of_fold, unlikely
from tasks.stats import label_noise

__all__ = ["Noise", "Suspect", "noise_of"]

_SHOWN = 20
_OVERLAP = 3.0
_FAR = 6.0  # robust standard deviations from the prediction: of normal errors, one in 500 million


@dataclass(frozen=True)
class Suspect:
    """A row whose label the models find least likely. It goes by its key; nothing else of it is told."""

    key: str
    loss: float  # of classes one minus the probability of the label, of numbers the error in robust standard deviations


@dataclass(frozen=True)
class Noise:
    """`rate` and `ceiling` are nan for a regression, where confident learning has no counterpart; there `outlying` counts
    labels far from the prediction. The rate bounds the noise from above: where the features cannot tell, a right label looks
    wrong as well. Labels flipped at random show in `surest` too, the share among the tenth of rows the models are surest of:
    on the electricity table .02, .13 and .23 with none, a tenth and a fifth flipped, where the rate says .24, .31, .36."""

    rows: int
    rate: float
    ceiling: float
    surest: float
    by_class: dict[str, float] = field(default_factory=dict)
    outlying: int = 0
    suspects: tuple[Suspect, ...] = ()

    @property
    def accuracy_ends(self) -> str:
        """Where the accuracy of any model on these labels ends, in words."""
        if self.surest >= self.rate:
            return f"accuracy ends near {self.ceiling:.1%}"
        return f"accuracy ends between {self.ceiling:.1%} and {1 - self.surest:.1%}"

    @property
    def overlaps(self) -> bool:
        """Is most of it classes that overlap? Labels flipped at random are as many among the rows that models are surest of
        as among all."""
        return self.surest < self.rate / _OVERLAP


def noise_of(problem: Problem, rows: pd.DataFrame, *, seed: int, k: int = 5, shown: int = _SHOWN) -> Noise:
    """The noise of the labels of `rows`, matured and in time order. Rows too few or too alike to fit raise PerennialError."""
    framing = problem.framing
    rows = rows.reset_index(drop=True)
    fit = partial(training.fit, problem.recipe, framing, seed=seed)
    said = out_of_fold(framing, rows, fit, k=k)
    label = scoring.class_indices(rows[framing.target], framing)
    key = rows[framing.key].astype(str)
    if framing.task == "regression":
        error = unlikely(framing, said, label)
        scale = 1.4826 * float(np.median(error)) or 1.0
        far = error / scale
        return Noise(
            len(rows),
            float("nan"),
            float("nan"),
            float("nan"),
            outlying=int((far > _FAR).sum()),
            suspects=_ranked(problem, key, far, shown),
        )
    found = label_noise(said, label)
    names = framing.classes if framing.task == "multiclass" else (0, 1)
    loss = unlikely(framing, said, label)
    return Noise(
        len(rows),
        found.rate,
        found.ceiling,
        found.surest,
        by_class={str(name): float(rate) for name, rate in zip(names, found.by_class, strict=True)},
        suspects=_ranked(problem, key, loss, shown),
    )


def _ranked(problem: Problem, key: pd.Series, loss: np.ndarray, shown: int) -> tuple[Suspect, ...]:
    """The worst first. A key that is personal itself is not told either: then the row's place in the window stands for it."""
    worst = np.argsort(-loss, kind="stable")[:shown]
    hidden = problem.framing.key in problem.personal
    return tuple(Suspect(f"row {i}" if hidden else str(key.iloc[i]), float(loss[i])) for i in worst)
