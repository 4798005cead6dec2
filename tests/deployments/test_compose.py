"""Does Compose itself read what a team starts? Skipped where it is not installed: `docker compose config` needs no engine."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

FILE = Path(__file__).parents[2] / "deployments" / "compose.yaml"
GIVEN = {"POSTGRES_PASSWORD": "s3cr3t", "PERENNIAL_GATEWAY_TOKEN": "t0ken", "PROBLEM": "fraud"}


def compose() -> list[str]:
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]):
            said = subprocess.run([*command, "version", "--short"], capture_output=True, text=True, check=False).stdout
            if said.lstrip("v").partition(".")[0].isdigit() and int(said.lstrip("v").partition(".")[0]) >= 2:
                return command
    pytest.skip("no docker compose of version 2 is installed")


def config(given: dict[str, str]) -> subprocess.CompletedProcess[str]:
    bare = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    command = [*compose(), "--file", str(FILE), "config"]
    return subprocess.run(command, env=bare | given, capture_output=True, text=True, timeout=60)


def test_it_is_read_and_the_password_stays_out_of_it():
    done = config(GIVEN)
    assert done.returncode == 0, done.stderr
    read = yaml.safe_load(done.stdout)
    assert set(read["services"]) == {"postgres", "prefect", "mlflow", "worker", "gateway"}
    assert GIVEN["POSTGRES_PASSWORD"] not in done.stdout
    for name, service in read["services"].items():
        assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", [])), name
        assert service["healthcheck"]["test"], name
    assert read["services"]["gateway"]["depends_on"]["mlflow"]["condition"] == "service_healthy"


@pytest.mark.parametrize("missing", ["PERENNIAL_GATEWAY_TOKEN", "PROBLEM"])
def test_what_has_to_be_given_is_asked_for_by_name(missing):
    done = config({name: value for name, value in GIVEN.items() if name != missing})
    assert done.returncode != 0
    assert missing in done.stderr
