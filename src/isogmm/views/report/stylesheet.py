"""The style sheet of the HTML report, for light and dark pages."""

#: CSS variables of the light theme.
LIGHT = (
    "color-scheme:light;--ink:#1f2328;--quiet:#59636e;--paper:#ffffff;--rule:#d8dde3;--bar:#0072b2;"
    "--good:#116b3a;--good-paper:#e3f4ea;--bad:#a5260f;--bad-paper:#fdebe5;"
    "--other:#7a5200;--other-paper:#fdf3d8;"
    "--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#a0528a"
)
#: CSS variables of the dark theme.
DARK = (
    "color-scheme:dark;--ink:#e6e9ed;--quiet:#9aa5b1;--paper:#16191d;--rule:#363c44;--bar:#56b4e9;"
    "--good:#7fdca4;--good-paper:#173a27;--bad:#ffab94;--bad-paper:#4a1d12;"
    "--other:#f3cf7a;--other-paper:#44350f;"
    "--c0:#56b4e9;--c1:#f0905a;--c2:#3fc79f;--c3:#dd9fc6"
)
#: Jupyter, VS Code and documentation themes mark themselves as light or dark.  On other pages the
#: preference of the system is used.
STYLE = f"""
.isogmm-report{{{LIGHT};color:var(--ink);background:var(--paper);border:1px solid var(--rule);
border-radius:8px;padding:16px 20px;max-width:760px;box-sizing:border-box;
font:14px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}}
@media (prefers-color-scheme:dark){{.isogmm-report{{{DARK}}}}}
[data-jp-theme-light="true"] .isogmm-report,html[theme="light"] .isogmm-report,
[data-theme="light"] .isogmm-report,.vscode-light .isogmm-report{{{LIGHT}}}
[data-jp-theme-light="false"] .isogmm-report,html[theme="dark"] .isogmm-report,
[data-theme="dark"] .isogmm-report,.vscode-dark .isogmm-report{{{DARK}}}
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
div.isogmm-report .isogmm-costs td:nth-child(2){{text-align:left;color:var(--quiet)}}
div.isogmm-report .isogmm-costs tr:last-child td{{border-top:1px solid var(--rule)}}
:is(.text_html,.output_html):has(> .isogmm-report){{background:none!important;padding:0!important}}
div.isogmm-report .isogmm-facts td{{text-align:left;white-space:normal}}
div.isogmm-report .isogmm-facts td:first-child{{color:var(--quiet);white-space:nowrap}}
@media (max-width:480px){{div.isogmm-report .isogmm-facts td:first-child{{white-space:normal;
min-width:96px}}}}
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
