"""What came of a request of many rows, and is it still there?"""

from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

from schemas.errors import PerennialError
from schemas.problem import Problem
from tasks import parts
from tasks.batches import Batch

__all__ = ["manifest", "still_there"]


def manifest(problem: Problem, batch: Batch, notes: list[dict[str, Any]], *, seconds: float) -> dict[str, Any]:
    """What came of the request."""
    output = Path(batch.inputs["output"])
    files = [output / f"part-{number:05d}.parquet" for number in range(len(notes))]
    digests = [parts.digest(file) for file in files]
    faults: Counter[str] = Counter()
    for one in notes:
        faults.update(one["faults"])
    groups = _groups(notes)
    bad = sum(one["bad"] for one in notes)
    told = sum(one["rows"] for one in notes)
    return {
        "problem": problem.name,
        "request": batch.request,
        "rows": told + bad,
        "scored": told,
        "unanswered": sum(group["rows"] for group in groups if group["role"] == "nobody"),
        "answered_before": sum(group["rows"] for group in groups if group["answered_by"] != batch.request),
        "quarantined": bad,
        "faults": dict(faults.most_common()),
        "quarantine": [one["kept"] for one in notes if one["kept"]],
        "by": groups,
        "output": str(output),
        "parts": [
            {"file": file.name, "rows": one["rows"], "sha256": digest}
            for file, one, digest in zip(files, notes, digests, strict=True)
        ],
        "sha256": sha256("\n".join(digests).encode()).hexdigest(),
        **batch.route,
        "inputs": batch.inputs,
        "began": batch.began.isoformat(),
        "seconds": round(seconds, 3),
    }


def _groups(notes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Who answered how many rows, the most first: the parts' groups that say the same are one."""
    by: Counter[tuple[tuple[str, Any], ...]] = Counter()
    for group in (group for one in notes for group in one["by"]):
        by[tuple(sorted((name, value) for name, value in group.items() if name != "count_all"))] += group["count_all"]
    return [{**dict(who), "rows": rows} for who, rows in by.most_common()]


def still_there(batch: Batch) -> dict[str, Any]:
    """The result of a finished request, if what it names is still there."""
    assert batch.result is not None
    output = Path(batch.result["output"])
    gone = [one["file"] for one in batch.result["parts"] if not (output / one["file"]).exists()]
    if gone:
        raise PerennialError(
            f"request {batch.request!r} of {batch.problem!r} was finished, and {gone[0]} of its output in {output} is gone. Its "
            "answers stand in the log: ask for the same rows under another request id, and they are written anew."
        )
    return batch.result
