"""Would the gates' tests see it if a comparison in a gate were turned around?

A gate is a handful of comparisons, and tests that stay green when one of them is turned around do not test that gate.
This proof turns each of them around, one at a time, and asks the tests in tests/tasks/gates. Each Python file of
tasks/gates is parsed, and every place gives its mutants:

    negation    a < b becomes a >= b, == becomes !=, is becomes is not, in becomes not in, and back
    boundary    a < b becomes a <= b, a <= b becomes a < b, and the same of > and >=
    bool        `and` becomes `or` and back (& and | where they join comparisons), a `not` (or ~) is left out
    condition   what a bare `if x` asks (also `x if y else z` and `if` in a comprehension) becomes `if not x`

A mutant is killed when a test fails with it, and has survived when all pass. Mutants never touch the checkout: the
packages are copied to a temporary folder, the changed file is written there, and a child, forked from a process that
imported the slow libraries once, runs the tests on the copy until the first failure: the file's own tests, and where
they pass all others. Tests that take more than `--seconds` are ended: a mutant that never returns is killed too.
Hypothesis draws the same examples every time, so the answer is the same every time.

    .venv/bin/python -m tests.proofs.mutations
    .venv/bin/python -m tests.proofs.mutations --only honesty.py --seconds 30

Exit code 1 when a mutant of a kind other than boundary survives. A surviving boundary mutant is listed and is no
failure: where no evidence can meet a limit to the last bit, both sides of it are the same gate. `prove` returns what
became of each mutant.
"""

import argparse
import ast
import contextlib
import copy
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Mutant", "mutants_of", "prove"]

ROOT = Path(__file__).resolve().parents[2]
GATES, TESTS = Path("tasks/gates"), Path("tests/tasks/gates")
COPIED = ["schemas", "tasks", str(TESTS), "pyproject.toml"]
KINDS = ["negation", "boundary", "bool", "condition"]
EXAMPLES = 20  # of hypothesis, where a test does not ask for its own number

NEGATED = {
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
MOVED = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
SWAPPED = {ast.And: ast.Or, ast.Or: ast.And, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd}
SIGNS = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
    ast.And: "and",
    ast.Or: "or",
    ast.BitAnd: "&",
    ast.BitOr: "|",
}


@dataclass(frozen=True)
class Mutant:
    """One file with one operator changed."""

    file: str  # in tasks/gates
    line: int
    kind: str
    change: str
    text: str  # the place as it stands in the checkout
    source: str  # the whole changed file


@dataclass(frozen=True)
class Fate:
    """What became of a mutant: the test that saw it, or none."""

    mutant: Mutant
    killed: bool
    by: str


def mutants_of(path: Path) -> list[Mutant]:
    """All mutants of one file, in the order of their places."""
    source = path.read_text(encoding="utf-8")
    whole = ast.parse(source)
    places = list(ast.walk(whole))
    found = []
    for number, node in enumerate(places):
        for kind, change, at in _changes(node):
            changed = copy.deepcopy(whole)
            # A copy is walked in the same order, so that the number names the same place.
            _apply(changed, list(ast.walk(changed))[number], kind, at)
            # A comprehension has no line of its own: that of what it tests.
            shown: Any = node.ifs[at] if isinstance(node, ast.comprehension) else node
            text = " ".join((ast.get_source_segment(source, shown) or "").split())
            found.append(Mutant(path.name, shown.lineno, kind, change, text, ast.unparse(changed) + "\n"))
    return sorted(found, key=lambda m: (m.line, m.text, m.kind, m.change))


def _changes(node: ast.AST) -> Iterator[tuple[str, str, int]]:
    """(kind, what changes, which of the node's operators or conditions) for each mutant of one place."""
    match node:
        case ast.Compare(ops=operators):
            for at, operator in enumerate(operators):
                which = f"{at + 1}. of {len(operators)}, " if len(operators) > 1 else ""
                for kind, table in (("negation", NEGATED), ("boundary", MOVED)):
                    if type(operator) in table:
                        yield kind, f"{which}{SIGNS[type(operator)]} to {SIGNS[table[type(operator)]]}", at
        case ast.BoolOp(op=operator):
            yield "bool", f"{SIGNS[type(operator)]} to {SIGNS[SWAPPED[type(operator)]]}", 0
        case ast.BinOp(op=ast.BitAnd() | ast.BitOr() as operator) if _compares(node):
            yield "bool", f"{SIGNS[type(operator)]} to {SIGNS[SWAPPED[type(operator)]]}", 0
        case ast.UnaryOp(op=ast.Not() | ast.Invert() as operator):
            yield "bool", f"{'not' if isinstance(operator, ast.Not) else '~'} left out", 0
        case ast.If(test=test) | ast.IfExp(test=test) if _bare(test):
            yield "condition", f"if {ast.unparse(test)} to if not", 0
        case ast.comprehension(ifs=tests):
            for at, test in enumerate(tests):
                if _bare(test):
                    yield "condition", f"if {ast.unparse(test)} to if not", at


