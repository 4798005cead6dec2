"""Does a figure lie on the side of its limit that its gate means?"""

import pytest

from tasks.drawing.margins import draw_margins
from tasks.margins import Margin, margins_of


@pytest.mark.parametrize(
    ("margin", "side"),
    [
        (Margin("gain", 0.002, 0.0, True, 0.001, 0.003), "clear"),
        (Margin("gain", 0.002, 0.0, True, -0.001, 0.005), "unclear"),
        (Margin("gain", -0.002, 0.0, True, -0.003, -0.001), "beyond"),
        (Margin("loss", 0.2, 0.5, False, 0.1, 0.3), "clear"),
        (Margin("loss", 0.6, 0.5, False, 0.4, 0.8), "unclear"),
        (Margin("loss", 0.6, 0.5, False, 0.55), "beyond"),
        (Margin("distance", 0.5, 0.5, False), "unclear"),
    ],
)
def test_the_whole_interval_says_the_side(margin, side):
    assert margin.side == side


def test_figures_that_have_a_limit_are_found_by_gate_and_the_others_left_out():
    said = {
        "live non-inferiority.gain": 0.001,
        "live non-inferiority.low": -0.0005,
        "live non-inferiority.high": 0.002,
        "live non-inferiority.floor": -0.001,
        "slices.gain": 0.001,  # says no limit
        "calibration.error": 0.01,
        "calibration.tolerance": 0.05,
        "decay.live": 0.3,
        "decay.low": 0.25,
        "decay.held_out": 0.2,
        "fresh test set.test_set": "b6dc",
        "requirement recall at least 0.5.value": "nan",  # undefined, as the ledger writes it
        "requirement recall at least 0.5.at_least": 0.5,
    }
    assert margins_of(said, [["amount", 0.19, 0.1, 0.2, None]]) == [
        Margin("live non-inferiority", 0.001, -0.001, True, -0.0005, 0.002),
        Margin("calibration", 0.01, 0.05, False),
        Margin("live loss, against when it was accepted", 0.3, 0.2, False, 0.25),
        Margin("amount", 0.19, 0.1, False),
    ]


def test_what_is_beyond_its_limit_is_drawn_first():
    drawn = draw_margins([Margin("fine", 2.0, 1.0, True), Margin("wrong", 0.5, 1.0, True)])
    assert drawn.index(">wrong<") < drawn.index(">fine<")


def test_many_figures_leave_a_picture_of_a_dozen():
    assert draw_margins([Margin(f"figure {n}", 2.0, 1.0, True) for n in range(40)]).count("<circle") == 12 + 1
