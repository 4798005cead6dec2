"""What is left of a night for people to read? Its report as a page, its pages in MLflow, and lines for a terminal."""

from collections.abc import Iterator
from pathlib import Path

from flows.job import AMONG
from flows.pages.night import night_report
from flows.standing import View
from schemas.night import Night, Step
from schemas.problem import Problem
from schemas.settings import Settings
from tasks import backlog, experiments, runs
from tasks.figures import whole

__all__ = ["advice", "backlog_lines", "made_again", "report_file", "said_of", "summary", "written"]


def report_file(night: Night) -> Path:
    return Settings().root / "experiments" / night.problem / f"night-{night.began:%Y%m%dT%H%M%S}.html"


def written(problem: Problem, night: Night) -> dict[str, str]:
    """Write the night's page and log it to MLflow; where it is found, by name."""
    file = report_file(night)
    links = {"this report": file.as_uri()}
    if night.winner:
        links["diagnosis of the winner"] = file.with_name(f"{night.winner}.html").as_uri()
    with runs.training_run(problem, key=f"{problem.name}/night/{night.began.isoformat()}", among=AMONG) as run:
        links["its run in MLflow"] = runs.run_link(problem, run, among=AMONG)
        whole(file, night_report(night))
        counts = {"steps": float(len(night.steps)), "gains": float(len(night.shown))}
        gain = {"gain": night.gain.estimate, "gain_low": night.gain.low} if night.gain else {}
        tags = {"stopped": night.stopped[:4000], "handed": night.handed[:4000]}
        runs.describe({}, counts | gain, tags, [file], folder="night")
    return links


def made_again(problem: Problem, winner: str) -> str:
    """The command that fits the winner anew and holds it against what was logged; empty without one."""
    run = runs.found(problem, key=winner, among=AMONG) if winner else ""
    return f"make reproduce RUN={run}" if run else ""


def advice(view: View, page: Path, won: str = "") -> Iterator[str]:
    """What binds, and what to try next, for a person who decides; `won` is what an earlier night has shown to gain."""
    found = view.diagnosis
    losses = ", ".join(f"{name} {loss:.4f}" for name, loss in found.loss.items())
    yield f"{found.problem}, {found.family}: loss a row {losses}"
    if found.rooms:
        room = found.binding
        low, gain, high = room.gain
        yield f"what keeps it back: {room.constraint}, {gain:.4f} [{low:.4f}, {high:.4f}] a row. {room.says}"
        yield f"  {room.advice}"
    if (failing := found.first_failing) is not None:
        yield f"the first look that fails: {failing.step}. {failing.says}"
    yield found.opportunity
    if won:
        yield f"shown to gain by an earlier night on these rows, and not in place: {won}"
    yield "to try next, the best first:"
    for one in view.backlog[:10]:
        yield f"  {one.quadrant!s:<12} {one.idea.name:<48} chance {one.chance.mean:>4.0%}, {one.idea.impact:.4f} a row"
    yield from (f"  asked of people: {idea.name}: {idea.about}" for idea in view.ideas if not idea.runs)
    yield f"the page: {page.as_uri()}"


def said_of(step: Step) -> str:
    """One line of a terminal: what was tried, and what came."""
    gain = str(step.gain) if step.gain else (step.result.error if step.result else "")
    return f"  {step.called!s:<6} {step.idea.name[:52]:<52} {gain[:60]:<30} {step.tier}, {step.seconds:.1f} s"


def summary(night: Night) -> Iterator[str]:
    """How the night ended, in a few lines."""
    won = night.won
    yield ""
    yield f"{night.problem}: {len(night.steps)} ideas tried, {len(night.shown)} gained"
    yield f"won: {won}, {night.gain} of loss a row over the start" if won else "won: nothing; what was there stays"
    yield f"stopped: {night.stopped}"
    yield f"handed: {night.handed}" if night.handed else "it still runs"
    if night.again:
        yield f"the winner again: {night.again}"
    for title, ideas in (("next", night.next), ("asked of people", night.requests)):
        yield from (f"{title}: {idea.name}: {idea.about}" for idea in ideas[:5])
    yield from (f"{name}: {where}" for name, where in night.links.items())


def backlog_lines(problem: str) -> Iterator[str]:
    """What the newest night leaves to be tried, with people's word on it."""
    row, wishes = experiments.newest(problem), backlog.read(problem)
    yield f"people's word on it is in {backlog.file_of(problem)}"
    yield from (f"  first   {name}" for name in wishes.first)
    yield from (f"  never   {name}" for name in wishes.veto)
    yield from (f"  added   {one.name}: {one.change}" for one in wishes.added)
    if row is None or row.ended is None:
        yield f"no night of {problem} has ended yet: make improve PROBLEM={problem}"
        return
    night = Night.from_json(row.body)
    yield f"after the night of {night.began:%Y-%m-%d %H:%M}:"
    for idea in night.next:
        yield f"  {idea.name}: {idea.about} (chance {idea.chance:.0%}, {idea.impact:.4f} a row)"
    yield from (f"  asked of people: {idea.name}: {idea.about}" for idea in night.requests)
    yield from (f"  avoid   {one.idea.name}: {one.why}" for one in night.skipped)
