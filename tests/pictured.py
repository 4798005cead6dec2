"""A diagnosis and a night with every part filled in, for what draws them."""

from datetime import UTC, datetime, timedelta

from schemas.diagnosis import Baseline, Constraint
from schemas.experiment import Gain, Result
from schemas.idea import Idea, Kind, Quadrant
from schemas.night import Called, Night, Skipped, Spent, Step

__all__ = ["night"]

BEGAN = datetime(2025, 5, 1, 22, tzinfo=UTC)


def step(
    name: str, kind: Kind, called: Called, gain: Gain | None, chance: float, quadrant: Quadrant, parent: str = "start"
) -> Step:
    job = f"job of {name}"
    failed = "ValueError: a solver that does not converge" if called is Called.FAILED else ""
    return Step(
        idea=Idea(name, kind, f"{name}: what it does.", {"family": "linear"}, (Constraint.BIAS,), chance, 0.004),
        parent=parent,
        job=job,
        tier="confirm",
        result=Result(job, {"judged": 4_000}, {"judged": 0.21}, {"roc_auc": 0.9}, ((0.21,),), 12.0, failed),
        gain=gain,
        called=called,
        predicted_chance=chance,
        predicted_gain=0.004,
        quadrant=quadrant,
        why="bias binds, and this is the cheapest that mends it",
        seconds=12.0,
    )


def steps() -> tuple[Step, ...]:
    return (
        step("boosted trees", Kind.FAMILY, Called.GAIN, Gain(0.0061, 0.0094, 0.0127, 4_000, 2), 0.62, Quadrant.QUICK_WIN),
        step(
            "twice as deep",
            Kind.CAPACITY,
            Called.NOISE,
            Gain(-0.0013, 0.0006, 0.0025, 4_000, 2),
            0.41,
            Quadrant.INCREMENTAL,
            parent="job of boosted trees",
        ),
        step("twice the window", Kind.WINDOW, Called.WORSE, Gain(-0.0068, -0.0042, -0.0016, 4_000, 2), 0.3, Quadrant.INCREMENTAL),
        step("a kernel", Kind.FAMILY, Called.FAILED, None, 0.1, Quadrant.MOONSHOT),
        step(
            "hour by weekday",
            Kind.INTERACTIONS,
            Called.GAIN,
            Gain(0.0004, 0.0017, 0.003, 4_000, 2),
            0.35,
            Quadrant.QUICK_WIN,
            parent="job of boosted trees",
        ),
    )


def night() -> Night:
    ask = Idea("more rows of night shifts", Kind.REQUEST, "Label 500 rows of the weakest slice.", by="diagnosis")
    return Night(
        problem="fraud",
        began=BEGAN,
        ended=BEGAN + timedelta(hours=2.5),
        start="start",
        steps=steps(),
        baselines=(
            Baseline("majority", (0.68, 0.69, 0.7), None),
            Baseline("heuristic", (0.5, 0.52, 0.54), (0.7, 0.71, 0.72)),
            Baseline("linear", (0.29, 0.3, 0.31), None, trained=True),
        ),
        opportunity=(0.03, 0.05, 0.07),
        spent=(Spent("experiments", 5, 40), Spent("hours", 2.5, 8.0), Spent("EUR", 1.2, None)),
        stopped="20 experiments in a row gained nothing",
        decisions=("After boosted trees: persist, since the gap to the goal halved.",),
        learned=("Capacity is not what keeps the model back.",),
        next=(Idea("drop suspected labels", Kind.SUSPECTS, "A tenth of labels look wrong.", chance=0.4, impact=0.003),),
        skipped=(
            Skipped(Idea("more trees", Kind.CAPACITY, "Twice as many."), "excluded: the gain is at most +0.0004"),
            Skipped(
                Idea("a deep net", Kind.FAMILY, "A net."), "avoid: dear, and seldom better on tables", Quadrant.AVOID
            ),
        ),
        requests=(ask,),
        winner="job of hour by weekday",
        gain=Gain(0.0081, 0.0111, 0.0141, 4_000, 3),
        handed="The winner was handed to the gate as a retrain.",
        links={"diagnosis": "diagnosis.html"},
    )
