"""The README tells the truth: its diagram, its commands and its example are checked."""

import re
from pathlib import Path

import pytest

from schemas.problem import Problem
from schemas.stage import diagram

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_its_diagram_is_the_table_of_arrows():
    assert f"```mermaid\n{diagram()}\n```" in README


def test_every_make_command_it_names_is_a_target():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    named = set(re.findall(r"\bmake ([a-z]+)", README))
    assert named - {"alone"} <= targets
    assert {"demo", "test", "loop", "up", "history", "verify"} <= named


def test_its_example_problem_is_a_problem():
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.S)
    scope: dict[str, object] = {}
    exec(example, scope)
    assert isinstance(scope["PROBLEM"], Problem)


@pytest.mark.parametrize("name", ["DIAGRAM", "FIGURES"])
def test_no_placeholder_is_left(name):
    assert name not in README
