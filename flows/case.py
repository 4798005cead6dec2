"""What is an offline verdict asked about? A challenger, its rivals, and the held-out rows that all of them score."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from schemas.plans import Promotion
from schemas.problem import Problem
from schemas.recipe import Recipe
from schemas.verdict import Verdict
from tasks import scoring
from tasks.splits import Split

__all__ = ["Case", "Checks"]

Checks = dict[str, Callable[[], Verdict]]  # what is asked of a case, by the name of its verdict


@dataclass(frozen=True)
class Case:
    """All that the gates are asked about. Whatever is a function is looked up inside its gate: what raises there is a FAIL."""

    problem: Problem
    recipe: Recipe
    parts: Split
    challenger: Any  # trained on parts.train, its threshold chosen on parts.validation
    naive: Any
    simpler: Callable[[], Mapping[str, Any]]  # simplest first
    champion: Callable[[], Any]
    champion_trained: bool  # no rule or baseline, which the first trained model has to beat
    promotion: Promotion
    test_set: str  # sha256 of the held-out rows
    uses: int  # decisions that rest on them already
    trained_on: Callable[[], Mapping[str, ArrayLike | None]]  # row keys by role
    seed: int

    @cached_property
    def labels(self) -> np.ndarray:
        return scoring.class_indices(self.parts.test[self.problem.framing.target], self.problem.framing)

    @cached_property
    def scores(self) -> scoring.Scores:
        """The challenger's on the held-out rows, as it gave them."""
        return scoring.score(self.challenger, self.parts.test, self.problem.framing)

    @cached_property
    def loss(self) -> np.ndarray:
        return self.loss_of(self.challenger)

    @cached_property
    def champion_loss(self) -> np.ndarray:
        """Where the champion gives no answer it is wholly wrong, as live: what fails is no safer for that."""
        return np.nan_to_num(self.loss_of(self.champion()), nan=1.0)

    @cached_property
    def naive_loss(self) -> np.ndarray:
        return self.loss_of(self.naive)

    def loss_of(self, model: Any) -> np.ndarray:
        """Loss a row. Rows where a model raises have none, and a gate that meets them refuses."""
        said = scoring.outputs(model, self.parts.test, self.problem.framing)
        return scoring.row_loss(scoring.Scores(said.score, said.decision), self.labels, self.problem.framing)

    @property
    def clusters(self) -> np.ndarray | None:
        """Whose row each is, where entities repeat."""
        entity = self.problem.framing.entity
        return None if entity is None else self.parts.test[entity].to_numpy()

    @property
    def blocks(self) -> np.ndarray:
        """What is resampled as a whole: an entity's rows, or a day's; a row, where there is neither."""
        if self.clusters is not None:
            return self.clusters
        if self.problem.framing.timeless:
            return np.arange(len(self.parts.test))
        return self.parts.test[self.problem.framing.event_time].dt.floor("D").to_numpy()
