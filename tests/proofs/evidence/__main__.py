"""Does every statistic keep its promise? `python -m tests.proofs.evidence` simulates, prints, writes a report and judges.

Exit status 1 when a rate that must hold does not, when a naive method that must fail is not seen failing, or when the
power planned for is not reached. PERENNIAL_DATA=folder adds real half-hours; `--quick` is a short version.
"""

import argparse
import multiprocessing
import sys
import time
from functools import partial

from schemas.settings import Settings
from tasks.figures import keep
from tests.proofs.evidence import pages
from tests.proofs.evidence.arms import arm_jobs
from tests.proofs.evidence.coins import coin_jobs
from tests.proofs.evidence.curves import curve_jobs
from tests.proofs.evidence.failures import constructed_failures
from tests.proofs.evidence.looks import look_jobs
from tests.proofs.evidence.pairs import pair_jobs
from tests.proofs.evidence.rates import Job, Power, Rate
from tests.proofs.evidence.real import real_jobs, table

QUICK = 0.06  # of the runs


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.proofs.evidence", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few runs: shows defects, not that there are none")
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    started, scale = time.monotonic(), QUICK if asked.quick else 1.0
    if table() is None:
        print("real half-hours are left out: PERENNIAL_DATA names no folder with electricity/electricity.csv")
    # The long ones come first, so that no worker is left alone with one at the end.
    makers = (curve_jobs, real_jobs, coin_jobs, pair_jobs, arm_jobs, look_jobs)
    jobs = [job for maker in makers for job in maker(scale)]
    found = simulated(jobs, workers=asked.workers, quick=asked.quick)
    rates = [(job.part, r) for job in jobs for r in found[job.name] if isinstance(r, Rate)]
    powers = [r for job in jobs for r in found[job.name] if isinstance(r, Power)]
    failures = constructed_failures([rate for _, rate in rates])
    every: list[Rate | Power] = [*(rate for _, rate in rates), *powers]
    broken = [r for r in every if not r.stands(quick=asked.quick)]
    seconds = time.monotonic() - started
    summary = (
        f"{len(rates)} rates and {len(powers)} powers in {seconds:.0f} s{' (quick)' if asked.quick else ''}: "
        f"{f'{len(broken)} are not as they must be' if broken else 'all are as they must be'}."
    )
    made = pages.chapters(rates, powers, failures, quick=asked.quick)
    paths = pages.write(Settings().root / "reports" / "evidence", made, summary=summary)
    figures = {
        "rates": [{"part": part} | rate.row() for part, rate in rates],
        "power": [power.row() for power in powers],
        "constructed_failures": [failure.row() for failure in failures],
        "broken": [f"{r.test}: {r.case}" for r in broken],
        "quick": asked.quick,
        "seconds": round(seconds, 1),
    }
    print("\nthree constructed failures")
    for failure in failures:
        naive, ours = failure.naive, failure.ours
        print(f"  {failure.what}: {naive.test} {naive.rate:.3f}, {ours.test} {ours.rate:.3f}")
    print(f"\n{summary}")
    for result in broken:
        print(f"  {pages.verdict(result, quick=asked.quick)}: {said(result, quick=asked.quick)}")
    print(f"written: {', '.join(str(path) for path in [*paths, keep('evidence', figures)])}")
    return 1 if broken else 0


def simulated(jobs: list[Job], *, workers: int, quick: bool) -> dict[str, list[Rate | Power]]:
    """Results by the name of their job; each is printed as it comes."""
    found: dict[str, list[Rate | Power]] = {}
    part, work = "", partial(worked, seed=Settings().seed)
    with multiprocessing.Pool(workers) as pool:
        for job, results in zip(jobs, pool.imap(work, jobs), strict=True):
            if job.part != part:
                part = job.part
                print(f"\n{part}", flush=True)
            for result in results:
                print("  " + said(result, quick=quick), flush=True)
            found[job.name] = results
    return found


def worked(job: Job, *, seed: int) -> list[Rate | Power]:
    return job.results(seed)


def said(result: Rate | Power, *, quick: bool) -> str:
    """One line of the table that people watch grow."""
    verdict = pages.verdict(result, quick=quick)
    if isinstance(result, Rate):
        name = f"{result.test}{' (naive)' if result.naive else ''}"
        bounds = f"{result.rate:.4f} [{result.lower:.4f}, {result.upper:.4f}]"
        return f"{name:42.42} {result.case:58.58} {result.claim:34.34} {bounds}  {result.runs:>6,} runs  {verdict}"
    row = result.row()
    planned = (
        f"{row['by_plan']:.3f} by the {result.planned:,.0f} planned" if result.planned else f"{result.rates[-1]:.4f}"
    )
    return f"{result.test:28} {result.case:48} {result.what} {planned}  {result.runs:>6,} runs  {verdict}"


if __name__ == "__main__":
    sys.exit(main())
