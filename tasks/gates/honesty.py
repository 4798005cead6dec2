"""Is the evidence what it claims to be? Rows nobody trained on, a test set not worn out, the two models that were asked about."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from schemas.verdict import Evidence, Outcome, Verdict

__all__ = [
    "fresh_test_set",
    "labels_complete",
    "labels_supported",
    "mirror_complete",
    "no_duplicates",
    "no_overlap",
    "same_pair",
]


def fresh_test_set(uses: int, *, allowed: int, sha256: str) -> Verdict:
    """Has this held-out set, by the hash of its content, decided as often as the plan allows already?"""
    name = "fresh test set"
    evidence: Evidence = {"test_set": sha256, "uses": uses}
    if uses >= allowed:
        said = f"held-out set {sha256[:12]} has decided {uses} times, the plan allows {allowed}: wait for new rows"
        return Verdict(name, Outcome.FAIL, said, evidence)
    return Verdict(name, Outcome.PASS, f"held-out set {sha256[:12]} has decided {uses} times before", evidence)


def no_overlap(evaluated: ArrayLike, trained: Mapping[str, ArrayLike | None]) -> Verdict:
    """Was any evaluation row trained on? Row keys of the evaluation, shape (n,), and of what each model was trained on,
    by its role; an empty array trained on nothing, None is not known, which proves nothing."""
    name, rows = "no overlap", _keys(evaluated)
    if not rows:
        return Verdict(name, Outcome.WAIT, "there is not one evaluation row", {"rows": 0})
    keys = set(rows)
    if len(keys) < len(rows):
        said = f"{len(rows) - len(keys):,} of {len(rows):,} evaluation rows share a key with another"
        return Verdict(name, Outcome.FAIL, said, {"rows": len(rows)})
    shared = {role: len(keys.intersection(_keys(seen))) for role, seen in trained.items() if seen is not None}
    evidence: dict[str, float | int | str | None] = {"rows": len(rows)}
    evidence |= {f"shared with {role}": count for role, count in shared.items()}
    leaked = {role: count for role, count in shared.items() if count > 0}
    if leaked:
        shown = ", ".join(f"{count:,} by the {role}" for role, count in leaked.items())
        return Verdict(name, Outcome.FAIL, f"of {len(rows):,} evaluation rows were trained on: {shown}", evidence)
    unknown = sorted(role for role, seen in trained.items() if seen is None)
    if unknown or not trained:
        said = f"what was trained on is not known of: {', '.join(unknown) or 'any model'}"
        return Verdict(name, Outcome.WAIT, said, evidence)
    return Verdict(name, Outcome.PASS, f"none of {len(rows):,} evaluation rows was trained on, by key", evidence)


def _keys(of: ArrayLike) -> list[str]:
    """Row keys as text: one table reads them as numbers, another as words."""
    found = np.asarray(of).tolist()
    # Beside a gap pandas reads whole numbers as floats: they are the same keys.
    return [str(int(key)) if isinstance(key, float) and key.is_integer() else str(key) for key in found]


def labels_complete(unlabelled: int, rows: int, *, limit: float) -> Verdict:
    """Do matured rows have their labels? Which labels never come may depend on what they are: over `limit` is WAIT."""
    says = f"{unlabelled:,} of {rows:,} matured rows have no label"
    evidence: Evidence = {"rows": rows, "unlabelled": unlabelled}
    return _complete("labels complete", unlabelled, rows, limit, "no row has matured yet", says, evidence)


def labels_supported(unsupported: int, rows: int, *, limit: float, explored: bool) -> Verdict:
    """Could every row have had a label, where the decision says which labels are seen? Of those that could not, nothing is
    known, however many of the others there are: over `limit` is WAIT. `explored`: the plan draws some decisions."""
    evidence: Evidence = {"rows": rows, "unsupported": unsupported}
    says = f"{unsupported:,} of {rows:,} matured rows were decided so that no label could come, whatever was drawn"
    if not explored:
        says = f"{unsupported:,} of {rows:,} matured rows were decided so that no label comes, and nothing is explored (ServingPlan.explore)"
    return _complete("labels supported", unsupported, rows, limit, "no row has matured yet", says, evidence)


def mirror_complete(dropped: int, rows: int, *, limit: float) -> Verdict:
    """Did the model beside score what was answered? Rows are dropped when much comes at once: over `limit` is WAIT."""
    says = f"{dropped:,} of {rows:,} answered rows have no score of the model beside"
    evidence: Evidence = {"rows": rows, "dropped": dropped}
    return _complete("mirror complete", dropped, rows, limit, "no row was answered yet", says, evidence)


def _complete(
    name: str, missing: int, rows: int, limit: float, none_yet: str, says: str, evidence: Evidence
) -> Verdict:
    if rows == 0:
        return Verdict(name, Outcome.WAIT, none_yet, evidence)
    if not missing / rows <= limit:
        return Verdict(name, Outcome.WAIT, f"{says}, {limit:.1%} may: the rest is a selection", evidence)
    return Verdict(name, Outcome.PASS, says, evidence)


def no_duplicates(share: float, *, natural: float, rows: int, limit: float) -> Verdict:
    """Are evaluation rows near-copies of training rows under another key? `share` of them, against the `natural` share
    that newer rows have among older ones in training itself."""
    name, evidence = "no near-duplicates", {"rows": rows, "share": share, "natural": natural}
    if rows == 0:
        return Verdict(name, Outcome.WAIT, "there is not one evaluation row", evidence)
    if not (math.isfinite(share) and math.isfinite(natural)):
        return Verdict(name, Outcome.WAIT, f"near-copies could not be counted in {rows:,} evaluation rows", evidence)
    says = f"{share:.2%} of {rows:,} evaluation rows are near-copies of training rows, {natural:.2%} is natural here"
    if share > natural + limit:
        return Verdict(name, Outcome.FAIL, f"{says}; {limit:.2%} more is tolerated", evidence)
    return Verdict(name, Outcome.PASS, says, evidence)


def same_pair(
    scored_by: ArrayLike, beside: ArrayLike, *, champion: str, challenger: str, newer: Mapping[str, bool]
) -> Verdict:
    """Does the evidence speak about these two models? sha256 of the models behind each row's two scores, shape (n,), and
    of the two it shall decide about. `newer` says by role whether all rows are newer than what it was trained on."""
    name = "evidence"
    if champion == challenger:
        return Verdict(name, Outcome.FAIL, "the challenger is the champion itself: a model is not compared with itself")
    a, b = np.asarray(scored_by).astype(str), np.asarray(beside).astype(str)
    if a.shape != b.shape:
        raise ValueError(f"both scores of a row need one shape (n,), got {a.shape} and {b.shape}")
    if a.size == 0 or not newer:
        return Verdict(name, Outcome.WAIT, "no row, or not known what these models were trained on", {"rows": a.size})
    strangers = int(((a != champion) | (b != challenger)).sum())
    evidence: Evidence = {"rows": int(a.size), "of_others": strangers, "champion": champion, "challenger": challenger}
    if strangers > 0:
        said = f"{strangers:,} of {a.size:,} rows were scored by other models than these two: evidence is never reused"
        return Verdict(name, Outcome.FAIL, said, evidence)
    old = sorted(role for role, is_newer in newer.items() if not is_newer)
    if old:
        return Verdict(name, Outcome.FAIL, f"rows older than the end of the training of: {', '.join(old)}", evidence)
    return Verdict(name, Outcome.PASS, f"{a.size:,} rows, all scored by these two models", evidence)
