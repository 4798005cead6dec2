"""Is every job answered once, wherever it runs, and does a process that is killed take no other job with it?"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from prefect import flow
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

from flows.workers import WorkerLostError, finished, workers
from schemas.errors import PerennialError
from schemas.recipe import Recipe
from schemas.settings import Settings
from tasks import snapshots
from tests.flows import jobs
from tests.flows.clusters import cluster_of_two
from tests.tasks.conftest import toy, toy_rows  # noqa: F401  (fixtures)


def _jobs(folder: Path, count: int, **special) -> list[dict]:
    return [{"number": n, "folder": str(folder)} | special.get(f"job_{n}", {}) for n in range(count)]


def _numbers(done) -> list[int]:
    return sorted(job["number"] for job, _ in done)


def test_here_jobs_run_in_turn_and_one_that_raises_is_answered_with_its_error(tmp_path):
    with workers(Settings(workers=1)) as place:
        done = list(finished(place, jobs.written, _jobs(tmp_path, 3, job_1={"raises": True})))
    assert [job["number"] for job, _ in done] == [0, 1, 2]
    assert isinstance(done[1][1], ValueError)
    assert done[2][1] == {"number": 2, "process": os.getpid()}


def test_what_comes_next_may_rest_on_what_was_seen(tmp_path):
    seen = []

    def coming():
        for n in range(4):
            assert len(seen) == n, "drawn before the job before it was answered"
            yield {"number": n, "folder": str(tmp_path)}

    with workers(Settings(workers=1)) as place:
        for job, _ in finished(place, jobs.written, coming()):
            seen.append(job["number"])
    assert seen == [0, 1, 2, 3]


def test_whoever_stops_listening_starts_no_other_job(tmp_path):
    with workers(Settings(workers=1)) as place:
        for _ in finished(place, jobs.written, _jobs(tmp_path, 5)):
            break
    assert len(list(tmp_path.glob("*.ran"))) == 1


@pytest.fixture(scope="module")
def processes():
    with workers(Settings(workers=2)) as place:
        yield place


@pytest.fixture
def fits(toy, toy_rows, home) -> list[dict]:  # noqa: F811
    frozen = snapshots.freeze("toy", toy_rows(200))
    recipe = Recipe(family="linear", features=("x", "kind"))
    given = {"snapshot": str(frozen.path), "sha256": frozen.sha256, "framing": toy.framing.model_dump_json()}
    return [given | {"recipe": recipe.model_dump_json(), "seed": 1}]


def test_a_recipe_fitted_elsewhere_is_the_one_fitted_here_with_one_thread(processes, fits):
    ((job, there),) = finished(processes, jobs.fitted, fits)
    assert there["threads"] == 1
    assert there["process"] != os.getpid()
    assert there["loss"] == jobs.fitted(job)["loss"]


def test_a_killed_process_takes_its_own_job_with_it_and_no_other(processes, tmp_path):
    done = list(finished(processes, jobs.written, _jobs(tmp_path, 8, job_2={"killed": 9})))
    assert _numbers(done) == list(range(8))
    lost = [(job["number"], answer) for job, answer in done if isinstance(answer, Exception)]
    assert [number for number, _ in lost] == [2]
    assert isinstance(lost[0][1], WorkerLostError)
    assert {len(path.read_text()) for path in tmp_path.glob("*.ran")} == {1}, "no job ran twice"


STARTS = """
import sys
if __name__ == "__main__":
    from flows.workers import finished, workers
    from schemas.settings import Settings
    from tests.flows import jobs
    with workers(Settings(workers=2)) as place:
        list(finished(place, jobs.until_killed, [{"folder": sys.argv[1]}] * 2))
"""


def test_processes_end_with_the_one_that_started_them(tmp_path):
    (tmp_path / "starts.py").write_text(STARTS)
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "starts.py"), str(tmp_path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.DEVNULL,
    ) as started:
        started_by = _within(60, lambda: [int(p.stem) for p in tmp_path.glob("*.pid")], lambda pids: len(pids) == 2)
        started.send_signal(signal.SIGKILL)
    assert _within(20, lambda: [pid for pid in started_by if _lives(pid)], lambda pids: not pids) == []


STOPPED = """
import sys
if __name__ == "__main__":
    from flows.border import exit_code
    from flows.workers import finished, workers
    from schemas.settings import Settings
    from tests.flows import jobs
    count = int(sys.argv[2])
    def run():
        with workers(Settings(workers=count)) as place:
            list(finished(place, jobs.until_killed, [{"folder": sys.argv[1]}] * 2))
    sys.exit(exit_code(run, stopped=lambda: "stopped"))
