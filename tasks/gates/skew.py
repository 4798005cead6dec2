"""Is a model asked with the features it was trained on?"""

import math

from schemas.verdict import Outcome, Verdict
from tasks.feature_equality import Equality

__all__ = ["same_features"]


def same_features(equality: Equality, *, at_least: int, limit: float) -> Verdict:
    """FAIL names each column that differs on more than `limit` of the rows that were sent; WAIT under `at_least` rows."""
    evidence: dict[str, float | int | str | None] = {"rows": equality.rows, "asked": equality.asked}
    if equality.rows < at_least:
        said = f"{equality.rows} of {equality.asked} logged rows are in the table by their key, {at_least} are needed"
        return Verdict("skew", Outcome.WAIT, said, evidence)
    if not equality.differences or not all(math.isfinite(one.share) for one in equality.differences):
        return Verdict("skew", Outcome.WAIT, "no feature of the logged rows can be compared", evidence)
    evidence |= {f"differs {one.column}": one.share for one in equality.differences}
    apart = [one for one in equality.differences if one.share > limit]
    compared = f"{equality.rows:,} logged rows against the table, {len(equality.differences)} columns"
    if not apart:
        worst = equality.differences[0]
        said = f"{compared}: none differs on more than {limit:.1%} ({worst.column} the most, {worst.share:.1%})"
        return Verdict("skew", Outcome.PASS, said, evidence)
    shown = ", ".join(
        f"{one.column} on {one.share:.1%}"
        + ("" if math.isnan(one.ratio) else f" (sent is {one.ratio:.4g} times computed)")
        for one in apart
    )
    return Verdict(
        "skew", Outcome.FAIL, f"asked with other features than it is trained on: {shown}; {compared}", evidence
    )
