"""Is people's word over the backlog taken as they mean it, and refused with a reason where it cannot be meant?"""

import pytest
from pydantic import ValidationError

from schemas.idea import Kind
from schemas.wishes import Wish, Wishes

MINE = Wish(name="mine", change={"family": "linear"}, kind=Kind.FAMILY, by="ada")


@pytest.mark.parametrize(
    "said, because",
    [
        ({"added": [{"name": "x", "change": {"colour": "red"}}]}, "a recipe has"),
        ({"added": [{"name": "x", "change": {}}]}, "at least 1 item"),
        ({"added": [{"name": "x", "change": {"window": None}, "kind": "request to people"}]}, "another kind"),
        ({"added": [MINE, MINE]}, "under one name: mine"),
        ({"veto": ["a", "b"], "first": ["b"]}, "asked for first, and vetoed: b"),
        ({"last": ["a"]}, "Extra inputs"),
    ],
)
def test_what_cannot_be_meant_is_refused(said, because):
    with pytest.raises(ValidationError, match=because):
        Wishes.model_validate(said)


def test_a_file_holds_what_the_form_does():
    wishes = Wishes(added=(MINE,), veto=("a",), first=("mine",))
    assert Wishes.model_validate_json(wishes.model_dump_json()) == wishes


def test_what_was_said_later_holds():
    older = Wishes(added=(MINE,), veto=("a", "b"), first=("c", "d"))
    later = Wishes(added=(MINE.model_copy(update={"chance": 0.9}),), veto=("c",), first=("b",))
    both = older.and_then(later)
    assert (both.veto, both.first) == (("a", "c"), ("b", "d"))
    assert [one.chance for one in both.added] == [0.9]


def test_the_form_names_every_field():
    fields = Wishes.model_json_schema()["properties"]
    assert all(field["title"] for field in fields.values())
