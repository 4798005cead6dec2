"""Can all that the Prefect UI offers be done from a shell and from Python too, field by field?"""

import argparse
import asyncio
import inspect

import pytest
from prefect import Flow
from prefect.utilities.importtools import import_object

from deployments.deploy import declared
from flows.__main__ import _parser

# The commands that do what a deployment's form does, and what the form's fields are called there.
BY_HAND: dict[str, tuple[list[str], dict[str, str]]] = {
    "lifecycle": (["turn"], {}),
    "retention": (["archive"], {}),
    "improve": (
        ["improve", "backlog"],
        {"budget": "experiments hours money", "wishes": "add veto first"},
    ),
    "retrain": (["retrain"], {"training_window": "days"}),
    "approve": (["approve"], {"decision": "reject", "name": "actor", "note": "reason"}),
    "roll-back": (["revert"], {"name": "actor"}),
    "pause": (["pause", "resume"], {"action": "command", "name": "actor"}),
    "score": (["score"], {"rows": "file since until", "output": "out part_rows"}),
    "replay": (["replay"], {}),
    "drills": (["drills"], {}),
}
# Said by a replay, and by an event that the ledger's row found: by no person.
NOT_BY_PEOPLE = {("lifecycle", "now"), ("retrain", "row")}


@pytest.fixture(scope="module")
def offered() -> dict[str, Flow]:
    """Every flow that is deployed, by its name."""
    entrypoints = {one.entrypoint for one in asyncio.run(declared())}
    flows = [import_object(entrypoint) for entrypoint in entrypoints]
    return {flow.name: flow for flow in flows}


def arguments(names: list[str]) -> set[str]:
    of = next(one for one in _parser()._actions if isinstance(one, argparse._SubParsersAction))
    return {"command", *(action.dest for name in names for action in of.choices[name]._actions)}


def test_every_deployment_has_its_command(offered):
    assert set(offered) == set(BY_HAND)


@pytest.mark.parametrize("name", BY_HAND)
def test_every_field_of_a_form_is_an_argument_of_its_command(offered, name):
    names, called = BY_HAND[name]
    there = arguments(names)
    for field in inspect.signature(offered[name].fn).parameters:
        if (name, field) not in NOT_BY_PEOPLE:
            assert set(called.get(field, field).split()) <= there, f"{field} of {name}"