def _apply(tree: ast.AST, node: ast.AST, kind: str, at: int) -> None:
    """Change this node of this tree in place."""
    match node:
        case ast.Compare():
            node.ops[at] = (NEGATED if kind == "negation" else MOVED)[type(node.ops[at])]()
        case ast.BoolOp() | ast.BinOp():
            node.op = SWAPPED[type(node.op)]()
        case ast.UnaryOp():
            _replace(tree, node, node.operand)
        case ast.comprehension():
            node.ifs[at] = ast.UnaryOp(ast.Not(), node.ifs[at])
        case ast.If() | ast.IfExp():
            node.test = ast.UnaryOp(ast.Not(), node.test)
        case _:
            raise TypeError(f"no mutant of {type(node).__name__} is known")


def _replace(tree: ast.AST, old: ast.AST, new: ast.AST) -> None:
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
            elif isinstance(value, list) and any(item is old for item in value):
                setattr(parent, name, [new if item is old else item for item in value])


def _compares(node: ast.AST) -> bool:
    """Joins comparisons (and not, say, two dictionaries or the types of an annotation)."""
    return any(isinstance(part, ast.Compare) for part in ast.walk(node))


def _bare(test: ast.expr) -> bool:
    """Truth is asked of a value itself, and not of an operator that has mutants of its own."""
    return not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp)


def prove(*, only: str = "*.py", seconds: float = 60.0) -> dict[str, list[Fate]]:
    """Ask the tests about every mutant of the files that match; their fates by kind.

    RuntimeError when the tests do not pass without a mutant, since then nothing is shown. Call it in a process of its
    own: what is imported of ours afterwards is the copy.
    """
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="mutations-") as made, contextlib.ExitStack() as after:
        after.callback(os.chdir, before)
        folder = Path(made).resolve()
        _copy_to(folder)
        mutants = [mutant for path in sorted((folder / GATES).glob(only)) for mutant in mutants_of(path)]
        # Written once as mutants are, without a change: the tests have to pass on what mutants differ from.
        for path in (folder / GATES).glob("*.py"):
            path.write_text(ast.unparse(ast.parse(path.read_text(encoding="utf-8"))) + "\n", encoding="utf-8")
        _load(folder)
        failed = _ask(folder, sorted((folder / TESTS).glob("test_*.py")), seconds=10 * seconds)
        if failed is not None:
            raise RuntimeError(f"the tests in {TESTS} fail on the gates as they are: {failed}")
        # From here on the tests' own bytecode is there. That of gates is never kept: two mutants of one size within one
        # second would share it.
        sys.dont_write_bytecode = True
        shutil.rmtree(folder / GATES / "__pycache__", ignore_errors=True)
        fates = [_fate(folder, mutant, seconds=seconds) for mutant in mutants]
    return {kind: [fate for fate in fates if fate.mutant.kind == kind] for kind in KINDS}


