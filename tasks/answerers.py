"""Which model gave an answer that the log holds, and in which role?"""

import pandas as pd

__all__ = ["answerers"]


def answerers(rows: pd.DataFrame) -> pd.DataFrame:
    """Of logged rows: columns role (challenger, champion, previous, heuristic, nobody) and model, the sha256 of whoever
    answered; null where nobody did, and where a gateway's stand-in did, of which the log has the version alone.

    Logged is who was to answer. Where the challenger raised, the champion did; where the champion raised in probation, the
    previous one, who scores beside it; and where neither could, nobody.

    >>> row = {"role": "challenger", "champion": "a", "rival": "b", "champion_decision": 1.0, "answer_decision": 1.0}
    >>> answerers(pd.DataFrame([row | {"rival_decision": 0.0}, row | {"rival_decision": None}]))["model"].tolist()
    ['b', 'a']
    """
    said, beside = rows["champion_decision"].notna(), rows["rival_decision"].notna()
    answered, assigned = rows["answer_decision"].notna(), rows["role"] == "challenger"
    stand_in = rows["role"].isin(["previous", "heuristic"])
    by_challenger = answered & assigned & beside
    by_previous = answered & ~assigned & ~stand_in & ~said & beside
    role = pd.Series("champion", index=rows.index, dtype=object)
    role = role.mask(stand_in, rows["role"]).mask(by_challenger, "challenger").mask(by_previous, "previous")
    model = rows["champion"].astype(object).mask(by_challenger | by_previous, rows["rival"]).mask(stand_in, None)
    return pd.DataFrame({"role": role.mask(~answered, "nobody"), "model": model.where(answered, None)})
