"""The report in a terminal."""

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from isogmm.views.report.facts import Facts, Outcome
from isogmm.views.report.formatting import number, seconds, signed, with_error
from isogmm.views.report.trace import blocks

#: Colors in which verdicts are highlighted.
_COLORS = {Outcome.SUCCESS: "green", Outcome.FAILURE: "red", Outcome.UNKNOWN: "yellow"}


def render(facts: Facts, *, unicode: bool = True) -> Group:
    """The report for rich; names are passed as ``Text``, so that markup in them has no effect."""
    parts: list[RenderableType] = [_verdict(facts, unicode), "", _summary(facts, unicode)]
    for table in (_modes(facts), _variables(facts), _stages(facts)):
        if table is not None:
            parts += ["", table]
    return Group(*parts)


def _verdict(facts: Facts, unicode: bool) -> Panel:
    color = _COLORS[facts.outcome]
    return Panel(
        Text.assemble((facts.verdict, f"bold {color}"), "\n", facts.advice),
        title=Text(facts.title),
        title_align="left",
        border_style=color,
        box=box.ROUNDED if unicode else box.ASCII,
    )


def _summary(facts: Facts, unicode: bool) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    for label, text in facts.rows:
        grid.add_row(label, Text(text))
    if facts.stop:
        grid.add_row("stopped", Text(facts.stop))
    line = blocks(facts.trace) if unicode else ""
    if line:
        first, last, difference = facts.trace_ends
        ends = f" {last} ({difference})"
        grid.add_row("ELBO trace", Text.assemble(f"{first} ", (line, "cyan"), ends))
    return grid


def _titled(title: str, table: Table) -> Group:
    """A heading above a table; the title of a rich table would fold to the width of the table."""
    return Group(Text(title, style="bold"), table)


def _table(*columns: str) -> Table:
    """An empty table whose first column holds names and may wrap; numbers may not."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for position, column in enumerate(columns):
        is_name = position == 0
        table.add_column(
            column,
            justify="left" if is_name else "right",
            no_wrap=not is_name,
            overflow="fold",
            header_style="dim",
        )
    return table


def _modes(facts: Facts) -> Group | None:
    if not facts.modes:
        return None
    table = _table("mode", "mass", "components")
    for name, _ in facts.modes[0].means:
        table.add_column(Text(f"mean of {name}"), justify="right", header_style="dim")
    for mode in facts.modes:
        table.add_row(
            str(mode.number),
            with_error(mode.mass, mode.mass_se),
            str(mode.num_components),
            *(f"{value:#.3g}" for _, value in mode.means),
        )
    return _titled(facts.modes_title, table)


def _variables(facts: Facts) -> RenderableType | None:
    if not facts.variables:
        return None
    if not facts.has_shifts:
        return Text(facts.no_shift, style="dim")
    table = _table(*facts.variables_header)
    for one in facts.variables:
        cells: list[RenderableType] = [
            Text(one.name),
            signed(one.mean_shift),
            signed(one.log_sd_shift),
        ]
        if facts.has_chains:
            cells += [number(one.correlation), with_error(one.drift, one.drift_se)]
        table.add_row(*cells)
    return _titled(facts.variables_title, table)


def _stages(facts: Facts) -> Group | None:
    if not facts.stages:
        return None
    table = _table("stage", "", "time", facts.evaluations)
    table.columns[1].justify, table.columns[1].style = "left", "dim"
    for name, description, time, gradients in facts.cost_rows:
        if name == "total":
            table.add_section()
        table.add_row(Text(name), Text(description), seconds(time), number(gradients, 0))
    return _titled("Cost", table)
