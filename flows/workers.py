"""Where do experiments run: in this process, on processes of this machine, or on a Dask cluster?

A thread here waits for each job and hands it on, and in a flow it is a task run of this process: a person sees it wherever
it runs, and what runs it needs neither Prefect nor its server. Prefect's own runners were measured, and not taken. With its
process pool the first answer takes ten seconds, and one killed process fails every job of the pool; on Dask results stay
where they were made until they are asked for, so that a lost worker had finished jobs run again.
"""

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any, Protocol

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext
from prefect.states import State

from flows.guard import may_pass
from schemas.errors import PerennialError
from schemas.settings import Settings
from tasks.process import begin

__all__ = ["Place", "WorkerLostError", "finished", "workers"]

Job = dict[str, Any]  # what JSON can carry: files are named, not sent
Run = Callable[[Job], Any]

_PAUSE = 5.0  # seconds before a job is tried again
_CAME = 60.0  # seconds for the first worker of a cluster that grows with its work


class WorkerLostError(PerennialError):
    """The process that ran a job ended without an answer: killed, out of memory, or crashed in native code."""


class Place(Protocol):
    """Where a job runs; `slots` of them at once."""

    slots: int

    def run(self, function: Run, job: Job) -> Any:
        """What `function` makes of `job`, once it is done. `function` is importable by its name on the other side."""
        ...

    def stop(self) -> None:
        """End the jobs that run, without their answers: a person said stop."""
        ...


def finished(
    place: Place,
    function: Run,
    jobs: Iterable[Job],
    *,
    name: Callable[[Job], str] = str,
    kind: str = "experiment",
    retries: int = 0,
) -> Iterator[tuple[Job, Any | Exception]]:
    """Each job once with what it returned or raised, as they finish; a job is drawn from `jobs` only when a slot is free, so
    that what comes next may rest on what was seen. In a flow each is a run of the task `kind`, called `name(job)`, tried
    again up to `retries` times where its worker was lost or the world was away, and not where we refused ourselves.

    Whoever stops listening waits for the jobs that run, and starts no other. Ctrl-C ends those that run as well.
    """
    coming = iter(jobs)
    if isinstance(place, _Here):  # a thread of its own would go on to the end of its job, whoever says stop
        for one in coming:
            yield one, _tried(_shown(place, function, name(one), kind, retries), one)
        return
    waiting: dict[Future[Any], Job] = {}
    with ThreadPoolExecutor(place.slots, thread_name_prefix=kind, initializer=_deaf) as threads:
        while True:
            while len(waiting) < place.slots and (job := next(coming, None)) is not None:
                run = _shown(place, function, name(job), kind, retries)
                waiting[threads.submit(copy_context().run, run, job)] = job
            if not waiting:
                return
            try:
                done = wait(waiting, return_when=FIRST_COMPLETED).done
            except KeyboardInterrupt:
                place.stop()
                raise
            for future in done:
                yield waiting.pop(future), _answer(future)


