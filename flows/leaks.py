"""How are requests served, and does anything creep up over many runs: training time, size, latency, memory?"""

from datetime import timedelta
from typing import Any

from flows.measuring import Seen
from flows.window import champion_of
from schemas.figure import Figure
from schemas.framing import CostLoss, MatrixLoss
from schemas.verdict import Outcome, Verdict, combine
from tasks import gates, quality_log, runs
from tasks.service import Service, service

__all__ = ["leaks", "predictions_kept", "served_figures", "served_said"]

_FEWEST = 6  # runs or windows whose order can be told from chance at 1 %: the smallest p of five is 1 in 120
_LATENCIES = ("latency p50", "latency p95", "latency p99")
_OF_MODELS = {  # what runs.training_times calls it, and what people do
    "training seconds": "training time",
    "serveability.size_mb": "size of the model",
    "serveability.latency_ms": "latency of one row",
    "serveability.memory_mb": "memory of the model",
    "serveability.load_seconds": "time to load the model",
}


def served_figures(found: Seen) -> tuple[Service, list[Figure]]:
    """How the window's requests were served, and what was said to them: no label is needed."""
    said = service(found.problem, since=found.window[0], until=found.window[1])
    values = {"rows a second": said.a_second, "busiest minute": float(said.busiest), "error share": said.error_share}
    values |= {n: v for n, v in zip(_LATENCIES, (said.p50, said.p95, said.p99), strict=True) if v is not None}
    values |= _distribution(found)
    model = champion_of(found.turn).sha256
    return said, [Figure("served", n, *found.window, model, said.rows, v) for n, v in values.items() if said.rows]


def _distribution(found: Seen) -> dict[str, float]:
    """The share of each decision; the quantiles of scores that are one number."""
    framing, rows = found.problem.framing, found.asked[found.asked["decision"].notna()]
    if rows.empty:
        return {}
    if framing.task == "multiclass":
        return {f"share of {c}": float((rows["decision"] == k).mean()) for k, c in enumerate(framing.classes)}
    shares = {"positives": float((rows["decision"] >= 0.5).mean())} if framing.task == "binary" else {}
    score = rows["score"].astype(float)
    return shares | {f"score q{round(level * 100)}": float(score.quantile(level)) for level in (0.05, 0.5, 0.95)}


def predictions_kept(found: Seen) -> Verdict | None:
    """Does the champion decide as often for each class as on the rows it was accepted on? None where nobody decides, or
    the plan says that shares swing by nature."""
    problem, champion = found.problem, champion_of(found.turn)
    framing, factor = problem.framing, problem.rollout.prediction_shift
    if not isinstance(framing.loss, CostLoss | MatrixLoss) or factor is None:
        return None
    names = (
        {"positives": 1.0} if framing.task == "binary" else {f"share of {c}": i for i, c in enumerate(framing.classes)}
    )
    accepted = {name: champion.held_out[name] for name in names if champion.held_out.get(name, 0.0) > 0}
    decided = found.asked["decision"].dropna()
    verdicts = [
        gates.prediction_shift(
            int((decided == names[name]).sum()),
            len(decided),
            held_out=share,
            factor=factor,
            alpha=problem.monitoring.decay_alpha / len(accepted),
            what=name,
        )
        for name, share in accepted.items()
    ]
    return combine("predictions", verdicts) if verdicts else None


def served_said(said: Service) -> str:
    """One sentence of how requests were served."""
    times = f", p50 {said.p50:.3g} ms, p95 {said.p95:.3g} ms, p99 {said.p99:.3g} ms" if said.p99 is not None else ""
    return (
        f"{said.rows:,} requests in the window, {said.error_share:.2%} without an answer, {said.a_second:.3g} a second, "
        f"{said.busiest:,} in the busiest minute{times}"
    )


def leaks(found: Seen) -> list[Verdict]:
    """A verdict on each figure that should not creep up. They are measured on this machine: people read them, and no
    verdict of the loop rests on them."""
    plan = found.problem.monitoring

    def judged(name: str, values: list[float], unit: str) -> Verdict:
        newest = values[-plan.leak_looks :]
        return gates.no_leak(name, newest, unit=unit, rate=plan.leak_rate, growth=plan.leak_growth, at_least=_FEWEST)

    few = found.turn.state.rollout < _FEWEST  # retrains: nobody needs to ask the registry
    retrains = [] if few else runs.training_times(found.problem, n=plan.leak_looks)
    verdicts = [
        judged(said, [one[name] for one in retrains if name in one], "retrains") for name, said in _OF_MODELS.items()
    ]
    since = found.turn.now - plan.leak_looks * max(plan.window, timedelta(days=1))
    kept = quality_log.figures(found.problem, kinds=("served",), metrics=_LATENCIES, since=since, until=found.turn.now)
    for name in _LATENCIES:
        verdicts.append(judged(name, _newest(kept, name), "windows"))
    return [verdict for verdict in verdicts if verdict.outcome is not Outcome.WAIT]


def _newest(figures: list[Figure], name: str) -> list[float]:
    """The value of each window as it is known now, oldest window first."""
    named: dict[Any, float] = {(f.end, f.start): f.value for f in figures if f.metric == name}
    return [named[window] for window in sorted(named)] if named else []
