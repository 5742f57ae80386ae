"""The report in a notebook: self-contained, light and dark, every value escaped."""

from collections.abc import Iterable, Sequence
from html import escape

from isogmm.views.report.facts import Facts, number, seconds, signed, with_error
from isogmm.views.report.trace import svg

_LIGHT = (
    "color-scheme:light;--ink:#1f2328;--quiet:#59636e;--paper:#ffffff;--rule:#d8dde3;--bar:#0072b2;"
    "--good:#116b3a;--good-paper:#e3f4ea;--bad:#a5260f;--bad-paper:#fdebe5;"
    "--other:#7a5200;--other-paper:#fdf3d8;"
    "--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#a0528a"
)
_DARK = (
    "color-scheme:dark;--ink:#e6e9ed;--quiet:#9aa5b1;--paper:#16191d;--rule:#363c44;--bar:#56b4e9;"
    "--good:#7fdca4;--good-paper:#173a27;--bad:#ffab94;--bad-paper:#4a1d12;"
    "--other:#f3cf7a;--other-paper:#44350f;"
    "--c0:#56b4e9;--c1:#f0905a;--c2:#3fc79f;--c3:#dd9fc6"
)
# Jupyter, VS Code and documentation themes say themselves which they are; elsewhere the
# system's preference counts.
_STYLE = f"""
.isogmm-report{{{_LIGHT};color:var(--ink);background:var(--paper);border:1px solid var(--rule);
border-radius:8px;padding:16px 20px;max-width:760px;box-sizing:border-box;
font:14px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}}
@media (prefers-color-scheme:dark){{.isogmm-report{{{_DARK}}}}}
[data-jp-theme-light="true"] .isogmm-report,html[theme="light"] .isogmm-report,
[data-theme="light"] .isogmm-report,.vscode-light .isogmm-report{{{_LIGHT}}}
[data-jp-theme-light="false"] .isogmm-report,html[theme="dark"] .isogmm-report,
[data-theme="dark"] .isogmm-report,.vscode-dark .isogmm-report{{{_DARK}}}
div.isogmm-report .isogmm-head{{display:flex;justify-content:space-between;align-items:baseline;
gap:12px;color:var(--quiet);font-size:12px;margin:0 0 8px}}
div.isogmm-report .isogmm-verdict{{border-radius:6px;padding:10px 14px;margin:0 0 14px;
color:var(--other);background:var(--other-paper)}}
div.isogmm-report .isogmm-good{{color:var(--good);background:var(--good-paper)}}
div.isogmm-report .isogmm-bad{{color:var(--bad);background:var(--bad-paper)}}
div.isogmm-report .isogmm-verdict b{{font-size:16px;display:block}}
div.isogmm-report .isogmm-verdict span{{color:var(--ink)}}
div.isogmm-report h4{{font-size:13px;font-weight:600;margin:16px 0 4px;color:var(--ink)}}
div.isogmm-report p{{margin:4px 0;font-size:13px;color:var(--quiet)}}
div.isogmm-report .isogmm-scroll{{overflow-x:auto}}
div.isogmm-report tr{{background:transparent!important}}
div.isogmm-report table{{table-layout:auto;border-collapse:collapse;margin:0;
font-size:13px;color:var(--ink);background:transparent;border:0}}
div.isogmm-report th,div.isogmm-report td{{padding:3px 16px 3px 0;text-align:right;border:0;
vertical-align:top;
background:transparent;color:var(--ink);white-space:nowrap;font-variant-numeric:tabular-nums}}
div.isogmm-report th{{color:var(--quiet);font-weight:400;border-bottom:1px solid var(--rule)}}
div.isogmm-report td:first-child,div.isogmm-report th:first-child{{text-align:left}}
div.isogmm-report .isogmm-names td:first-child{{white-space:normal;overflow-wrap:anywhere;
min-width:120px;max-width:320px}}
div.isogmm-report .isogmm-facts td{{text-align:left;white-space:normal}}
div.isogmm-report .isogmm-facts td:first-child{{color:var(--quiet);white-space:nowrap}}
div.isogmm-report .isogmm-share{{display:inline-block;height:8px;border-radius:2px;
background:var(--bar)}}
div.isogmm-report td.isogmm-bar{{text-align:left;min-width:120px;vertical-align:middle}}
div.isogmm-report .isogmm-trace{{width:100%;max-width:420px;height:auto;display:block}}
div.isogmm-report .isogmm-chain{{fill:none;stroke-width:1.6;stroke-linejoin:round}}
div.isogmm-report .isogmm-axis{{stroke:var(--rule);stroke-width:1}}
div.isogmm-report .isogmm-chain-0{{stroke:var(--c0)}}
div.isogmm-report .isogmm-chain-1{{stroke:var(--c1)}}
div.isogmm-report .isogmm-chain-2{{stroke:var(--c2)}}
div.isogmm-report .isogmm-chain-3{{stroke:var(--c3)}}
""".strip()

