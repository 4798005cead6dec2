"""Is the simulated mail a function of its seed, and is there something to find at each step of looking at errors?"""

import numpy as np
import pandas as pd
import pytest

from schemas.problem import load_problem
from schemas.problems._spam_simulator import BRANDS, messages
from schemas.recipe import Recipe
from tasks import training
from tasks.scoring import score
from tasks.splits import Split

DERIVED = ("brand_misspelt", "link_mismatch")


@pytest.fixture(scope="module")
def mail() -> pd.DataFrame:
    return messages(seed=7)


@pytest.fixture(scope="module")
def parts(mail) -> Split:
    """In order of time: nobody judges here, and the last third stays unseen."""
    n = len(mail)
    return Split(mail[: n // 2], mail[n // 2 : 2 * n // 3], mail[2 * n // 3 :])


def test_fewer_days_are_the_first_rows_of_more_and_another_seed_is_another_table(mail):
    few = messages(seed=7, days=3)
    pd.testing.assert_frame_equal(few, mail.head(len(few)))
    assert not messages(seed=8, days=3)["body"].head(100).equals(few["body"].head(100))


def test_it_keeps_its_contract_and_labels_come_within_the_maturity(mail):
    problem = load_problem("spam")
    problem.contract.validate(mail, lazy=True)
    assert ((mail["spam_known_at"] - mail["received_at"]) < problem.framing.maturity).all()
    assert mail["received_at"].is_monotonic_increasing
    assert 4_000 < len(mail) < 6_000
    assert 0.25 < mail["spam"].mean() < 0.35


def test_a_misspelt_brand_is_hardly_ever_the_same_twice(mail):
    named = mail[mail["body"].str.startswith("from ")]
    brand = named["body"].str.split(r"[ .]", regex=True).str[1]
    assert set(brand[named["brand_misspelt"] == 0]) == set(BRANDS)
    wrong = brand[named["brand_misspelt"] == 1]
    assert not set(wrong) & set(BRANDS)
    assert wrong.value_counts().max() < 0.1 * len(wrong)


LADDER = {
    "the majority": {"family": "constant"},
    "the envelope": {},
    "words": {"features": ("body",), "encodings": {"body": "text"}},
    "pairs": {"features": ("body",), "encodings": {"body": "text"}, "ngrams": 2, "vocabulary": 3_000},
    "pairs, and what is derived": {
        "features": ("body", *DERIVED),
        "encodings": {"body": "text"},
        "ngrams": 2,
        "vocabulary": 3_000,
    },
}


@pytest.fixture(scope="module")
def said(parts) -> dict[str, np.ndarray]:
    """What each step of the ladder says of the validation rows, beside the envelope's columns."""
    problem, found = load_problem("spam"), {}
    for name, changes in LADDER.items():
        features = tuple(dict.fromkeys((*problem.recipe.features, *changes.get("features", ()))))
        recipe = Recipe.model_validate(problem.recipe.model_dump() | changes | {"features": features})
        model = training.fit_and_freeze(recipe, problem.framing, parts, seed=7)
        found[name] = score(model, parts.validation, problem.framing)
    return found


def test_each_step_of_looking_at_errors_has_something_to_find(parts, said):
    framing, labels = load_problem("spam").framing, parts.validation["spam"].to_numpy()
    measured = {name: training.measure(one, labels, framing) for name, one in said.items()}
    losses = [one["loss"] for one in measured.values()]
    assert all(later < before - 0.01 for before, later in zip(losses, losses[1:], strict=False)), losses
    assert losses[-1] < losses[0] / 2.5
    precision = [one["average_precision"] for one in measured.values()]
    assert precision[1] < 0.65
    assert precision[-1] > 0.9


def test_what_words_miss_is_phishing_and_mail_that_asks_for_money(parts, said):
    """Missed by words: notices with a misspelt brand or a false link, and senders that look like business."""
    rows = parts.validation
    missed = rows[(rows["spam"] == 1) & (said["words"].decision == 0)]
    found = rows[(rows["spam"] == 1) & (said["words"].decision == 1)]
    assert (missed["sender"] == "company").mean() > (found["sender"] == "company").mean() + 0.15
    forged = missed[list(DERIVED)].any(axis=1)
    assert forged.mean() > 0.3
    assert missed[~forged]["body"].str.contains("account|transfer|call|urgent").mean() > 0.5