"""


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("kill", [os.kill, os.killpg])  # as `kill -INT` does, and as Ctrl-C in a terminal
def test_ctrl_c_ends_the_jobs_that_run_and_says_one_line(tmp_path, count, kill):
    (tmp_path / "stopped.py").write_text(STOPPED)
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "stopped.py"), str(tmp_path), str(count)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as started:
        running = _within(60, lambda: [int(p.stem) for p in tmp_path.glob("*.pid")], lambda pids: len(pids) == count)
        kill(started.pid, signal.SIGINT)
        _, said = started.communicate()
    assert len(running) == count
    assert (started.returncode, said) == (130, "\nstopped\n")
    assert _within(20, lambda: [pid for pid in running if _lives(pid)], lambda pids: not pids) == []
    assert len(list(tmp_path.glob("*.pid"))) == count, "no other job began"


def _within(seconds: float, look, enough):
    until = time.monotonic() + seconds
    while not enough(found := look()) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def _lives(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_in_a_flow_each_job_is_a_task_run_that_people_see(prefect_server, tmp_path):
    from prefect.client.orchestration import get_client

    @flow
    def night() -> list:
        with workers(Settings(workers=1)) as place:
            some = _jobs(tmp_path, 3, job_1={"raises": True})
            return [(job["number"], repr(answer)) for job, answer in finished(place, jobs.written, some, name=_named)]

    state = night(return_state=True)
    assert [number for number, _ in state.result()] == [0, 1, 2]
    assert "ValueError" in state.result()[1][1]
    with get_client(sync_client=True) as client:

        def runs() -> dict[str, str]:
            own = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))
            return {run.name: run.state_name for run in client.read_task_runs(flow_run_filter=own)}

        expected = {"{0}: C": "Completed", "{1}: C": "Failed", "{2}: C": "Completed"}
        assert _within(20, runs, lambda found: found == expected) == expected


def _named(job: dict) -> str:
    return f"{{{job['number']}}}: C"


# A real cluster, whose scheduler runs a job again once after its worker was killed.


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", str(tmp_path_factory.mktemp("home")))
        with cluster_of_two(tmp_path_factory.mktemp("dask"), lost_at_most=1) as made:
            yield made


def test_on_a_cluster_a_job_whose_worker_was_killed_is_run_again_and_answered_once(cluster, fits, tmp_path):
    with workers(Settings(dask=cluster.scheduler_address)) as place:
        assert place.slots == 2
        done = dict(_answers(place, _jobs(tmp_path, 6, job_1={"killed": 1})))
        (_, there), *_ = finished(place, jobs.fitted, fits)
    assert {number: answer["number"] for number, answer in done.items()} == {n: n for n in range(6)}
    assert (tmp_path / "1.ran").read_text() == "xx"
    assert there["loss"] == jobs.fitted(fits[0])["loss"]


def test_on_a_cluster_a_job_that_kills_each_worker_is_reported_and_the_others_go_on(cluster, tmp_path):
    with workers(Settings(dask=cluster.scheduler_address)) as place:
        done = list(_answers(place, _jobs(tmp_path, 6, job_1={"killed": 99})))
    assert sorted(number for number, _ in done) == list(range(6))
    lost = {number for number, answer in done if isinstance(answer, WorkerLostError)}
    # The scheduler cannot tell which of the jobs of a lost worker killed it: one that shared it may be reported too.
    assert 1 in lost
    assert len(lost) <= 2
    assert all(answer == {"number": n, "process": answer["process"]} for n, answer in done if n not in lost)


def _answers(place, some):
    return ((job["number"], answer) for job, answer in finished(place, jobs.written, some))


def test_a_cluster_that_does_not_answer_is_one_clear_error():
    with (
        pytest.raises(PerennialError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr("flows.workers._CAME", 0.2)
        with workers(Settings(dask="tcp://127.0.0.1:9")):
            pass


def test_a_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(PerennialError, match=r"pip install -e '\.\[dask\]'"), workers(Settings(dask="tcp://nowhere")):
        pass


@pytest.mark.parametrize(
    "cores, asked, processes", [(1, None, 1), (2, None, 1), (4, None, 3), (64, None, 8), (2, 6, 6)]
)
def test_one_core_is_left_to_what_serves_unless_a_number_is_asked_for(monkeypatch, cores, asked, processes):
    monkeypatch.setattr("schemas.settings._cores", lambda: cores)
    assert Settings(workers=asked).processes == processes
