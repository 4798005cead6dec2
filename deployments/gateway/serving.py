"""Which models are in memory, and do they score as they did when they were trained? Loaded, probed, and only then served."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from schemas.errors import PerennialError, told
from schemas.framing import Framing
from schemas.problem import Problem
from schemas.route import Route, Served
from tasks import journal, registry
from tasks.door import Admitted, Door
from tasks.fastpath import fast_path
from tasks.onnx import onnx_path
from tasks.scoring import Outputs, Scores, outputs, score

__all__ = ["ProbeError", "Scorer", "Serving", "load_serving"]


_REPLAYED = 1_000  # rows


class ProbeError(PerennialError):
    """A model does not score its golden rows as it did when it was registered."""


class Scorer:
    """One model, asked with admitted rows: with arrays where that was proved the same, else with a DataFrame."""

    def __init__(
        self, model: Any, served: Served, framing: Framing, golden: pd.DataFrame, replayed: pd.DataFrame | None = None
    ) -> None:
        """`replayed`: rows on which an ONNX graph has to say the same; None where the plan wants none."""
        self.model, self.served, self.framing = model, served, framing
        # A rule was fitted on no names: it is shown every column there is.
        self.features = tuple(getattr(model, "feature_names_in_", ()))
        graph = onnx_path(model, framing, replayed) if replayed is not None else None
        self.fast = graph or fast_path(model, framing, golden)
        self._where: dict[tuple[str, ...], np.ndarray | None] = {}

    def __call__(self, admitted: Admitted, rows: np.ndarray | None, door: Door) -> Outputs:
        """The outputs of `rows` (positions; None: all). A model that raises on a row fails that row alone."""
        matrix = self._matrix(admitted, rows) if self.fast else None
        if matrix is not None:
            assert self.fast is not None
            try:
                said = self.fast(matrix)
                if np.isfinite(said.score).all():
                    return Outputs(said.score, said.decision, np.full(len(matrix), None, dtype=object))
            except Exception:  # noqa: S110  (the way by rows says which one it was)
                pass
        try:
            frame = admitted.frame(self.features or (*admitted.numeric, *admitted.texts, *admitted.times), door)
        except KeyError:  # the client does not send what this model reads
            n = len(admitted.numbers) if rows is None else len(rows)
            shape = (n, self.framing.n_classes) if self.framing.task == "multiclass" else (n,)
            return Outputs(np.full(shape, np.nan), np.full(n, np.nan), np.full(n, "MissingColumn", dtype=object))
        return outputs(self.model, frame if rows is None else frame.iloc[rows], self.framing)

    def _matrix(self, admitted: Admitted, rows: np.ndarray | None) -> np.ndarray | None:
        names = admitted.numeric
        if names not in self._where:
            if len(self._where) > 100:
                self._where.clear()
            there = {name: position for position, name in enumerate(names)}
            known = all(name in there for name in self.features)
            self._where[names] = np.array([there[name] for name in self.features]) if known else None
        where = self._where[names]
        if where is None:
            return None
        numbers = admitted.numbers if rows is None else admitted.numbers[rows]
        return numbers if names == self.features else numbers[:, where]


@dataclass(frozen=True)
class Serving:
    """A route with its models in memory. Immutable: a request that began under it ends under it."""

    route: Route
    door: Door
    champion: Scorer
    rival: Scorer | None
    fallbacks: tuple[Scorer, ...]  # who answers where the champion raises, in order
    required: frozenset[str]
    rival_failed: str = ""  # why the rival is not in memory


def load_serving(problem: Problem, route: Route, door: Door, cache: Path, kept: dict[str, Scorer]) -> Serving:
    """Load and probe what `route` names. A champion that fails raises; a rival that fails is named, and left out."""
    framing = problem.framing

    def scorer(served: Served) -> Scorer:
        if served.sha256 not in kept:
            model, golden, wanted = registry.fetch(problem, served, cache)
            _probe(model, golden, wanted, served, framing)
            replayed = _replayed(problem, golden) if problem.serving.onnx else None
            kept[served.sha256] = Scorer(model, served, framing, golden, replayed)
        return kept[served.sha256]

    champion = scorer(route.champion)
    rival, failed = None, ""
    if route.rival is not None:
        try:
            rival = scorer(route.rival)
        except Exception as error:
            failed = told(error)
    fallbacks = []
    if route.previous is not None and route.previous != route.rival:
        try:
            fallbacks.append(scorer(route.previous))
        except Exception:  # it is only there in case of need
            fallbacks = []
    elif rival is not None and route.previous is not None:
        fallbacks.append(rival)
    if problem.heuristic is not None and champion.served.name != "heuristic":
        fallbacks.append(Scorer(problem.heuristic, Served("", "rule", "heuristic"), framing, pd.DataFrame()))
    wanted = {route.champion.sha256, *(s.sha256 for s in (route.challenger, route.previous) if s)}
    for gone in set(kept) - wanted:
        del kept[gone]
    required = frozenset(champion.features or problem.recipe.features)
    return Serving(route, door, champion, rival, tuple(fallbacks), required, failed)


def _replayed(problem: Problem, golden: pd.DataFrame) -> pd.DataFrame:
    """The golden rows, and the newest that were asked here."""
    try:
        asked = journal.replayed(problem, list(golden.columns), _REPLAYED)
    except Exception:  # the log is away, or has no rows of these columns yet
        return golden
    return pd.concat([golden, asked.astype(golden.dtypes)], ignore_index=True) if len(asked) else golden


def _probe(model: Any, golden: pd.DataFrame, wanted: Scores, served: Served, framing: Framing) -> None:
    found = score(model, golden, framing)
    same = np.allclose(found.score, wanted.score, rtol=1e-9, atol=1e-12, equal_nan=True)
    if not same or not np.array_equal(found.decision, wanted.decision, equal_nan=True):
        raise ProbeError(
            f"version {served.version} ({served.name}) scores its golden rows another way than when it was registered; "
            "it is not served. Are the libraries those of requirements.lock?"
        )
