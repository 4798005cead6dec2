"""Can a model be asked through an ONNX graph, which costs a tenth? Only where it is proved to say the same on replayed rows."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from schemas.framing import Framing
from tasks.fastpath import Shell, innermost
from tasks.scoring import Scores, score

__all__ = ["onnx_path"]

# A graph computes in single precision where its operators have no other. A score that differs by more is another model's.
_TOLERANCE = 1e-6
log = logging.getLogger("perennial.gateway")


def onnx_path(model: Any, framing: Framing, replayed: pd.DataFrame) -> Callable[[np.ndarray], Scores] | None:
    """A function from a float64 matrix (n, number of features, in the model's order) to scores, through ONNX Runtime; None,
    with the reason logged, where the extra is not installed, the model does not convert, or one replayed row differs in
    its decision, or in its score by more than a millionth."""
    names = list(getattr(model, "feature_names_in_", ()))
    if framing.task == "multiclass" or replayed.empty or not names:
        return None
    try:
        ask = _session(innermost(model), names, classes=framing.task == "binary")
        shell = Shell(model, ask)

        def fast(matrix: np.ndarray) -> Scores:
            return score(shell, matrix, framing)

        differing = _differing(model, fast, replayed[names], framing)
    except ImportError:
        log.warning("no ONNX graph is used: install the extra `onnx`")
        return None
    except Exception as error:  # many: a family that does not convert, a graph that does not run
        log.warning("no ONNX graph is used: the model does not convert (%s)", type(error).__name__)
        return None
    if differing:
        log.warning("no ONNX graph is used: it differs on %d of %d replayed rows", differing, len(replayed))
        return None
    return fast


def _session(model: Any, names: Sequence[str], *, classes: bool) -> Callable[[np.ndarray], np.ndarray]:
    import onnxruntime
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    inputs = [(name, FloatTensorType([None, 1])) for name in names]
    options = {id(model): {"zipmap": False}} if classes else None
    graph = to_onnx(model, initial_types=inputs, options=options)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    settings.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    output = session.get_outputs()[1 if classes else 0].name

    def ask(matrix: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):  # a score that comes of it is not finite, and the model itself is asked
            columns = {name: matrix[:, [k]].astype(np.float32) for k, name in enumerate(names)}
        said = np.asarray(session.run([output], columns)[0], dtype=float)
        return said if classes else said.ravel()

    return ask


def _differing(model: Any, fast: Callable[[np.ndarray], Scores], rows: pd.DataFrame, framing: Framing) -> int:
    wanted, found = score(model, rows, framing), fast(rows.to_numpy(dtype=float))
    same = np.isclose(found.score, wanted.score, rtol=0, atol=_TOLERANCE, equal_nan=True)
    same &= np.isclose(found.decision, wanted.decision, rtol=0, atol=_TOLERANCE, equal_nan=True)
    return int((~same).sum())
