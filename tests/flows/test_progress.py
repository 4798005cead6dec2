"""Does a bar show long work without ever being a reason for it to fail?"""

import pytest

from flows import progress
from flows.progress import Bar, bar, reached


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How often the API was asked for, which is away."""
    calls: list[str] = []

    def away(**_given: object) -> None:
        calls.append("asked")
        raise ConnectionError("no server")

    monkeypatch.setattr(progress, "get_client", away)
    return calls


def test_with_the_api_away_work_goes_on_and_it_is_said_once(asked, caplog):
    shown = Bar("training-fraud", "it begins")
    shown.move(0.5, "half")
    shown.move(1.0, "done")
    assert asked == ["asked"]
    assert caplog.text.count("training-fraud: the progress is not shown: ConnectionError") == 1


def test_plain_python_has_no_bar_and_asks_for_no_server(asked, caplog):
    with bar("training", "fraud", "it begins"):
        reached(0.5, "half")
    assert (asked, caplog.text) == ([], "")


def test_nobody_watches_what_is_done_outside_of_a_bar(asked):
    reached(0.5, "half")
    assert asked == []
