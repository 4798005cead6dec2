"""What should be tried next, and does it help? A night of experiments, whose winner goes to the gates like any challenger."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from prefect import flow
from pydantic import BaseModel, ConfigDict, Field

from flows import improvement_story as story
from flows.asking import ask
from flows.development import development_rows, moment_of
from flows.guard import of_this_clone
from flows.job import page_file
from flows.lab import Lab
from flows.levels import known_levels
from flows.lock import only_one
from flows.night import best_of, first_view, spend_night
from flows.night_told import made_again, written
from flows.old_experiments import forgotten_after_a_night
from flows.operations import ProblemName
from flows.recipes import incumbent
from flows.standing import Setting, View
from flows.workers import workers
from schemas.errors import PerennialError
from schemas.night import Night
from schemas.plans import ImprovementPlan, Reason
from schemas.problem import Problem, load_problem
from schemas.recipe import Recipe, difference
from schemas.settings import Settings
from schemas.wishes import Wishes
from tasks import backlog, experiments, ledger, possible

__all__ = ["Budget", "advised", "improve", "spent_night"]

ACTOR = "experiments"
Show = Callable[[Night], None]


class Budget(BaseModel):
    """What this night may spend; empty fields are as the problem's plan says."""

    model_config = ConfigDict(allow_inf_nan=False)

    experiments: int | None = Field(default=None, ge=1, le=1000, title="Ideas tried", description="At most so many.")
    hours: float | None = Field(default=None, gt=0, le=240, title="Hours", description="Of running, pauses left out.")
    money: float | None = Field(default=None, gt=0, title="Money", description="In the problem's currency.")

    def within(self, plan: ImprovementPlan) -> ImprovementPlan:
        said = {"runs": self.experiments, "time": self.hours and timedelta(hours=self.hours), "money": self.money}
        return plan.model_copy(update={name: value for name, value in said.items() if value})


@flow(name="improve", flow_run_name="improve {problem}")
def improve(
    problem: ProblemName,
    budget: Budget = Budget(),  # noqa: B008  (frozen default that the form shows)
    wishes: Wishes = Wishes(),  # noqa: B008
    hand_over: bool | None = None,
    anew: bool = False,
    now: datetime | None = None,
) -> str:
    """Diagnose, choose one change, run it, learn from it, until the budget or the criteria end it. A night that was cut off
    is gone on with.

    Args:
        problem: Whose recipe is to become better.
        budget: What the night may spend; empty fields are as the problem's plan says.
        wishes: They join those of the problem's backlog file.
        hand_over: Whether the winner is asked for as a retrain, by default as the plan says: the gates decide what serves.
        anew: Drop a night that was cut off, and begin another.
        now: The moment that the night stands for; empty is the present, or the end of the table.
    """
    of_this_clone()
    bar = story.begin_progress(problem)
    night = spent_night(
        problem,
        budget=budget,
        wishes=wishes,
        hand_over=hand_over,
        anew=anew,
        now=now,
        show=lambda night: story.show_progress(bar, night),
    )
    story.show_progress(bar, night)
    story.tell(night)
    story.link_page(problem, "night", night.links["this report"])
    return night.handed or night.stopped


def spent_night(
    problem: str,
    *,
    budget: Budget = Budget(),  # noqa: B008
    wishes: Wishes = Wishes(),  # noqa: B008
    hand_over: bool | None = None,
    anew: bool = False,
    now: datetime | None = None,
    show: Show = lambda night: None,
) -> Night:
    """The flow without Prefect: the night from where it stands to its end, its winner handed over, its report written."""
    known = load_problem(problem)
    possible.check(wishes.added, known)
    with only_one(problem), workers(Settings()) as place:
        row = _cut_off(known, budget, now, anew=anew)
        row = row or _begun(known, budget.within(known.improvement), moment_of(known, now))
        setting, lab = _setting(known, row), Lab(known, place, known_levels(known, now=row.began))
        night = spend_night(
            setting,
            lab,
            wishes=lambda: backlog.read(problem).and_then(wishes),
            clock=lambda: datetime.now(UTC),
            show=show,
        )
        wanted = known.improvement.hands_over if hand_over is None else hand_over
        handed = _handed(setting, night, now) if wanted else "not handed over, as it was asked"
        again = made_again(known, night.winner)
        night = replace(night, ended=datetime.now(UTC), handed=handed, again=again)
        night = replace(night, links=written(known, night))
        experiments.close(row, night.to_json(), at=night.ended or night.began)
        forgotten_after_a_night(known, now=datetime.now(UTC))
    return night


