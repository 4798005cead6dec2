"""Faults that only show once a challenger meets requests: leaks, skew, labels that come early or never, ramps, peeking."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pandera.pandas as pa

from flows.drills.world import Drill, World
from schemas.columns import about
from schemas.framing import BrierLoss
from schemas.plans import Promotion
from schemas.problem import Problem
from schemas.recipe import Recipe
from schemas.rows import State
from schemas.source import Source
from schemas.stage import Stage
from schemas.verdict import Outcome, Verdict, combine
from tasks import gates, predictions, scoring, windows

__all__ = ["DRILLS"]

_FAIL, _PASS, _WAIT = Outcome.FAIL, Outcome.PASS, Outcome.WAIT
_ALPHA = 0.05
_START = datetime(2024, 1, 1, tzinfo=UTC)


def _leak(world: World, rows: dict[str, pd.DataFrame], leak: str) -> Verdict:
    """A challenger trained with a leaking column: the offline gate lets it by, and the shadow has to stop it."""
    problem, framing = world.problem, world.problem.framing
    leaked = replace(world, parts=replace(world.parts, train=rows["train"], validation=rows["validation"]))
    model = leaked.trained(rows["train"], features=(*problem.recipe.features, leak))
    promised = _loss(world, model, rows["test"])
    if not promised.mean() < _loss(world, world.challenger, rows["test"]).mean():
        return Verdict("leak", _PASS, "the planted column does not help on held-out rows: nothing was drilled")
    said = scoring.outputs(model, rows["live"], framing)
    verdicts = [
        gates.paired_sequential(
            _loss(world, world.challenger, rows["live"]),
            _loss(world, model, rows["live"]),
            promotion=Promotion.SUPERIORITY,
            margin=framing.margin,
            alpha=_ALPHA,
            enough=True,
        )
    ]
    if framing.task == "binary":
        held_out = float(scoring.score(model, rows["test"], framing).decision.mean())
        verdicts.append(
            gates.prediction_shift(
                int((said.decision >= 0.5).sum()), len(said.decision), held_out=held_out, factor=3.0, alpha=_ALPHA
            )
        )
    return gates.at_deadline(combine("shadow", verdicts), now=_START, deadline=_START)


def _loss(world: World, model: object, rows: pd.DataFrame) -> np.ndarray:
    """Loss a row; wholly wrong where the model gave no answer, as the shadow counts it."""
    framing = world.problem.framing
    said = scoring.outputs(model, rows, framing)
    labels = scoring.class_indices(rows[framing.target], framing)
    return np.nan_to_num(scoring.row_loss(scoring.Scores(said.score, said.decision), labels, framing), nan=1.0)


def _numbered(world: World, rows: pd.DataFrame) -> np.ndarray:
    return scoring.class_indices(rows[world.problem.framing.target], world.problem.framing)


def _target_in_feature(world: World) -> Verdict:
    """The label itself, under another name; a request does not have it."""
    parts = {**vars(world.parts), "live": world.live}
    rows = {
        name: part.assign(leak=_numbered(world, part) if name != "live" else np.nan) for name, part in parts.items()
    }
    return _leak(world, rows, "leak")


def _known_only_later(world: World) -> Verdict:
    """A column that is filled in with the label, read back as a request has it: the source hides it."""
    problem, framing = world.problem, world.problem.framing
    whole = pd.concat([*vars(world.parts).values(), world.live], ignore_index=True)
    label = _numbered(world, whole)
    table = whole.assign(filled_later=label + world.rng.normal(0, 0.1 * label.std(), len(whole)))
    planted = replace(
        problem,
        contract=problem.contract.add_columns(
            {"filled_later": pa.Column("float64", nullable=True, metadata=about(known="with the label"))}
        ),
        source=replace(
            problem.source,
            location="drill/table.parquet",
            url=None,
            derive=None,
            simulate=None,
        ),
    )
    windows.materialise(planted, table)
    rows = {}
    for name, part in {**vars(world.parts), "live": world.live}.items():
        start, end = part[framing.event_time].min(), part[framing.event_time].max() + pd.Timedelta(microseconds=1)
        read = windows.read_requests if name == "live" else _as_known
        rows[name] = read(planted, start.to_pydatetime(), end.to_pydatetime())
    labelled = world.live.set_index(framing.key)[framing.target]
    rows["live"] = rows["live"].assign(**{framing.target: labelled.reindex(rows["live"][framing.key]).to_numpy()})
    rows["live"] = rows["live"].assign(filled_later=rows["live"]["filled_later"].astype(float))
    return _leak(world, rows, "filled_later")


def _as_known(problem: Problem, start: datetime, end: datetime) -> pd.DataFrame:
    """The rows once all that comes later has come."""
    return windows.read_window(problem, start, end, as_of=end + timedelta(days=3_650))


def _harmful_live(world: World) -> Verdict:
    """Better offline; in production its features arrive in another row's place, as a broken join delivers them."""
    features = list(world.problem.recipe.features)
    shuffled = world.live[features].sample(frac=1, random_state=world.seed).reset_index(drop=True)
    broken = world.live.assign(**{name: shuffled[name].to_numpy() for name in features})
    offline = (
        _loss(world, world.naive, world.parts.test).mean() - _loss(world, world.challenger, world.parts.test).mean()
    )
    if offline <= 0:
        return Verdict("live", _PASS, "the challenger is not better offline: nothing was drilled")
    framing = world.problem.framing
    return gates.at_deadline(
        gates.paired_sequential(
            _loss(world, world.challenger, world.live),
            _loss(world, world.challenger, broken),
            promotion=Promotion.NON_INFERIORITY,
            margin=min(framing.margin, offline / 10),
            alpha=_ALPHA,
            enough=True,
        ),
        now=_START,
        deadline=_START,
    )


