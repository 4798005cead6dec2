"""What does a person see who changed a contract, before the next turn takes it over?"""

from dataclasses import replace

import pandera.pandas as pa

from flows.__main__ import main
from flows.contract import contract_figures, contract_lines
from flows.replay import plain_turn
from schemas.problems import fraud
from tests.flows.test_turns import DAY, PROBLEM


def test_without_a_turn_there_is_nothing_to_compare_with(home, capsys):
    assert main(["contract", "fraud"]) == 0
    assert "no earlier contract of fraud" in capsys.readouterr().out


def test_a_changed_contract_is_shown_with_the_rows_it_would_refuse(at, monkeypatch):
    now = at("HEALTHY")
    plain_turn("fraud", now)
    unchanged = list(contract_lines(contract_figures("fraud", now=now)))
    tighter = PROBLEM.contract.update_column("amount", checks=[pa.Check.in_range(0.01, 50)])
    monkeypatch.setattr(fraud, "PROBLEM", replace(PROBLEM, contract=tighter))
    said = list(contract_lines(contract_figures("fraud", now=now + DAY)))
    assert unchanged[1:] == ["  no column differs"]
    assert "  amount, rules: in_range(0.01, 50000) → in_range(0.01, 50)" in said
    effects = [line for line in said if " to 2" in line]
    assert len(effects) == 4
    assert all(": 0 of " in line and "(amount: in_range(0.01, 50))" in line for line in effects)
