"""What goes with what? The learning curve, calibration, losses over time, and what is taken for what."""

from collections.abc import Sequence
from html import escape

from schemas.diagnosis import Bars, Curve, Diagnosis
from tasks.drawing.plots import Plot, short
from tasks.drawing.scales import Scale, around
from tasks.drawing.words import bounds, number, percent, shown

__all__ = ["calibration", "confusion", "learning_curve", "over_time"]

_CLASSES = 8  # of more, a table is no picture: the confusions are listed
_CONFUSIONS = 12


def learning_curve(curve: Curve | None) -> str:
    """Losses against training rows, what lies ahead dashed with its band, and the floor."""
    if curve is None or not curve.rows:
        return ""
    last, here = curve.rows[-1], curve.near[-1]
    ahead = sorted((last + int(rows), gain) for rows, gain in curve.more.items())
    levels = [*curve.train, *curve.near, *(here - end for _, gain in ahead for end in gain)]
    floor = curve.floor
    y = around([*levels, *(floor or ())])
    plot = Plot(Scale(curve.rows[0], ahead[-1][0] if ahead else last * 1.0001, log=True), y)
    lows = [(last, here), *((rows, here - high) for rows, (_, _, high) in ahead)]
    middle = [(last, here), *((rows, here - gain) for rows, (_, gain, _) in ahead)]
    highs = [(last, here), *((rows, here - low) for rows, (low, _, _) in ahead)]
    near, train = list(zip(curve.rows, curve.near, strict=True)), list(zip(curve.rows, curve.train, strict=True))
    ends = (plot.x.low, plot.x.high)
    bottom = [((end, floor[0]), (end, floor[1]), (end, floor[2])) for end in ends] if floor else []
    stretched = (
        (plot.band([b[0] for b in bottom], [b[2] for b in bottom], "floor") if floor else "")
        + (plot.line([b[1] for b in bottom], "floor") if floor else "")
        + plot.band(lows, highs, "c-near")
        + plot.line(middle, "ahead c-near")
        + plot.line(train, "c-train")
        + plot.line(near, "c-near")
    )
    names = [(middle[-1][1], "rows beside", "c-near")] if ahead else []
    names += [(floor[1], "floor", "c-floor")] if floor else []
    beside = plot.name(last, curve.train[-1], "fitted rows", "c-train")
    beside += "" if ahead else plot.name(last, here, "rows beside", "c-near")
    told = [f"{rows:,} rows: {shown(loss)}" for rows, loss in near]
    figure = plot.figure(
        "loss a row",
        f"Loss on rows beside the fitted ones falls from {shown(curve.near[0])} at {curve.rows[0]:,} training rows to {shown(here)} at {last:,}.",
        stretched=stretched,
        fixed=plot.dots(train, "c-train") + plot.dots(near, "c-near", told) + plot.labels(names) + beside,
        at=[(rows, short(rows)) for rows in _apart([*curve.rows, *(rows for rows, _ in ahead)], plot.x)],
        axis="training rows",
        wide=True,
    )
    return figure + _would_give(curve)


def _apart(rows: Sequence[int], scale: Scale, least: float = 11.0) -> list[int]:
    """Those that leave each other room for a name."""
    kept: list[int] = []
    for one in sorted(rows):
        if not kept or scale.at(one) - scale.at(kept[-1]) >= least:
            kept.append(one)
    return kept


def _would_give(curve: Curve) -> str:
    more = sorted(((int(rows), gain) for rows, gain in curve.more.items()))
    said = "".join(
        f"<li>{rows:,} more rows would give {number(gain, sign=True)} of loss a row.</li>" for rows, gain in more
    )
    floor = f"<li>No amount of such rows goes below {number(curve.floor)}.</li>" if curve.floor else ""
    return f'<ul class="plain">{said}{floor}</ul>' if said or floor else ""


def calibration(diagnosis: Diagnosis) -> str:
    """What was said against what came; of a number, the prediction against the truth."""
    bars = diagnosis.calibration
    if bars is None or not bars.at:
        return ""
    ends = [*bars.at] + [value for one in bars.values for value in one]
    scale = around(ends, room=0.04)
    if all(0 <= value <= 1 for value in ends):
        scale = Scale(0.0 if scale.low < 0.2 else scale.low, min(1.0, scale.high))
    plot = Plot(scale, scale)
    points = [(at, value[1]) for at, value in zip(bars.at, bars.values, strict=True)]
    most = max(bars.rows, default=1) or 1
    fixed = (
        plot.columns([(at, rows / most) for at, rows in zip(bars.at, bars.rows, strict=True)], "count")
        + plot.whiskers([(at, value[0], value[2]) for at, value in zip(bars.at, bars.values, strict=True)], "whisker")
        + plot.dots(points, "c-judged", _told(bars))
    )
    return plot.figure(
        "what came, with its interval; on the line it came as it was said",
        f"Calibration in {len(bars.at)} bins.",
        stretched=plot.line([(scale.low, scale.low), (scale.high, scale.high)], "ideal")
        + plot.line(points, "c-judged"),
        fixed=fixed,
        axis="what the model said; grey columns: how many rows",
    )