def _yes_or_no(world: World, name: str) -> Problem:
    """A problem of two classes and nothing to ask but the loss."""
    framing = world.problem.framing.model_copy(
        update={
            "task": "binary",
            "classes": (),
            "key": "key",
            "event_time": "at",
            "entity": None,
            "slices": (),
            "requirements": (),
            "fairness": (),
            "behaviours": (),
            "costs": None,
            "loss": BrierLoss(),
            "maturity": timedelta(days=14),
        }
    )
    named = ("key", "at", framing.target, framing.label_time)
    return Problem(
        name=name,
        statement="",
        contract=pa.DataFrameSchema({column: pa.Column() for column in named}),
        source=Source(location=""),
        framing=framing,
        recipe=Recipe(features=("key",)),
    )


def _never_yes(world: World, *, lost: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows labelled early, and matured rows, of a challenger that never says yes. Negatives are known in a day, positives
    in ten, or, where they are `lost`, never."""
    problem = _yes_or_no(world, "drill lost" if lost else "drill")
    n, rng = 2_000, world.rng
    truth = (rng.random(n) < 0.3).astype(float)
    times = pd.date_range(_START, periods=n, freq="10min").as_unit("us")
    frame = pd.DataFrame({"key": np.arange(n), "at": times})
    champion, never = np.where(truth > 0, 0.7, 0.2), np.full(n, 0.0)
    none = np.full(n, None, dtype=object)
    said = scoring.Answers(
        scoring.Outputs(champion, (champion >= 0.5).astype(float), none),
        scoring.Outputs(never, never, none),
        np.zeros(n, dtype=bool),
        0.0,
        champion,
        (champion >= 0.5).astype(float),
    )
    state = State(problem.name, stage=Stage.SHADOW, champion=world.model("a"), challenger=world.model("b"))
    predictions.log(problem, state, frame, said)
    delay = pd.to_timedelta(np.where(truth > 0, 10, 1), unit="D")
    labels = pd.DataFrame({"key": frame["key"], "label": truth, "known_at": times + delay})
    predictions.log_labels(problem, labels[labels["label"] < 0.5] if lost else labels)
    now = times[-1].to_pydatetime()
    early = predictions.cohort(problem, since=_START, now=now, matured=False).dropna(subset=["label"])
    matured = predictions.cohort(problem, since=_START, now=now + timedelta(days=7))
    return early[early["event_time"] >= pd.Timestamp(now - timedelta(days=9))], matured


def _arrival_order(world: World) -> Verdict:
    """It looks perfect on early labels; the real log, asked for matured rows, says what it costs."""
    early, matured = _never_yes(world, lost=False)
    fooled = _judged(early)
    if fooled.outcome is not _PASS:
        return Verdict("arrival", _PASS, f"early labels do not flatter it: nothing was drilled ({fooled.reason})")
    return _judged(matured.dropna(subset=["label"]))


def _lost_labels(world: World) -> Verdict:
    """Positives are never labelled, and the rest of the matured rows would promote it."""
    _, matured = _never_yes(world, lost=True)
    missing = int(matured["label"].isna().sum())
    paired = _judged(matured.dropna(subset=["label"]))
    if paired.outcome is not _PASS:
        return Verdict("labels", _PASS, f"labelled rows do not flatter it: nothing was drilled ({paired.reason})")
    return combine(
        "shadow", [paired, gates.labels_complete(missing, len(matured), limit=world.problem.rollout.unlabelled)]
    )


def _judged(rows: pd.DataFrame) -> Verdict:
    label = rows["label"].to_numpy(dtype=float)
    loss = {side: (rows[f"{side}_score"].to_numpy(dtype=float) - label) ** 2 for side in ("champion", "rival")}
    return gates.paired_sequential(
        loss["champion"], loss["rival"], promotion=Promotion.SUPERIORITY, margin=0.01, alpha=_ALPHA, enough=True
    )


def _ramp(world: World, *, ratio: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Assignments, their probability, errors, under a ramp 5-10-25-50 % with a base error rate that doubles each step."""
    n = 20_000
    probability = np.repeat([0.05, 0.1, 0.25, 0.5], n // 4)
    base = np.repeat([0.002, 0.004, 0.008, 0.016], n // 4)
    rng = world.rng
    arm = rng.random(n) < probability
    error = rng.random(n) < base * np.where(arm, ratio, 1.0)
    return arm, probability, error, base


def _pooled_ramp(world: World) -> Verdict:
    """Both arms err alike, and the ramp meets a rising base rate: pooled rates accuse the challenger, ours must not."""
    arm, probability, error, _ = _ramp(world, ratio=1.0)
    p1, p0, p = error[arm].mean(), error[~arm].mean(), error.mean()
    z = (p1 - p0) / np.sqrt(p * (1 - p) * (1 / arm.sum() + 1 / (~arm).sum()))
    if z < 1.645:
        return Verdict("error guardrail", _FAIL, f"pooled rates accuse nobody (z {z:.1f}): nothing was drilled")
    return gates.error_guardrail(arm[error], probability[error], ratio=1.0, alpha=_ALPHA, arms="on a ramp")


def _erring_on_a_ramp(world: World) -> Verdict:
    arm, probability, error, _ = _ramp(world, ratio=4.0)
    return gates.error_guardrail(arm[error], probability[error], ratio=1.0, alpha=_ALPHA, arms="on a ramp")


def _peeking(world: World) -> Verdict:
    """Two equal models, looked at after every hundred rows; the stream is the first that a z-test is fooled by."""
    for draw in range(1_000):
        gain = np.random.default_rng([world.seed, draw]).choice([-1.0, 0.0, 1.0], p=[0.05, 0.9, 0.05], size=5_000)
        looks = range(100, 5_001, 100)
        if any(gain[:n].mean() > 1.96 * gain[:n].std() / np.sqrt(n) for n in looks):
            break
    else:
        return Verdict("peeking", _PASS, "no stream fools a z-test: nothing was drilled")
    said = [
        gates.paired_sequential(
            np.maximum(gain[:n], 0),
            np.maximum(-gain[:n], 0),
            promotion=Promotion.SUPERIORITY,
            margin=0.01,
            alpha=_ALPHA,
            enough=True,
        )
        for n in looks
    ]
    return next((verdict for verdict in said if verdict.outcome is not _WAIT), said[-1])


def _sample_ratio(world: World) -> Verdict:
    """A router that loses one in ten of the challenger's entities."""
    rng = world.rng
    assigned = rng.random(20_000) < 0.25
    kept = ~(assigned & (rng.random(assigned.size) < 0.1))
    return gates.shares_held(assigned[kept].astype(float), np.full(int(kept.sum()), 0.25), alpha=_ALPHA)


DRILLS = [
    Drill("target leaked into a feature", _FAIL, _target_in_feature),
    Drill("a feature known only later", _FAIL, _known_only_later),
    Drill("better offline and harmful live", _FAIL, _harmful_live, "worse than the champion"),
    Drill("labels in arrival order", _FAIL, _arrival_order, "is not better than the champion"),
    Drill("labels that never come", _WAIT, _lost_labels, "the rest is a selection"),
    Drill("pooled ramp, both arms alike", _PASS, _pooled_ramp, "on a ramp"),
    Drill("an erring challenger on a ramp", _FAIL, _erring_on_a_ramp, "the challenger raises"),
    Drill("peeking at two equal models", _WAIT, _peeking, "is not yet shown"),
    Drill("sample-ratio mismatch", _FAIL, _sample_ratio, "is not what was assigned"),
]
