"""What the tests of workers give them to do: functions that another process can import, and that need no Prefect."""

import os
import signal
import time
from pathlib import Path


def fitted(job: dict) -> dict:
    """A recipe fitted on a frozen snapshot: its loss, and where it ran."""
    from threadpoolctl import threadpool_info

    from schemas.framing import Framing
    from schemas.recipe import Recipe
    from tasks import snapshots, training
    from tasks.scoring import score

    rows = snapshots.load(snapshots.Snapshot(Path(job["snapshot"]), job["sha256"], 0))
    framing, recipe = Framing.model_validate_json(job["framing"]), Recipe.model_validate_json(job["recipe"])
    model = training.fit(recipe, framing, rows, seed=job["seed"])
    measured = training.measure(score(model, rows, framing), rows[framing.target].to_numpy(), framing)
    threads = max(pool["num_threads"] for pool in threadpool_info())
    return {"loss": measured["loss"], "process": os.getpid(), "threads": threads}


def written(job: dict) -> dict:
    """A line for each time it ran; killed as often as the job says, by SIGKILL."""
    ran = Path(job["folder"]) / f"{job['number']}.ran"
    with ran.open("a") as file:
        file.write("x")
    if len(ran.read_text()) <= job.get("killed", 0):
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    if job.get("raises"):
        raise ValueError(f"job {job['number']} has no answer")
    return {"number": job["number"], "process": os.getpid()}


def until_killed(job: dict) -> dict:
    (Path(job["folder"]) / f"{os.getpid()}.pid").touch()
    time.sleep(60)
    return {}


def scored_once_killed(job: dict) -> dict:
    """A part of a request; whoever has the second one first ends as by kill -9."""
    from flows.scored_part import score_part

    once = Path(job["rows"]).parents[2] / "killed"
    if job["part"] == 1 and not once.exists():
        once.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return score_part(job)