def _told(bars: Bars) -> list[str]:
    said = []
    for at, value, rows in zip(bars.at, bars.values, bars.rows, strict=True):
        low, middle, high = bounds(value)
        said.append(f"said {shown(at)}, came {middle} [{low}, {high}], {rows:,} rows")
    return said


def over_time(diagnosis: Diagnosis) -> str:
    """Loss by stretch of time, with its band, and the mean of all as a line."""
    bars = diagnosis.over_time
    if bars is None or not bars.at:
        return ""
    level = diagnosis.loss.get("judged")
    y = around([value for one in bars.values for value in one] + ([level] if level is not None else []))
    x = around(bars.at, room=0.02)
    plot = Plot(x, y)
    points = [(at, value[1]) for at, value in zip(bars.at, bars.values, strict=True)]
    lows = [(at, value[0]) for at, value in zip(bars.at, bars.values, strict=True)]
    highs = [(at, value[2]) for at, value in zip(bars.at, bars.values, strict=True)]
    names = list(zip(bars.at, bars.labels, strict=True)) if bars.labels else None
    mean = plot.line([(x.low, level), (x.high, level)], "ideal") if level is not None else ""
    return plot.figure(
        "loss a row; the dashed line is the mean of the judged rows",
        f"Loss over {len(bars.at)} stretches of time, from {shown(points[0][1])} to {shown(points[-1][1])}.",
        stretched=plot.band(lows, highs, "c-judged") + mean + plot.line(points, "c-judged"),
        fixed=plot.dots(
            points,
            "c-judged",
            [f"{rows:,} rows: {shown(v[1])}" for rows, v in zip(bars.rows, bars.values, strict=True)],
        ),
        at=_thinned(names) if names else None,
        axis="time, the newest at the right",
    )


def _thinned(names: list[tuple[float, str]], about: int = 4) -> list[tuple[float, str]]:
    step = max(1, -(-len(names) // about))
    return names[step // 2 :: step]


def confusion(diagnosis: Diagnosis) -> str:
    """Rows by truth and decision, shaded by their share of the truth; of many classes the commonest confusions."""
    table = diagnosis.confusion
    if not table:
        return ""
    names = diagnosis.classes or tuple(str(k) for k in range(len(table)))
    if len(table) > _CLASSES:
        return _confusions(table, names)
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    body = "".join(
        f'<tr><th scope="row">{escape(names[k])}</th>{"".join(_cell(row, j, j == k) for j in range(len(row)))}</tr>'
        for k, row in enumerate(table)
    )
    return (
        f'<div class="wide"><table class="heat"><thead><tr><td><small>truth ↓ &nbsp; decision →</small></td>{head}</tr></thead>'
        f'<tbody>{body}</tbody></table></div><p class="says">Rows, and the share of the rows with that truth.</p>'
    )


def _cell(row: Sequence[int], j: int, right: bool) -> str:
    share = row[j] / sum(row) if sum(row) else 0.0
    kind = "right" if right else "off"
    return f'<td class="cell {kind}" style="--s:{55 * share:.0f}"><data value="{row[j]}">{row[j]:,}</data><small>{percent(share)}</small></td>'


def _confusions(table: Sequence[Sequence[int]], names: Sequence[str]) -> str:
    found = sorted(
        ((count, k, j) for k, row in enumerate(table) for j, count in enumerate(row) if j != k and count), reverse=True
    )
    right = sum(row[k] for k, row in enumerate(table)) / max(1, sum(map(sum, table)))
    said = "".join(
        f'<li>{escape(names[k])} taken for {escape(names[j])}: <data value="{count}">{count:,}</data> rows, '
        f"{percent(count / sum(table[k]))} of them</li>"
        for count, k, j in found[:_CONFUSIONS]
    )
    return f'<p>{percent(right)} are right. The commonest confusions:</p><ul class="plain">{said}</ul>'
