"""The report in a terminal."""

from typing import Any

from rich import box
from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from isogmm.views.report.facts import Facts, number, seconds, signed, with_error
from isogmm.views.report.trace import blocks

#: What each verdict looks like; anything else is a warning.
VERDICT_STYLES = {"good": "green", "reweighted": "green", "refined": "green", "unreliable": "red"}


def render(facts: Facts, *, unicode: bool = True) -> Any:
    """Everything as rich renderables; names are texts, so markup in them stays text."""
    style = VERDICT_STYLES.get(facts.verdict, "yellow")
    verdict = Text.assemble((facts.verdict, f"bold {style}"), "\n", facts.advice)
    parts: list[Any] = [
        Panel(
            verdict,
            title=Text(facts.title),
            title_align="left",
            border_style=style,
            box=box.ROUNDED if unicode else box.ASCII,
        )
    ]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    for label, text in facts.numbers:
        grid.add_row(label, Text(text))
    if facts.stop:
        grid.add_row("stopped", Text(facts.stop))
    line = blocks(facts.trace) if unicode else ""
    if line:
        first, last = (number(float(facts.trace[i].mean())) for i in (0, -1))
        grid.add_row("ELBO trace", Text.assemble(f"{first} ", (line, "cyan"), f" {last}"))
    parts += ["", grid]
    for table in (_modes(facts), _variables(facts), _stages(facts)):
        if table is not None:
            parts += ["", table]
    return Group(*parts)


def _titled(title: str, table: Table) -> Group:
    """A heading of its own: a table's would fold to the width of the table."""
    return Group(Text(title, style="bold"), table)


def _table(*columns: str) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
    )
    for position, column in enumerate(columns):
        # Names may fold; numbers may not.
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
    where = [name for name, _ in facts.modes[0].place]
    table = _table("mode", "mass", "components")
    for name in where:
        table.add_column(Text(f"mean of {name}"), justify="right", header_style="dim")
    for mode in facts.modes:
        table.add_row(
            str(mode.number),
            with_error(mode.mass, mode.mass_se),
            str(mode.components),
            *(f"{value:#.3g}" for _, value in mode.place),
        )
    return _titled(facts.modes_title, table)


def _variables(facts: Facts) -> Any:
    if not facts.variables:
        return None
    if not facts.has_moved:
        return Text("The delivered draws are the mixture's own: nothing moved.", style="dim")
    has_chains = any(one.memory == one.memory for one in facts.variables)
    columns = ["variable", "mean, sds", "log sd"]
    columns += ["memory", "drift, sds"] if has_chains else []
    table = _table(*columns)
    for one in facts.variables:
        cells: list[Any] = [Text(one.name), signed(one.mean), signed(one.log_sd)]
        if has_chains:
            drift = with_error(one.drift, one.drift_se)
            cells += [number(one.memory), drift]
        table.add_row(*cells)
    return _titled(facts.variables_title, table)


def _stages(facts: Facts) -> Group | None:
    if not facts.stages:
        return None
    table = _table("stage", "time", "gradient evaluations")
    for stage in facts.stages:
        table.add_row(Text(stage.name), seconds(stage.seconds), number(stage.gradients, 0))
    return _titled("Cost", table)
