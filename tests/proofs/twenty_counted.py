"""How are turns, memory and disk counted? What is missing and what is there twice, whether a series is flat, what grew by how much."""

import os
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

__all__ = ["astray", "cpu", "descendants", "flatness", "growth", "rss", "sizes"]

_PAGE = os.sysconf("SC_PAGE_SIZE")


def astray(wanted: Iterable[datetime], found: Sequence[datetime]) -> dict[str, int]:
    """Of moments that should each have one turn, in order: how many have none, more than one, or were never asked for, and how
    many turns came after a later one.

    >>> first, second = datetime(2024, 1, 1), datetime(2024, 1, 2)
    >>> astray([first, second], [second, second, first, datetime(2024, 1, 3)])
    {'missed': 0, 'twice': 1, 'unasked': 1, 'out_of_order': 1}
    """
    wanted, counted = set(wanted), Counter(found)
    return {
        "missed": len(wanted - set(counted)),
        "twice": sum(times > 1 for times in counted.values()),
        "unasked": len(set(counted) - wanted),
        "out_of_order": sum(after < before for before, after in zip(found, found[1:], strict=False)),
    }


def flatness(values: Sequence[float]) -> float:
    """Mean of the last quarter over that of the second: 1 is flat. The first quarter is left out: libraries load there.

    >>> flatness([1, 2, 2, 3])
    1.5
    """
    quarter = len(values) // 4
    if not quarter:
        raise ValueError(f"a series of {len(values)} has no quarters")
    return statistics.fmean(values[-quarter:]) / statistics.fmean(values[quarter : 2 * quarter])


def growth(samples: Sequence[tuple[int, Mapping[str, int]]]) -> dict[str, float]:
    """Bytes a turn, by part, from the middle of the samples (turns so far, bytes by part) to the last.

    >>> growth([(0, {"ledger": 0}), (10, {"ledger": 100}), (20, {"ledger": 300})])
    {'ledger': 20.0}
    """
    (middle, before), (last, after) = samples[len(samples) // 2], samples[-1]
    if last <= middle:
        raise ValueError(f"no turn was taken between {middle} and {last}")
    return {part: (size - before.get(part, 0)) / (last - middle) for part, size in after.items()}


def sizes(home: Path) -> dict[str, int]:
    """Bytes of each thing in a home; a database with its journal."""
    found: Counter[str] = Counter()
    for file in _files(home):
        part = file.relative_to(home).parts
        name = part[0] if part[0] != "prefect" else "prefect.db" if part[-1].startswith("prefect.db") else "prefect"
        found[name.removesuffix("-wal").removesuffix("-shm").removesuffix("-journal")] += _size(file)
    return dict(sorted(found.items()))


def _files(home: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(home):
        yield from (Path(folder) / name for name in names)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # gone between the look at the folder and the look at the file
        return 0


def rss(process: int | str) -> int:
    """Bytes of memory that a process holds; 0 once it is gone."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def cpu(process: int) -> float:
    """Seconds that a process has computed; 0 once it is gone."""
    try:
        said = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return (int(said[11]) + int(said[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError):
        return 0.0


def descendants(process: int) -> dict[int, str]:
    """Every process below, by id, with its command line."""
    below: dict[int, list[int]] = {}
    said: dict[int, str] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            said[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        below.setdefault(parent, []).append(int(folder.name))
    found, look = dict[int, str](), [process]
    while look:
        for child in below.get(look.pop(), []):
            found[child] = said[child]
            look.append(child)
    return found
