"""How does a night get its experiments? Each job once: from the store where it was run before, or from whoever runs it now."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from flows.job import Looked, logged, looked_at, run_job, sheet_renewed
from flows.workers import Place, finished
from schemas.errors import PerennialError
from schemas.experiment import Job, Result
from schemas.problem import Problem
from tasks import experiments

__all__ = ["Lab"]


class Lab:
    """Runs what has no result yet, in `place`, and keeps each result as it comes."""

    def __init__(self, problem: Problem, place: Place, known: Mapping[str, float]) -> None:
        self.problem, self._place, self._known = problem, place, dict(known)
        self._seen: tuple[str, Looked] | None = None  # the newest that was looked at

    @property
    def slots(self) -> int:
        return self._place.slots

    def run(self, jobs: Sequence[Job]) -> list[Result]:
        """The jobs' results, in their order. A job whose worker was lost has none: it raises, and is run when the night goes
        on."""
        wanted = {job.id: job for job in jobs}
        known = {id_: found for id_, job in wanted.items() if (found := experiments.result_of(job)) is not None}
        new = [job for id_, job in wanted.items() if id_ not in known]
        missing = [{"job": job.to_json(), "known": self._known, "name": str(job)} for job in new]
        for said, answer in finished(self._place, run_job, missing, name=lambda one: str(one["name"])):
            if isinstance(answer, Exception):
                raise answer
            job = Job.from_json(said["job"])
            known[job.id] = Result.from_json(answer)
            logged(self.problem, job, known[job.id])  # before the store, so that what is there stands in MLflow too
            experiments.keep(job, known[job.id], at=datetime.now(UTC))
        return [known[job.id] for job in jobs]

    def look(self, job: Job) -> Looked:
        """The job's result and what was found of it, whose wrong rows go into the error sheet. What cannot be fitted cannot be
        improved on, and is one clear error."""
        if self._seen is not None and self._seen[0] == job.id:
            return self._seen[1]
        result = self.run([job])[0]
        if result.error:
            raise PerennialError(
                f"the recipe of {job.problem!r} cannot be fitted on its development rows: {result.error.rstrip('.')}. Mend it in "
                f"schemas/problems/{job.problem}.py; make doctor PROBLEM={job.problem} says what is amiss."
            )
        looked = looked_at(job, result)
        sheet_renewed(self.problem, job, looked.diagnosis)
        self._seen = job.id, looked
        return looked
