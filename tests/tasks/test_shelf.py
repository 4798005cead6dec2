"""Is a disk that keeps reports bounded, and is what somebody may still need among what is kept?"""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.plans import MonitoringPlan
from schemas.verdict import Outcome
from tasks import monitoring
from tasks.monitoring.report import folder_of
from tasks.monitoring.workspace import project_of, snapshot_file, workspace_folder
from tests.tasks.reported import MONDAY, WEEK, made, window

PLAN = MonitoringPlan(report_pages=3, alarm_pages=2, keep_reports=20 * WEEK)


def shelved(outcomes: list[Outcome], *, placed: bool = True) -> list[str]:
    """The names of windows that closed one a week, with the three files that each leaves."""
    names = []
    for week, outcome in enumerate(outcomes):
        of = window(outcome, week=week)
        for file, text in _files(of.name).items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        about = {"verdict": str(outcome), "end": of.end.isoformat()}
        _figures(of.name).write_text(json.dumps({"about": about, "tests": []}))
        if placed:
            monitoring.place("toy", of.name, outcome=outcome, end=of.end, run=f"run-{week}")
        names.append(of.name)
    return names


def _files(name: str) -> dict[Path, str]:
    snapshot = json.dumps({"widgets": [{"id": n} for n in range(9)], "metric_results": {"a": 1}})
    return {_page(name): "<html>", _figures(name): "{}", snapshot_file("toy", name): snapshot}


def _page(name: str) -> Path:
    return _figures(name).with_suffix(".html")


def _figures(name: str) -> Path:
    return folder_of("toy") / f"{name}.json"


def tidied(weeks: int) -> list[monitoring.Removed]:
    return monitoring.tidy("toy", PLAN, now=MONDAY + weeks * WEEK)


PASS, FAIL, WAIT = Outcome
CASES = {
    "fewer than are kept": ([PASS] * 3, "ppp"),
    "the newest stay": ([PASS] * 5, "--ppp"),
    "alarms stay beyond the newest": ([FAIL, PASS, WAIT, PASS, PASS, PASS, PASS], "p-p-ppp"),
    "of many alarms the newest do": ([FAIL, FAIL, WAIT, FAIL, PASS, PASS, PASS], "--ppppp"),
    "an alarm among the newest counts as one": ([FAIL, FAIL, PASS, PASS, PASS, PASS, FAIL], "-p--ppp"),
}


@pytest.mark.parametrize("case", CASES)
def test_pages_of_the_newest_windows_and_of_alarms_are_kept_and_every_figure(home, case):
    outcomes, kept = CASES[case]
    names = shelved(outcomes)
    removed = tidied(len(outcomes))
    assert "".join("p" if _page(name).exists() else "-" for name in names) == kept
    assert all(_figures(name).exists() and snapshot_file("toy", name).exists() for name in names)
    assert {(one.name, one.whole) for one in removed} == {
        (n, False) for n, k in zip(names, kept, strict=True) if k == "-"
    }
    assert tidied(len(outcomes)) == [], "what is gone is not removed again"


def test_a_snapshot_without_its_plots_keeps_its_figures_and_the_head_of_its_page(home):
    names = shelved([PASS] * 4)
    tidied(4)
    stored = [json.loads(snapshot_file("toy", name).read_text()) for name in names[:2]]
    assert [len(one["widgets"]) for one in stored] == [4, 9]
    assert stored[0]["metric_results"] == {"a": 1}


def test_what_closed_longer_ago_than_reports_are_kept_goes_whole_alarm_or_not(home):
    names = shelved([FAIL, PASS, PASS])
    removed = tidied(22)  # the first closed 21 weeks ago, the second 20
    assert [(one.name, one.run, one.whole) for one in removed] == [(names[0], "run-0", True)]
    assert not any(file.exists() for file in _files(names[0]))
    assert all(file.exists() for name in names[1:] for file in _files(name))


def test_a_report_that_a_crash_left_without_a_line_is_found_by_what_it_says_of_itself(home):
    names = shelved([FAIL, PASS, PASS, PASS, PASS], placed=False)
    assert [one.name for one in tidied(5)] == [names[1]]
    assert _page(names[0]).exists()


def test_a_report_of_an_earlier_version_is_found_by_its_name(home):
    (name,) = shelved([PASS], placed=False)
    _figures(name).write_text('{"metrics": [], "tests": []}')
    assert [one.whole for one in tidied(30)] == [True]
    assert not _figures(name).exists()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
@given(st.lists(st.sampled_from(list(Outcome)), min_size=1, max_size=9))
def test_there_are_never_more_pages_than_the_plan_says(home, outcomes):
    for file in (home / "reports").rglob("*"):
        if file.is_file():
            file.unlink()
    names = shelved(outcomes)
    tidied(len(outcomes))
    pages = [name for name in names if _page(name).exists()]
    assert len(pages) <= PLAN.report_pages + PLAN.alarm_pages
    assert set(names[-3:]) <= set(pages)


def test_evidently_still_reads_what_has_lost_its_plots(home):
    for week in range(2):
        of = window(PASS, week=week)
        made(of)
        monitoring.place("toy", of.name, outcome=PASS, end=of.end, run="")
    plan = MonitoringPlan(report_pages=1, alarm_pages=1)
    monitoring.tidy("toy", plan, now=of.end)
    from evidently.ui.workspace import Workspace  # it warns where it is imported first: after ours

    runs = Workspace(str(workspace_folder())).list_runs(project_of("toy"))
    read = [Workspace(str(workspace_folder())).get_run(project_of("toy"), run) for run in runs]
    assert sorted(len(one.widgets) > 4 for one in read) == [False, True]
    assert len({len(one.metric_results) for one in read}) == 1
