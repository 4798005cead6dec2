"""Which columns say the target too well, or only once it is known?"""

from collections.abc import Collection, Mapping, Sequence

from tasks.guesses.facts import Column, Note, Strength
from tasks.guesses.target import Target
from tasks.guesses.words import LATE, LATE_NAMES, PERHAPS_LATE, PLACES, PLANNED, bare, tokens

__all__ = ["leaks_of"]

# Real columns that are known in time seldom reach these alone; a copy, a sum or a status that follows the label does.
_AUC, _R2 = 0.985, 0.985
_FEW_ROWS, _OF_FEW = 1_000, 0.9995
_FILLED = 0.9
_STRONG_AUC, _STRONG_R2 = 0.9, 0.8
_BEFORE = frozenset({"previous", "prior", "last", "history", "past"})
_SOME_AUC, _SOME_R2 = 0.7, 0.3


def leaks_of(
    target: Target,
    columns: Mapping[str, Column],
    measured: Mapping[str, Strength],
    added: Sequence[str],
    *,
    together: Collection[str] = (),
    but: Collection[str] = (),
) -> list[Note]:
    """Suspected leaks (kind "leak": not for the recipe) and columns that are strong and stay (kind "doubt"). `together` are
    columns that are filled where the target is, and nowhere else."""
    best = sorted((s.value for n, s in measured.items() if n not in but), reverse=True)
    second = best[1] if len(best) > 1 else 0.0
    notes = []
    for name in columns:
        if name in but or name == target.name:
            continue
        if name in together:
            notes.append(
                Note(name, "leak", f"empty where {target.name} is, and filled where it is: it comes with the label")
            )
            continue
        if name not in measured:
            continue
        few = columns[name].rows < _FEW_ROWS
        note = _judged(name, target, measured[name], second, tuple(added), few=few)
        notes += [note] if note else []
    return notes


def _judged(
    name: str, target: Target, strength: Strength, second: float, added: tuple[str, ...], *, few: bool
) -> Note | None:
    number = target.task == "regression"
    sure, strong, some = (_R2, _STRONG_R2, _SOME_R2) if number else (_AUC, _STRONG_AUC, _SOME_AUC)
    sure = _OF_FEW if few else sure  # on a hundred rows a good flower measurement reaches .99
    figure, words = strength.says(target.task), set(tokens(name))
    if name in added:
        return Note(name, "leak", f"{' and '.join(added)} make {target.name} exactly")
    if strength.missing >= _FILLED:
        return Note(
            name, "leak", f"whether it is filled says the label: {'R2' if number else 'AUC'} {strength.missing:.3f}"
        )
    if strength.value >= sure:
        return Note(name, "leak", f"says {target.name} all but exactly: {figure}, from {sure} on is no coincidence")
    weak = strength.value < (0.02 if number else 0.52)
    if bare(name) in LATE_NAMES and not (weak and len(bare(name)) < 8):
        return Note(name, "leak", f"by its name it follows the event; {figure}")
    if words & LATE and not weak and not words & (PLANNED | _BEFORE):
        if words & PLACES:
            return Note(name, "doubt", f"kept: a place may be said beforehand; {figure}")
        return Note(name, "leak", f"by its name it is known with the outcome; {figure}")
    top = strength.value >= second
    if words & PERHAPS_LATE and not words & _BEFORE and top and strength.value >= some:
        return Note(
            name, "leak", f"one of the two strongest columns ({figure}), and by its name perhaps known only afterwards"
        )
    akin = words & set(tokens(target.name)) - {"is", "has", "the", "of", "total", "in", "day", "per"}
    if akin and strength.value >= strong:
        return Note(name, "leak", f"named like the target ({', '.join(sorted(akin))}) and strong: {figure}")
    if strength.value >= strong:
        return Note(name, "doubt", f"strong, and kept: {figure}, under {sure}. Is it known when the request comes?")
    if words & (PERHAPS_LATE | LATE) and strength.value >= (0.1 if number else 0.6):
        return Note(name, "doubt", f"kept, though its name is one of what comes later: {figure}")
    return None
