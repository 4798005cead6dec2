"""Is what an error tells the ledger ours to tell, and never a row that a library quotes?"""

import json

import pandas as pd
import pytest

from schemas.errors import PerennialError, told
from schemas.plans import Promotion
from tasks.gates.verdicts import closed, floor_of, gain_of

SECRET = "4111-1111-1111-1111"


def raised(what) -> Exception:
    with pytest.raises(Exception) as caught:
        what()
    return caught.value


@pytest.mark.parametrize(
    "what, kind, module",
    [
        (lambda: pd.to_numeric(pd.Series([SECRET])), "ValueError", "pandas."),
        (lambda: pd.Series([SECRET]).astype(float), "ValueError", "pandas."),
        (lambda: json.loads(SECRET), "JSONDecodeError", "json."),
    ],
)
def test_what_a_library_quotes_is_not_told_only_its_type_and_where(what, kind, module):
    said = told(raised(what))
    assert "4111" not in said
    assert said.startswith(f"{kind} in {module}")
    assert said.rsplit(":", 1)[1].isdigit()


def test_a_message_of_ours_is_told():
    error = raised(lambda: gain_of([0.5], [0.1, 0.2]))
    assert told(error) == f"ValueError: {error}"
    assert "one shape" in told(error)


def test_an_error_raised_in_our_own_code_is_told_whatever_its_type():
    said = told(raised(lambda: floor_of(Promotion.NON_INFERIORITY, None)))
    assert said.startswith("TypeError: bad operand type")


def test_an_error_of_ours_is_told_wherever_it_comes_from():
    assert told(PerennialError("nothing serves yet")) == "PerennialError: nothing serves yet"

    class RefusedError(PerennialError, ValueError): ...

    def refuses(_value: object) -> None:
        raise RefusedError("it will not do")

    assert told(raised(lambda: pd.Series([1]).map(refuses))) == "RefusedError: it will not do"


def test_an_error_that_was_never_raised_has_no_place_and_no_text():
    assert told(ValueError(SECRET)) == "ValueError"
    assert told(KeyError(SECRET)) == "KeyError"


def test_what_is_told_is_short():
    assert told(PerennialError("x" * 9_999)) == "PerennialError: " + "x" * 200


def test_a_module_that_only_begins_like_one_of_ours_is_not_ours():
    space = {"__name__": "tasksmith.rows"}
    exec(compile("def quotes(row):\n    raise ValueError(row)", "rows.py", "exec"), space)
    assert told(raised(lambda: space["quotes"](SECRET))) == "ValueError in tasksmith.rows:2"


def test_a_gate_tells_no_row_that_a_library_quotes():
    verdict = closed("a gate", lambda: pd.Series([SECRET]).astype(float))
    assert "4111" not in verdict.reason
    assert verdict.reason.startswith("a gate could not be judged: ValueError in pandas.")
