"""What do people open after an experiment? Pages that are whole, fetch nothing, say what the data say, and escape what it holds."""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from flows.improvement_story import markdown, progress, table
from flows.pages.diagnosis import page
from flows.pages.night import night_report
from schemas.diagnosis import Check, Diagnosis, Effect, Room, Slice, Wrong
from schemas.experiment import Gain
from schemas.idea import Idea
from schemas.night import Night, Spent
from tasks.mistakes import merged, with_tag
from tests.pictured import diagnosis, night

VOID = {"meta", "link", "br", "col"}
BAD = '<script>alert("1")</script>'


class Read(HTMLParser):
    """The page as it is read: tags that close what they open, text by section, numbers by section."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.section = ""
        self.text: dict[str, str] = {}
        self.numbers: dict[str, list[tuple[float, ...]]] = {}
        self.drawn: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        if tag == "section":
            self.section = said["aria-label"] or ""
        if tag == "data":
            ends = [said[name] for name in ("data-low", "value", "data-high") if name in said]
            self.numbers.setdefault(self.section, []).append(tuple(float(one or "nan") for one in ends))
        if tag not in VOID:
            self.open.append(tag)
        self.drawn.append((self.section, said | {"tag": tag}))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.drawn.append((self.section, dict(attrs) | {"tag": tag}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "section":
            self.section = ""

    def handle_data(self, data: str) -> None:
        self.text[self.section] = self.text.get(self.section, "") + data

    def places(self, section: str, kind: str, of: str) -> list[float]:
        """Where the marks of a kind lie along an axis, in percent."""
        return [
            float((said[of] or "").rstrip("%"))
            for part, said in self.drawn
            if part == section and said.get("class") == kind
        ]


def sheet_of(found: Diagnosis) -> list[Any]:
    sheet = merged([], found.wrong, judged=9_320)
    return with_tag(sheet, sheet[2].key, "refund in disguise")


def whole(found: Diagnosis) -> str:
    return page(found, parent="0123456789abcdef", gain=Gain(0.001, 0.002, 0.003, 9_320, 3), sheet=sheet_of(found))


@pytest.mark.parametrize("html", [whole(diagnosis()), night_report(night())], ids=["diagnosis", "night"])
def test_a_page_is_whole_and_fetches_nothing(html: str) -> None:
    read = Read(html)
    assert html.startswith("<!doctype html>")
    assert html.endswith("</html>\n")
    assert read.open == []
    assert not re.search(r"<script|@import|url\(|src=|<iframe|https?:", html)
    assert "default-src 'none'" in html
    assert "nan" not in re.sub(r"<style>.*</style>", "", html, flags=re.DOTALL).split()
    assert len(html) < 100_000


def test_a_page_of_a_hundred_wrong_rows_is_small() -> None:
    many = tuple(replace(one, key=f"{one.key}-{k}") for k in range(2) for one in diagnosis().wrong[:50])
    assert len(many) == 100
    assert len(whole(replace(diagnosis(), wrong=many))) < 120_000


def test_a_full_diagnosis_leaves_no_part_out() -> None:
    read = Read(whole(diagnosis()))
    assert not [name for name, text in read.text.items() if "Not looked at." in text]


@pytest.mark.parametrize(
    "changed, section",
    [
        ({"rooms": ()}, "What keeps it back"),
        ({"checks": ()}, "In which order to look"),
        ({"probes": {}}, "Probes"),
        ({"curve": None}, "More rows"),
        ({"calibration": None}, "Does it come as it is said?"),
        ({"over_time": None}, "Over time"),
        ({"confusion": ()}, "What is taken for what"),
        ({"slices": ()}, "Weak slices"),
        ({"effects": ()}, "What the features are worth"),
        ({"wrong": ()}, "Rows it got wrong"),
        ({"loss": {}, "baselines": ()}, "Where it stands"),
    ],
)
def test_what_was_not_looked_at_is_said_in_its_place_alone(changed: dict[str, Any], section: str) -> None:
    read = Read(page(replace(diagnosis(), **changed)))
    assert [name for name, text in read.text.items() if "Not looked at." in text] == [section]


def test_the_numbers_are_those_of_the_diagnosis() -> None:
    found = diagnosis()
    numbers = Read(whole(found)).numbers
    assert numbers["What keeps it back"] == [room.gain for room in found.rooms]
    assert numbers["Weak slices"] == [one.excess for one in sorted(found.slices, key=lambda one: -one.excess[1])]
    assert numbers["What the features are worth"] == [one.gain for one in found.effects]
    assert numbers["What is taken for what"] == [(float(count),) for row in found.confusion for count in row]
    assert found.curve
    assert found.curve.floor
    assert numbers["More rows"] == [*found.curve.more.values(), found.curve.floor]
    parts = [found.spans.get(part, (found.loss[part],) * 3) for part in ("train", "near", "judged", "live")]
    known = [one.loss for one in found.baselines if one.loss]
    assert numbers["Where it stands"] == [*sorted(known, key=lambda loss: -loss[1]), *parts]
    assert numbers[""][0] == found.rooms[0].gain
    assert (0.001, 0.002, 0.003) in numbers[""]
    losses = [one.loss for one in found.wrong]
    costs = [number[0] for number in numbers["Rows it got wrong"]]
    assert costs[-len(losses) :] == losses
    assert costs[0] == pytest.approx(found.wrong[2].loss / 9_320), "the one row that people tagged"


def test_what_is_drawn_lies_where_its_number_is() -> None:
    found = diagnosis()
    read = Read(whole(found))
    drawn = read.places("Where it stands", "point", "cx")
    values = [number[1] for number in read.numbers["Where it stands"]]
    slopes = {round((x - drawn[0]) / (v - values[0]), -1) for x, v in zip(drawn[1:], values[1:], strict=True)}
    assert len(slopes) == 1
    assert slopes.pop() > 0
    bars = read.places("What keeps it back", "bar", "width")
    rooms = [room.gain[1] for room in found.rooms]
    assert bars == pytest.approx([bars[0] * room / rooms[0] for room in rooms], abs=0.02)


def test_marks_stay_within_their_frame() -> None:
    for section, said in Read(whole(diagnosis())).drawn:
        if said["tag"] == "text":
            continue
        for name in ("cx", "x", "x1", "x2", "y1", "y2"):
            place = said.get(name) or "0"
            assert 0 <= float(place.rstrip("%")) <= 100, (section, said)


def planted() -> Diagnosis:
    """Markup wherever a name or a value comes from data or from people."""
    found = diagnosis()
    return replace(
        found,
        problem=BAD,
        experiment=BAD,
        family=BAD,
        metric=BAD,
        baselines=tuple(replace(one, name=BAD) for one in found.baselines),
        rooms=tuple(Room(room.constraint, room.gain, room.binds, BAD, BAD) for room in found.rooms),
        checks=(*(Check(check.step, check.passed, BAD) for check in found.checks), Check(BAD, False, BAD)),
        slices=tuple(Slice(BAD, 1, 1.0, one.excess, 0.1) for one in found.slices),
        effects=tuple(Effect(BAD, one.gain, one.noise) for one in found.effects),
        classes=(BAD, BAD),
        over_time=replace(found.over_time, labels=(BAD,) * 14) if found.over_time else None,
        probes={BAD: BAD},
        wrong=tuple(Wrong(f"{k}{BAD}", BAD, BAD, 1.0, 0.5, (BAD,), {BAD: BAD}) for k in range(20)),
    )


@pytest.mark.parametrize("draw", [page, whole])
def test_nothing_that_came_from_data_is_markup(draw: Callable[[Diagnosis], str]) -> None:
    html = draw(planted())
    read = Read(html)
    assert read.open == []
    assert "<script" not in html
    assert html.count("&lt;script&gt;") > 60
    assert BAD in read.text["Weak slices"]
    many = replace(planted(), classes=(BAD,) * 12, confusion=tuple(tuple(1 for _ in range(12)) for _ in range(12)))
    assert "<script" not in draw(many)


def test_what_binds_is_the_headline() -> None:
    said = Read(whole(diagnosis())).text[""]
    assert "Variance keeps it back: without it the loss would fall by 0.0159 [0.0112, 0.0206] a row." in said
    assert "Look first at regularisation:" in said


def test_where_nothing_binds_it_is_said() -> None:
    found = diagnosis()
    rooms = tuple(replace(room, binds=False) for room in found.rooms)
    said = Read(whole(replace(found, rooms=rooms))).text[""]
    assert "Nothing is shown to keep it back. The widest room that is possible is variance" in said


def test_of_many_classes_the_commonest_confusions_are_listed() -> None:
    table = [[0] * 26 for _ in range(26)]
    for k in range(26):
        table[k][k] = 90
    table[3][14], table[5][1] = 10, 4
    letters = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    read = Read(page(replace(diagnosis(), confusion=tuple(map(tuple, table)), classes=letters)))
    assert "D taken for O: 10 rows, 10 % of them" in read.text["What is taken for what"]
    assert read.numbers["What is taken for what"] == [(10.0,), (4.0,)]


def test_a_step_of_the_order_that_nobody_took_is_there_as_such() -> None:
    said = Read(page(replace(diagnosis(), checks=(Check("labels", False, "a tenth is wrong"),))))
    text = said.text["In which order to look"]
    assert text.index("data") < text.index("labels a tenth is wrong") < text.index("tuning not looked at")


def test_a_night_tells_every_experiment_with_its_gain() -> None:
    there = night()
    read = Read(night_report(there))
    gains = [(step.gain.low, step.gain.estimate, step.gain.high) for step in there.steps if step.gain]
    assert read.numbers["What was tried"] == gains
    assert read.numbers["What moved"] == [gains[0], gains[3]]
    for step in there.steps:
        assert step.idea.name in read.text["Every experiment"]
    for one in there.skipped:
        assert f"{one.idea.name} {one.quadrant}" in " ".join(read.text["What not to bother with"].split())
        assert one.why in read.text["What not to bother with"]
    assert there.stopped in read.text[""]
    assert "hour by weekday won" in read.text[""]


def test_a_night_without_a_winner_and_one_that_still_runs_say_so() -> None:
    alone = replace(night(), winner="", gain=None, handed="", steps=night().steps[1:3], ended=None, stopped="")
    read = Read(night_report(alone))
    assert "Nothing was shown to be better than what was there, in 2 experiments." in read.text[""]
    assert "It still runs." in read.text[""]
    assert "Nothing beyond noise." in read.text["What moved"]
    Read(night_report(Night("fraud", night().began, None, "start")))


def hostile() -> Night:
    """Names that would end a cell, a link or a line."""
    bad = Idea(f"{BAD} | [x](javascript:1)\nnext", night().steps[0].idea.kind, BAD, {"features": [BAD]})
    steps = tuple(replace(step, idea=bad, why=BAD) for step in night().steps)
    return replace(
        night(),
        problem="fraud",
        steps=steps,
        next=(bad,),
        requests=(bad,),
        stopped=BAD,
        handed=BAD,
        learned=(BAD,),
        links={"page": "javascript:1"},
    )


def test_nothing_of_a_night_is_markup() -> None:
    html = night_report(hostile())
    assert Read(html).open == []
    assert "<script" not in html
    assert 'href="javascript' not in html
    said = markdown(hostile())
    assert "<script" not in said
    rows = [line for line in said.splitlines() if re.match(r"\| \d", line)]
    assert len(rows) == 5
    assert all(line.count("|") == 8 for line in rows)
    assert "](javascript" not in said


def test_a_night_draws_the_gain_of_every_experiment_that_has_one() -> None:
    drawn = markdown(night()).partition("what each experiment gained](data:image/svg+xml;base64,")[2].partition(")")[0]
    picture = base64.b64decode(drawn).decode()
    measured = [step for step in night().steps if step.gain]
    assert all(f">{step.idea.name}<" in picture for step in measured)
    assert picture.count('r="5"') == len(measured)


def test_the_steps_are_a_table_that_json_carries() -> None:
    rows = json.loads(json.dumps(table(night())))
    assert [row["change"] for row in rows] == [step.idea.name for step in night().steps]
    assert rows[1] | {"why": ""} == {
        "step": 2,
        "change": "twice as deep",
        "on": "boosted trees",
        "tier": "confirm",
        "foreseen": "41 %",
        "gain": "+0.0006 [-0.0013, +0.0025]",
        "called": "noise",
        "why": "",
    }


@pytest.mark.parametrize(
    "spent, done",
    [
        (night().spent, 2.5 / 8),
        ((Spent("experiments", 39, 40), Spent("hours", 1, 8)), 0.975),
        ((Spent("experiments", 50, 40),), 1.0),
        ((Spent("EUR", 3, None),), 0.0),
        ((), 0.0),
    ],
)
def test_progress_is_that_to_the_limit_which_is_nearest(spent: tuple[Spent, ...], done: float) -> None:
    assert progress(replace(night(), spent=spent, ended=None)) == pytest.approx(done)
    assert progress(replace(night(), spent=spent)) == 1.0


@pytest.mark.parametrize(
    "value, told",
    [
        ("1.2857908129101379", "1.286"),
        ("12.5", "12.5"),
        ("***", "***"),
        ("a long name of a shop", "a long name of a shop"),
        ("x" * 900, "x" * 240 + "…"),
    ],
)
def test_a_value_of_a_wrong_row_is_told_briefly(value: str, told: str) -> None:
    one = replace(diagnosis().wrong[0], values={"it": value})
    text = Read(page(replace(diagnosis(), wrong=(one,)))).text["Rows it got wrong"]
    assert f"it {told}" in text
    assert value == told or value not in text
