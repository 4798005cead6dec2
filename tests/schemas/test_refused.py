"""Does a refusal name the field, its value and its rule, in one sentence, and never a secret?"""

import pytest
from pydantic import BaseModel, Field, SecretStr, field_validator

from schemas.errors import PerennialError
from schemas.plans import ImprovementPlan
from schemas.refused import refused
from schemas.wishes import Wishes


class Form(BaseModel):
    runs: int = Field(default=1, ge=1)
    word: str = "x"
    token: SecretStr | None = None
    ledger_url: int = 0

    @field_validator("word")
    @classmethod
    def _is_short(cls, word: str) -> str:
        if len(word) > 3:
            raise ValueError(f"{word!r} has more than three letters.")
        return word


@pytest.mark.parametrize(
    "model, said, sentence",
    [
        (Form, {"runs": 0}, "runs is 0, and should be greater than or equal to 1"),
        (Form, {"runs": None}, "runs is None, and should be a valid integer"),
        (Form, {"word": "long"}, "word: 'long' has more than three letters"),
        (Form, {"runs": 0, "word": "long"}, "runs is 0, and should be greater than or equal to 1; word: 'long'"),
        (ImprovementPlan, {"tiers": []}, r"tiers is \[\], and tuple should have at least 1 item"),
        (ImprovementPlan, {"runz": 1}, "runz is no field of it; its fields are runs, time, money, "),
        (
            ImprovementPlan,
            {"tiers": [{"name": "one", "share": 2, "folds": 1, "seeds": 1, "colour": "red"}]},
            "tiers.0.share is 2, and should be less than or equal to 1; tiers.0.colour is no field of it; its fields are name, share",
        ),
        (ImprovementPlan, {"explore": [2.0]}, r"shares of exploration lie in \[0, 1\], got \(2.0,\)"),
        (Wishes, {"added": [{"name": "x"}]}, "added.0.change is missing"),
    ],
)
def test_it_names_the_field_its_value_and_the_rule(model, said, sentence):
    whole = f"^what was said cannot be taken: {sentence}.* Say it again.$"
    with pytest.raises(PerennialError, match=whole) as error, refused("what was said", "Say it again.", model=model):
        model.model_validate(said)
    assert "\n" not in str(error.value)
    assert ".." not in str(error.value)


@pytest.mark.parametrize(
    "said", [{"token": ["hunter2"]}, {"ledger_url": "hunter2"}, {"runs": "postgresql://ada:hunter2@db/x"}]
)
def test_it_shows_no_secret(said):
    with pytest.raises(PerennialError, match="a value that is not shown") as error, refused("this", "Mend it."):
        Form.model_validate(said)
    assert "hunter2" not in str(error.value)


def test_a_long_value_and_many_findings_are_cut():
    with pytest.raises(PerennialError, match="2 more like these") as error, refused("this", "Mend it."):
        Wishes.model_validate({"added": ["x" * 5_000] * 5})
    assert len(str(error.value)) < 600


def test_what_is_in_order_passes_and_other_errors_stay_what_they_are():
    with refused("this", "Mend it."):
        assert Form().runs == 1
    with pytest.raises(KeyError), refused("this", "Mend it."):
        raise KeyError("x")