def _deaf() -> None:
    """Ctrl-C is for the thread that waits. What is started from here inherits it: a process that loads its libraries says
    nothing of a Ctrl-C, and is ended by whoever started it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _shown(place: Place, function: Run, name: str, kind: str, retries: int) -> Run:
    """The job as a run that people see in Prefect; outside of a flow, as it is."""

    def run(job: Job) -> Any:
        return place.run(function, job)

    if FlowRunContext.get() is None:
        return run
    # Templates are filled from the parameters: a name is no template.
    escaped = name.replace("{", "{{").replace("}", "}}")
    return task(
        name=kind,
        task_run_name=escaped,
        retries=retries,
        retry_delay_seconds=_PAUSE,
        retry_condition_fn=_worth_a_try,
        cache_policy=NO_CACHE,
        persist_result=False,
    )(run)


def _worth_a_try(task: object, run: object, state: State[Any]) -> bool:
    """A worker that was lost is no refusal of ours, though we name it."""
    return isinstance(state.result(raise_on_failure=False), WorkerLostError) or may_pass(task, run, state)


def _tried(run: Run, job: Job) -> Any | Exception:
    try:
        return run(job)
    except Exception as error:
        return error


def _answer(future: Future[Any]) -> Any | Exception:
    error = future.exception()
    if error is not None and not isinstance(error, Exception):
        raise error
    return future.result() if error is None else error


@contextmanager
def workers(settings: Settings) -> Iterator[Place]:
    """The place that the environment asks for: a cluster at PERENNIAL_DASK, or PERENNIAL_WORKERS processes of this machine;
    one is this process itself, which saves starting another."""
    if settings.dask:
        with _client(settings.dask) as client:
            yield _Cluster(client)
    elif settings.processes > 1:
        place = _Processes(settings.processes)
        try:
            yield place
        except KeyboardInterrupt:
            place.stop()
            raise
        finally:
            place.end()
    else:
        yield _Here()


class _Here:
    slots = 1

    def run(self, function: Run, job: Job) -> Any:
        return function(job)

    def stop(self) -> None:
        """What runs here is ended by the Ctrl-C itself."""


class _Processes:
    """Pools of one process each: one that is killed takes its own job with it, and no other."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._free: SimpleQueue[ProcessPoolExecutor] = SimpleQueue()
        for _ in range(slots):
            self._free.put(_process())

    def run(self, function: Run, job: Job) -> Any:
        process = self._free.get()
        try:
            return process.submit(function, job).result()
        except BrokenProcessPool as error:
            process.shutdown(wait=False)
            process = _process()
            raise WorkerLostError(
                "the process of this job ended without an answer: it was killed, or had no memory left. Its other jobs go "
                "on; where memory is short, set PERENNIAL_WORKERS lower."
            ) from error
        finally:
            self._free.put(process)

    def stop(self) -> None:
        for process in multiprocessing.active_children():
            process.kill()

    def end(self) -> None:
        for _ in range(self.slots):
            self._free.get().shutdown(cancel_futures=True)


def _process() -> ProcessPoolExecutor:
    # Forked, it would hold locks of threads that it has not.
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=begin)


class _Cluster:
    """A Dask cluster. A job whose worker was lost is run again elsewhere, as often as the scheduler's `allowed-failures`
    says, three times unless told otherwise; then it is lost."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.slots = sum(client.nthreads().values())

    def run(self, function: Run, job: Job) -> Any:
        from distributed.client import FutureCancelledError
        from distributed.scheduler import KilledWorker

        # Not pure: two jobs that are equal are two jobs.
        future = self._client.submit(function, job, pure=False)
        try:
            return future.result()
        except (KilledWorker, FutureCancelledError) as error:
            raise WorkerLostError(
                f"no worker of the cluster at {self._client.scheduler.address} lived to finish this job: {str(error).rstrip('.')}. Look for "
                "the reason in the worker's own log; most often it had no memory left."
            ) from error
        finally:
            future.release()

    def stop(self) -> None:
        self._client.close()


@contextmanager
def _client(address: str) -> Iterator[Any]:
    """A client of a cluster that has a worker which can run our code."""
    try:
        from distributed import Client
    except ImportError as error:
        raise PerennialError(
            f"PERENNIAL_DASK names a cluster at {address}, and the package distributed is not installed. Install the extra "
            "with `pip install -e '.[dask]'`, or unset PERENNIAL_DASK to run on this machine."
        ) from error
    try:
        client = Client(address, set_as_default=False, timeout=_CAME)
    except (OSError, ValueError) as error:
        raise PerennialError(
            f"no Dask scheduler answers at {address}, which PERENNIAL_DASK names: {str(error).rstrip('.')}. Start one with `dask scheduler`, "
            "or unset PERENNIAL_DASK to run on this machine."
        ) from error
    with client:
        _can_run(client, address)
        yield client


def _can_run(client: Any, address: str) -> None:
    """Refuse a cluster without a worker, or whose workers do not have this code and its folder."""

    def sees() -> bool:  # in here it is sent as it is: by its name, each worker would load Prefect to find it
        return Settings().root.is_dir()

    try:
        client.wait_for_workers(1, timeout=_CAME)
        seen = client.run(sees, on_error="raise")
    except Exception as error:  # whatever a worker raises when it is asked the simplest thing
        raise PerennialError(
            f"the cluster at {address} has no worker that can run an experiment: {str(error).rstrip('.')}. Start each with `dask worker "
            f"{address} --nthreads 1` where this checkout is installed."
        ) from error
    without = sorted(worker for worker, there in seen.items() if not there)
    if without:
        raise PerennialError(
            f"{', '.join(without)} of the cluster at {address} have no folder PERENNIAL_HOME, where snapshots are read. "
            "Mount the one of this machine there, and set PERENNIAL_HOME in the worker's environment."
        )