def advised(problem: str, *, now: datetime | None = None) -> tuple[View, Path, str]:
    """What keeps the recipe in place from being better, and what to try next, without trying it; the page that says so; and the
    change by which an earlier night won on the same rows, empty where it is in place or none did."""
    known = load_problem(problem)
    moment = moment_of(known, now)
    with only_one(problem), workers(Settings()) as place:
        row = experiments.Row(problem, "advice", datetime.now(UTC), None, _body(known, known.improvement, moment))
        setting, won = _as_begun(known, row), _setting(known, row).base
        view = first_view(setting, Lab(known, place, known_levels(known, now=moment)), backlog.read(problem))
    change = str(difference(setting.start, won)) if won else ""
    return view, page_file(setting.job(view.recipe, setting.last)), change


def _cut_off(problem: Problem, budget: Budget, now: datetime | None, *, anew: bool) -> experiments.Row | None:
    """The night to go on with. One without a step has done nothing that another would not find again, and goes: what keeps it
    from its first may have been mended meanwhile."""
    row = experiments.unfinished(problem.name)
    if row is None:
        return None
    done = len(experiments.steps(problem.name, row.night))
    if anew or not done:
        experiments.drop(row)
        return None
    plan = ImprovementPlan.model_validate(row.body["plan"])
    other = [] if budget.within(plan) == plan else ["another budget"]
    other += ["another moment"] if now is not None and now.isoformat() != row.body.get("now") else []
    if other:
        raise PerennialError(
            f"a night of {problem.name!r} that began at {row.began:%Y-%m-%d %H:%M} UTC was cut off after {done} of "
            f"{plan.runs} ideas, and this one asks for {' and '.join(other)}. Go on with it as it was begun (leave them "
            "out), or drop it and begin another: --anew."
        )
    return row


def _begun(problem: Problem, plan: ImprovementPlan, now: datetime) -> experiments.Row:
    began = datetime.now(UTC)
    return experiments.begin(problem.name, f"{began:%Y%m%dT%H%M%S%f}", _body(problem, plan, now), at=began)


def _body(problem: Problem, plan: ImprovementPlan, now: datetime) -> dict[str, Any]:
    """What a night sets out with, as JSON: the rows are frozen here."""
    rows = development_rows(problem, now)
    start = incumbent(problem, ledger.state_of(problem.name).champion)
    return {
        "plan": plan.model_dump(mode="json"),
        "rows": rows.sha256,
        "n_rows": rows.rows,
        "start": start.model_copy(update={"start": "anew"}).model_dump(mode="json"),
        "seed": Settings().seed,
        "now": now.isoformat(),
    }


def _setting(problem: Problem, row: experiments.Row) -> Setting:
    """What the night sets out with. Where an earlier one on the same rows, from the same start, is shown to have gained, it
    sets out from there: that gain is known, and would not be found again."""
    setting = _as_begun(problem, row)
    start = setting.job(setting.start, setting.last).id
    for body, night in experiments.ended(problem.name, before=row.began):
        known = Night.from_json(body)
        if known.start == start and known.winner and known.gain is not None and known.gain.shown:
            return replace(setting, base=best_of(replace(setting, night=night)))
    return setting


def _as_begun(problem: Problem, row: experiments.Row) -> Setting:
    body: dict[str, Any] = row.body
    return Setting(
        problem=problem,
        night=row.night,
        began=row.began,
        plan=ImprovementPlan.model_validate(body["plan"]),
        rows=body["rows"],
        n_rows=body["n_rows"],
        start=Recipe.model_validate(body["start"]),
        seed=body["seed"],
    )


def _handed(setting: Setting, night: Night, now: datetime | None) -> str:
    """Ask for the winner as a retrain, once; nothing reaches production from here directly."""
    name, recipe = setting.problem.name, best_of(setting)
    if not night.winner or night.gain is None:
        return "nothing to hand over: what was there stays"
    if not night.gain.shown:
        return f"not handed over: together the changes gain {night.gain} a row, which is not told apart from nothing"
    if ledger.state_of(name).champion is None:
        return (
            f"not handed over: nothing serves {name} yet. Put what won into schemas/problems/{name}.py "
            f"({difference(setting.start, recipe)}), or take its first turn"
        )
    note = f"night {setting.night} gains {night.gain} a row: {difference(setting.start, recipe)}"[:1000]
    asked = any(row.facts["kind"] == "request" and row.facts["request"]["note"] == note for row in ledger.rows(name))
    if not asked:
        ask(
            name,
            kind="retrain",
            note=note,
            actor=ACTOR,
            reason=Reason.EXPERIMENTS,
            recipe=recipe.model_dump(mode="json"),
            now=now,
        )
    return "asked for as a retrain: the next HEALTHY turn trains it, and the gates decide"