def _copy_to(folder: Path) -> None:
    """What the tests of gates need."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, folder / name)
    # Packages, without the fixtures of other tests.
    for package in (folder / TESTS).relative_to(folder).parents:
        if package.name:
            (folder / package / "__init__.py").touch()


def _load(folder: Path) -> None:
    """Import once what no mutant changes, all of ours from the copy. A child then starts with it."""
    os.chdir(folder)
    sys.path[:] = [str(folder), *(entry for entry in sys.path if Path(entry or ".").resolve() not in (ROOT, folder))]
    for name in [name for name in sys.modules if name.split(".")[0] in ("schemas", "tasks", "tests")]:
        del sys.modules[name]
    import hypothesis.extra.numpy
    import pytest
    import scipy.stats  # noqa: F401

    import schemas.framing
    import schemas.plans
    import tasks.stats

    for module in (schemas.framing, schemas.plans, tasks.stats):
        if not Path(str(module.__file__)).is_relative_to(folder):
            raise RuntimeError(f"{module.__name__} comes from {module.__file__}, not from the copy")
    settings = hypothesis.settings
    settings.register_profile("mutants", max_examples=EXAMPLES, derandomize=True, deadline=None, database=None)
    assert pytest.main, "loaded for the children"


def _fate(folder: Path, mutant: Mutant, *, seconds: float) -> Fate:
    path = folder / GATES / mutant.file
    before = path.read_text(encoding="utf-8")
    path.write_text(mutant.source, encoding="utf-8")
    try:
        tests = sorted((folder / TESTS).glob("test_*.py"))
        own = [test for test in tests if test.stem.startswith(f"test_{path.stem}")]
        by = _ask(folder, own, seconds=seconds) or _ask(folder, [t for t in tests if t not in own], seconds=seconds)
    finally:
        path.write_text(before, encoding="utf-8")
    return Fate(mutant, killed=by is not None, by=by or "")


def _ask(folder: Path, tests: list[Path], *, seconds: float) -> str | None:
    """The test that fails first, or None where all pass."""
    (folder / "failed").unlink(missing_ok=True)
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        _answer(folder, [str(test) for test in tests])
    code = _wait(child, seconds=seconds)
    if code is None:
        return f"no end after {seconds:g} s"
    if code not in (0, 1, 2):
        said = (folder / "output").read_text(encoding="utf-8")[-2_000:]
        raise RuntimeError(f"pytest itself stopped with exit code {code}: {said}")
    return None if code == 0 else _first_failure(folder)


def _answer(folder: Path, tests: list[str]) -> None:
    """Run the tests in this child and end it with pytest's exit code."""
    import pytest

    code = 3
    try:
        output = os.open(folder / "output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        # Hypothesis is there before pytest, which cannot rewrite its asserts any more and would say so as an error.
        loaded = "ignore::pytest.PytestAssertRewriteWarning"
        # Other plugins that happen to be installed would take most of a mutant's time.
        options = [
            "--disable-plugin-autoload",
            "-p",
            "_hypothesis_pytestplugin",
            "-W",
            loaded,
            "-x",
            "-q",
            "-p",
            "no:cacheprovider",
            "-o",
            "addopts=",
            "--hypothesis-profile=mutants",
        ]
        code = int(pytest.main([*options, f"--rootdir={folder}", *tests], plugins=[_Witness(folder / "failed")]))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # never back into the parent's code


class _Witness:
    """Writes down which test failed first."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def pytest_runtest_logreport(self, report: object) -> None:
        if getattr(report, "failed", False) and not self.path.exists():
            self.path.write_text(str(getattr(report, "nodeid", "")), encoding="utf-8")

    def pytest_collectreport(self, report: object) -> None:
        self.pytest_runtest_logreport(report)


def _first_failure(folder: Path) -> str:
    path = folder / "failed"
    return path.read_text(encoding="utf-8").removeprefix(f"{TESTS}/") if path.exists() else "the start of the tests"


def _wait(child: int, *, seconds: float) -> int | None:
    """The child's exit code; None where it was ended because its time was over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _said(fates: dict[str, list[Fate]], *, seconds: float) -> str:
    lines = [f"{'kind':<10} {'mutants':>8} {'killed':>7} {'survived':>9}"]
    for kind, found in fates.items():
        killed = sum(fate.killed for fate in found)
        lines.append(f"{kind:<10} {len(found):>8} {killed:>7} {len(found) - killed:>9}")
    whole = [fate for found in fates.values() for fate in found]
    killed = sum(fate.killed for fate in whole)
    lines.append(f"{'all':<10} {len(whole):>8} {killed:>7} {len(whole) - killed:>9}   in {seconds:.0f} s")
    ended = Counter(fate.by for fate in whole if fate.by.startswith("no end"))
    lines += [f"{number} of them by {by}" for by, number in ended.items()]
    lines += [
        f"survived: {GATES / mutant.file}:{mutant.line} {mutant.kind}, {mutant.change}: {mutant.text}"
        for mutant in (fate.mutant for fate in whole if not fate.killed)
    ]
    return "\n".join(lines)


def main() -> int:
    about = argparse.ArgumentParser(prog="python -m tests.proofs.mutations", description=(__doc__ or "").split("\n")[0])
    about.add_argument("--only", default="*.py", help="files of tasks/gates, as a pattern")
    about.add_argument("--seconds", type=float, default=60.0, help="that the tests of one mutant may take")
    asked = about.parse_args()
    began = time.monotonic()
    fates = prove(only=asked.only, seconds=asked.seconds)
    print(_said(fates, seconds=time.monotonic() - began))
    return int(any(not fate.killed for kind, found in fates.items() if kind != "boundary" for fate in found))


if __name__ == "__main__":
    sys.exit(main())