_KINDS = {"good": "good", "reweighted": "good", "refined": "good", "unreliable": "bad"}


def render(facts: Facts) -> str:
    """One ``div`` with its own style, no script and nothing from outside."""
    kind = _KINDS.get(facts.verdict, "other")
    rows = [*facts.numbers, *([("stopped", facts.stop)] if facts.stop else [])]
    return "".join(
        (
            f'<div class="isogmm-report"><style>{_STYLE}</style>',
            f'<div class="isogmm-head"><span>{escape(facts.title)}</span>'
            f"<span>{escape(facts.created_at)}</span></div>",
            f'<div class="isogmm-verdict isogmm-{kind}"><b>{escape(facts.verdict)}</b>'
            f"<span>{escape(facts.advice)}</span></div>",
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
    first, last = facts.trace[0].mean(), facts.trace[-1].mean()
    return (
        f"<h4>ELBO trace</h4>{picture}<p>from {number(float(first))} to {number(float(last))} nats "
        f"in {facts.trace_gradients[-1]:,.0f} gradient evaluations</p>"
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """A table of text, escaped; cells that are HTML already have a type of their own."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join(
        "<tr>"
        + "".join(cell if isinstance(cell, _Cell) else f"<td>{escape(cell)}</td>" for cell in row)
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="isogmm-scroll{kind}"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


class _Cell(str):
    """A cell that is HTML already."""


def _bar(share: float) -> _Cell:
    width = round(120 * min(max(share, 0.0), 1.0))
    return _Cell(
        f'<td class="isogmm-bar"><span class="isogmm-share" style="width:{width}px"></span></td>'
    )


def _modes(facts: Facts) -> str:
    if not facts.modes:
        return ""
    header = ["mode", "mass", "", "components"]
    header += [f"mean of {name}" for name, _ in facts.modes[0].place]
    rows = (
        [
            str(mode.number),
            with_error(mode.mass, mode.mass_se),
            _bar(mode.mass) if facts.num_modes > 1 else "",
            str(mode.components),
            *(f"{value:#.3g}" for _, value in mode.place),
        ]
        for mode in facts.modes
    )
    return f"<h4>{facts.modes_title}</h4>{_table(header, rows)}"


def _variables(facts: Facts) -> str:
    if not facts.variables:
        return ""
    if not facts.has_moved:
        return "<p>The delivered draws are the mixture's own: nothing moved.</p>"
    has_chains = any(one.memory == one.memory for one in facts.variables)
    header = ["variable", "mean, sds", "log sd", *(["memory", "drift, sds"] * has_chains)]
    rows = (
        [
            one.name,
            signed(one.mean),
            signed(one.log_sd),
            *([number(one.memory), with_error(one.drift, one.drift_se)] * has_chains),
        ]
        for one in facts.variables
    )
    return f"<h4>{facts.variables_title}</h4>{_table(header, rows, ' isogmm-names')}"


def _stages(facts: Facts) -> str:
    if not facts.stages:
        return ""
    total = sum(stage.seconds for stage in facts.stages) or 1.0
    rows = (
        [
            stage.name,
            seconds(stage.seconds),
            _bar(stage.seconds / total),
            number(stage.gradients, 0),
        ]
        for stage in facts.stages
    )
    return f"<h4>Cost</h4>{_table(['stage', 'time', '', 'gradient evaluations'], rows)}"
