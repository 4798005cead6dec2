"""How does a person read all of it? Markdown and one HTML page that needs nothing else."""

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

from tests.proofs.evidence import plots
from tests.proofs.evidence.failures import Failure
from tests.proofs.evidence.rates import Expected, Power, Rate

__all__ = ["Chapter", "chapters", "verdict", "write"]

HOW = (
    "Every test is looked at after every row, error or entity, and a run counts as wrong when it contradicts the truth "
    "at any look. Rate: wrong runs over runs. Lower and upper: Clopper-Pearson bounds, each at 97.5 %. A test holds "
    "when its upper bound is at most alpha, and fails when its lower bound is over it. Naive methods are there to be "
    "seen failing. Two claims differ: about these rows (the average of their means, given what they share) and about "
    "all rows to come; where rows share a day, only the first can be kept by looking at rows."
)
STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:76rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:1rem 0;font-size:13px}td,th{padding:.2rem .6rem;text-align:left;"
    "border-bottom:1px solid #ddd}td.n{text-align:right;font-variant-numeric:tabular-nums}img{max-width:100%}"
    "tr.naive{color:#777}tr.broken td{background:#fbe3d6}"
)


class Chapter:
    """A title, its tables (header and lines) and its pictures."""

    def __init__(self, title: str, header: Sequence[str], lines: Sequence[Sequence[str]], pictures: Sequence[bytes]):
        self.title, self.header, self.lines, self.pictures = title, header, lines, pictures


def verdict(result: Rate | Power, *, quick: bool) -> str:
    """What is to be said of one result, in a word or two."""
    if not result.stands(quick=quick):
        return "DOES NOT HOLD" if isinstance(result, Power) or not result.naive else "NOT SHOWN TO FAIL"
    if isinstance(result, Power):
        return "as planned" if result.planned else "holds" if result.at_most else "reported"
    if result.expected is Expected.HOLDS:
        return "holds" if result.holds else "holds so far"
    if result.expected is Expected.FAILS:
        return "fails, as it must"
    return f"reported: {'holds' if result.holds else 'fails' if result.fails else 'open'}"


def chapters(
    rates: Sequence[tuple[str, Rate]], powers: Sequence[Power], failures: Sequence[Failure], *, quick: bool
) -> list[Chapter]:
    """All that was measured, the constructed failures first."""
    told = [[f.what, f.naive.test, _n(f.naive.rate), f.ours.test, _n(f.ours.rate), _n(f.ours.upper)] for f in failures]
    header = ["what", "naive", "rate", "ours", "rate", "upper"]
    made = [Chapter("Three constructed failures", header, told, [plots.picture_of_failures(failures)])]
    seen = [plots.picture_of_promotions(powers), plots.picture_of_errors_seen(powers)]
    header = ["test", "case", "planned units", "rate by then", "lower", "stands then", "rate at the end", "verdict"]
    made.append(Chapter("Power", header, [_power_line(power, quick=quick) for power in powers], seen))
    header = ["test", "case", "claim", "alpha", "runs", "rate", "lower", "upper", "verdict"]
    for part in dict.fromkeys(part for part, _ in rates):
        own = [rate for name, rate in rates if name == part]
        lines = [_rate_line(rate, quick=quick) for rate in own]
        made.append(Chapter(part, header, lines, [plots.picture_of_rates(own)]))
    return made


def write(folder: Path, made: Sequence[Chapter], *, summary: str) -> list[Path]:
    """evidence.md with its pictures beside it, and evidence.html with them inside."""
    folder.mkdir(parents=True, exist_ok=True)
    text, page = (
        [f"# Evidence\n\n{summary}\n\n{HOW}\n"],
        [f"<h1>Evidence</h1><p>{escape(summary)}</p><p>{escape(HOW)}</p>"],
    )
    for chapter in made:
        text.append(f"## {chapter.title}\n")
        page.append(f"<h2>{escape(chapter.title)}</h2>")
        for i, picture in enumerate(chapter.pictures):
            name = f"{chapter.title.lower().replace(' ', '_').replace(',', '')}_{i + 1}.png"
            (folder / name).write_bytes(picture)
            text.append(f"![{chapter.title}]({name})\n")
            source = base64.b64encode(picture).decode()
            page.append(f'<img alt="{escape(chapter.title)}" src="data:image/png;base64,{source}">')
        text.append(_markdown_table(chapter))
        page.append(_html_table(chapter))
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Evidence</title><style>{STYLE}</style>'
    paths = [folder / "evidence.md", folder / "evidence.html"]
    paths[0].write_text("\n".join(text))
    paths[1].write_text(head + "\n".join(page) + "</html>\n")
    return paths


def _rate_line(rate: Rate, *, quick: bool) -> list[str]:
    name = f"{rate.test} (naive)" if rate.naive else rate.test
    numbers = [f"{rate.alpha:g}", f"{rate.runs:,}", _n(rate.rate), _n(rate.lower), _n(rate.upper)]
    return [name, rate.case, rate.claim, *numbers, verdict(rate, quick=quick)]


def _power_line(power: Power, *, quick: bool) -> list[str]:
    row = power.row()
    planned = "" if power.planned is None else f"{power.planned:,.0f}"
    by_plan, lower, standing = (_n(row[k]) for k in ("by_plan", "by_plan_lower", "standing_at_plan"))
    return [power.test, power.case, planned, by_plan, lower, standing, _n(power.rates[-1]), verdict(power, quick=quick)]


def _n(x: float | None) -> str:
    return "" if x is None else f"{x:.4f}"


def _markdown_table(chapter: Chapter) -> str:
    rows = [chapter.header, ["---"] * len(chapter.header), *chapter.lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def _html_table(chapter: Chapter) -> str:
    def cell(text: str) -> str:
        number = text.replace(",", "").replace(".", "").isdigit()
        return f'<td class="n">{escape(text)}</td>' if number else f"<td>{escape(text)}</td>"

    def row(line: Sequence[str]) -> str:
        kind = "broken" if line[-1].isupper() else "naive" if "(naive)" in line[0] else ""
        return f'<tr class="{kind}">{"".join(cell(text) for text in line)}</tr>'

    head = "".join(f"<th>{escape(name)}</th>" for name in chapter.header)
    return f"<table><tr>{head}</tr>{''.join(row(line) for line in chapter.lines)}</table>"
