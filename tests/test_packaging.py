"""What is installed is what is locked, and the lock says all of it."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCKS = ["requirements.lock", ".bootstrap.lock"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pinned() -> dict[str, list[Requirement]]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    found = [Requirement(line.rstrip("\\ ")) for line in lines if re.match(r"[a-z]", line)]
    return {canonicalize_name(r.name): [q for q in found if q.name == r.name] for r in found}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_version_is_exact_and_has_a_hash(lock):
    for entry in re.split(r"\n(?=[a-z])", (ROOT / lock).read_text().strip()):
        assert re.match(r"[a-z0-9._-]+==[^ ]+", entry), entry
        assert "--hash=sha256:" in entry, entry


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_host(lock):
    assert "://" not in (ROOT / lock).read_text()


def test_everything_we_ask_for_is_locked_within_its_bounds():
    wanted = PROJECT["dependencies"] + [r for extra in PROJECT["optional-dependencies"].values() for r in extra]
    locked = pinned()
    for requirement in map(Requirement, wanted):
        versions = [next(iter(p.specifier)).version for p in locked[canonicalize_name(requirement.name)]]
        assert all(requirement.specifier.contains(v) for v in versions), (requirement, versions)


def test_what_is_installed_is_what_is_locked():
    for name, entries in pinned().items():
        for entry in entries:
            if entry.marker is None or entry.marker.evaluate():
                assert entry.specifier.contains(version(name), prereleases=True), entry


@pytest.mark.parametrize("name", ["pandas", "fastapi", "sqlalchemy", "skops"])
def test_each_cap_stands_beside_the_symptom_it_prevents(name):
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if re.match(rf'\s+"{name}[<>=]', line))
    assert lines[at - 1].strip().startswith("#")
