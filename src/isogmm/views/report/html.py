"""The report in a notebook: self-contained HTML in which every value is escaped."""

from collections.abc import Iterable, Sequence
from html import escape

from isogmm.views.report.facts import Facts
from isogmm.views.report.formatting import number, seconds, signed, with_error
from isogmm.views.report.stylesheet import STYLE
from isogmm.views.report.trace import svg

#: Width of a bar that stands for a share of one, in pixels.
BAR_WIDTH = 120


class _Cell(str):
    """A table cell that already is HTML."""


def render(facts: Facts) -> str:
    """One ``div`` with its own style, without scripts and without external resources."""
    rows = [*facts.rows, *([("stopped", facts.stop)] if facts.stop else [])]
    return "".join(
        (
            f'<div class="isogmm-report"><style>{STYLE}</style>',
            f'<div class="isogmm-head"><span>{escape(facts.title)}</span>'
            f"<span>{escape(facts.created_at)}</span></div>",
            f'<div class="isogmm-verdict isogmm-{facts.outcome.value}">'
            f"<b>{escape(facts.verdict)}</b><span>{escape(facts.advice)}</span></div>",
            '<table class="isogmm-facts">',
            *(f"<tr><td>{escape(label)}</td><td>{escape(text)}</td></tr>" for label, text in rows),
            "</table>",
            _trace(facts),
            _modes(facts),
            _variables(facts),
            _stages(facts),
            "</div>",
        )
    )


def _trace(facts: Facts) -> str:
    picture = svg(facts.trace, facts.trace_gradients)
    if not picture:
        return ""
    first, last, difference = facts.trace_ends
    return (
        f"<h4>ELBO trace</h4>{picture}<p>from {first} to {last} nats ({difference}) "
        f"in {number(facts.trace_gradients[-1], 0)} {facts.evaluations}</p>"
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], css_class: str = "") -> str:
    """A table; cells are escaped unless they already are HTML."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join(
        "<tr>"
        + "".join(cell if isinstance(cell, _Cell) else f"<td>{escape(cell)}</td>" for cell in row)
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="isogmm-scroll{css_class}"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _bar(share: float) -> _Cell:
    """A cell with a bar whose length is proportional to a share between 0 and 1; empty for NaN."""
    width = round(BAR_WIDTH * min(max(share, 0.0), 1.0)) if share == share else 0
    return _Cell(
        f'<td class="isogmm-bar"><span class="isogmm-share" style="width:{width}px"></span></td>'
    )


def _modes(facts: Facts) -> str:
    if not facts.modes:
        return ""
    header = ["mode", "mass", "", "components"]
    header += [f"mean of {name}" for name, _ in facts.modes[0].means]
    rows = (
        [
            str(mode.number),
            with_error(mode.mass, mode.mass_se),
            _bar(mode.mass) if facts.num_modes > 1 else "",
            str(mode.num_components),
            *(f"{value:#.3g}" for _, value in mode.means),
        ]
        for mode in facts.modes
    )
    return f"<h4>{facts.modes_title}</h4>{_table(header, rows)}"


def _variables(facts: Facts) -> str:
    if not facts.variables:
        return ""
    if not facts.has_shifts:
        return f"<p>{escape(facts.no_shift)}</p>"
    rows = (
        [
            one.name,
            signed(one.mean_shift),
            signed(one.log_sd_shift),
            *(
                [number(one.correlation), with_error(one.drift, one.drift_se)]
                if facts.has_chains
                else []
            ),
        ]
        for one in facts.variables
    )
    table = _table(facts.variables_header, rows, " isogmm-names")
    return f"<h4>{facts.variables_title}</h4>{table}"


def _stages(facts: Facts) -> str:
    if not facts.stages:
        return ""
    total = facts.cost_rows[-1][2] or 1.0
    rows = (
        [
            name,
            description,
            seconds(time),
            _bar(time / total) if name != "total" else "",
            number(gradients, 0),
        ]
        for name, description, time, gradients in facts.cost_rows
    )
    header = ["stage", "", "time", "", facts.evaluations]
    return f"<h4>Cost</h4>{_table(header, rows, ' isogmm-costs')}"
