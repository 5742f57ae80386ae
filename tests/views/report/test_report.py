"""The content of the report, as text and as HTML, also for hostile and for partial results."""

import html.parser
import io
import re

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

import isogmm
from helpers.results import fitted
from isogmm import inference_data as idt
from isogmm.errors import OptionError
from isogmm.views.report import facts, formatting, stylesheet, trace

#: Markup of HTML and of rich, and a sequence that would color a terminal.
HOSTILE = "<script>alert('x')</script>&[red]\x1b[31m"


class Outline(html.parser.HTMLParser):
    """Tags, attributes and text of a document; fails if tags do not close in order."""

    VOID = ("br", "img", "hr", "meta", "link", "input")

    def __init__(self, document):
        super().__init__()
        self.tags, self.attributes, self.texts, self.open = [], [], [], []
        self.feed(document)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope="module")
def idata():
    return fitted()


def test_the_text_contains_all_facts(idata):
    text = str(isogmm.report(idata))
    for piece in (
        "refined",
        "Use the draws like those of MCMC.",
        "-30.010 ± 0.020",
        "-29.800 ± 0.030",
        "4 chains × 250, drawn by parallel HMC chains",
        "The ELBO no longer improved by more than its noise.",
        "Pareto k",
        "0.62",
        "0.500 ± 0.010",
        "mean of theta[A]",
        "locate",
        "19,200",
        "25,000",
    ):
        assert piece in text, piece
    # The variable with the largest shift comes first.
    table = text[text.index("Largest differences") :]
    assert table.index("tau ") < table.index("theta[A] ")
    assert re.search(r"tau\s+-0\.31\s+\+0\.42\s+0\.12\s+-0\.140 ± 0\.020", text)
    assert any(block in text for block in trace.BLOCKS)
    assert "\x1b" not in text
    assert max(len(line) for line in text.splitlines()) <= 96


def test_a_prompt_shows_the_text_and_rich_shows_color(idata, capsys):
    report = isogmm.report(idata)
    assert repr(report) == str(report)  # no terminal here
    stream = io.StringIO()
    Console(file=stream, force_terminal=True, width=96).print(report)
    assert "\x1b[" in stream.getvalue()
    print(report)
    assert capsys.readouterr().out.strip() == str(report)
    assert (report.verdict, report.advice) == ("refined", "Use the draws like those of MCMC.")


def test_a_terminal_gets_color_at_the_prompt(idata, monkeypatch):
    stream = io.StringIO()
    stream.isatty = lambda: True
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    report = isogmm.report(idata)
    assert "\x1b[" in repr(report)
    assert "\x1b" not in str(report)


def test_an_encoding_without_block_characters_is_enough(idata, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", stream)
    text = str(isogmm.report(idata))
    assert text.isascii()
    assert "refined" in text


def test_the_html_contains_all_facts(idata):
    outline = Outline(isogmm.report(idata)._repr_html_())
    text = " ".join(outline.texts)
    for piece in ("refined", "Use the draws", "-0.31", "0.500 ± 0.010", "theta[A]", "19,200"):
        assert piece in text, piece
    assert outline.tags.count("polyline") == 4  # one a chain


def test_the_html_is_self_contained_in_light_and_dark(idata):
    document = isogmm.report(idata)._repr_html_()
    outline = Outline(document)
    assert not {"script", "link", "img", "iframe", "object", "embed"} & set(outline.tags)
    names = {name for name, _ in outline.attributes}
    assert not {"src", "href", "srcset", "xlink:href"} & names
    assert not any(name.startswith("on") for name in names)
    assert re.findall(r"https?:|//\w|url\(|@import", document) == []
    assert "prefers-color-scheme:dark" in document
    assert 'data-jp-theme-light="false"' in document


def test_dark_and_light_name_the_same_colors_and_can_be_read():
    def luminance(color):
        parts = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        parts = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(parts @ [0.2126, 0.7152, 0.0722])

    themes = [
        dict(re.findall(r"--([\w-]+):(#\w{6})", text))
        for text in (stylesheet.LIGHT, stylesheet.DARK)
    ]
    assert set(themes[0]) == set(themes[1])
    pairs = [("ink", "paper"), ("quiet", "paper"), ("good", "good-paper")]
    pairs += [("bad", "bad-paper"), ("other", "other-paper"), ("ink", "bad-paper")]
    for theme in themes:
        for front, back in pairs:
            light, dark = sorted((luminance(theme[front]), luminance(theme[back])), reverse=True)
            # The minimum contrast of text in accessibility guidelines (WCAG 2, level AA).
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (front, back)


def test_hostile_names_and_texts_stay_text():
    idata = fitted(
        (HOSTILE.replace("/", ""), "tau"),
        attributes={"verdict": HOSTILE, "advice": HOSTILE, "draws_from": HOSTILE},
        tables={"mean_shift": (("coordinate",), np.array([5.0, 0.0, 0.0, 0.0]))},
    )
    report = isogmm.report(idata)
    document = report._repr_html_()
    outline = Outline(document)
    assert "script" not in outline.tags
    assert "&lt;script&gt;" in document
    assert "<script>alert('x')<script>&[red] [31m" in outline.texts
    text = str(report)
    assert "\x1b" not in text
    assert "[red]" in text


@pytest.mark.parametrize("source", ["mode_mean", "stage"])
def test_hostile_coordinates_and_stages_stay_text(source):
    if source == "stage":
        idata = fitted(attributes={"stage_seconds": '{"<img src=x onerror=alert(1)>": 1.0}'})
    else:
        idata = fitted(("<b>mu</b>".replace("/", ""), "<i>"), num_modes=3)
    outline = Outline(isogmm.report(idata)._repr_html_())
    assert not {"img", "i"} & set(outline.tags)
    assert outline.tags.count("b") == 1  # that of the verdict
    assert "[" in str(isogmm.report(idata))


def test_a_partial_result_is_reported_as_far_as_it_goes(idata):
    fit = idt.get_group(idata, "fit")[["means", "variances", "weights"]]
    bare = idt.from_groups({"fit": fit})
    report = isogmm.report(bare)
    assert report.verdict == "unknown"
    assert "no verdict" in str(report)
    assert "ELBO trace" not in report._repr_html_()
    Outline(report._repr_html_())


def test_draws_of_the_mixture_have_no_table_of_variables():
    zeros = (("coordinate",), np.zeros(4))
    report = isogmm.report(fitted(tables={"mean_shift": zeros, "log_sd_shift": zeros}))
    assert "no variable differs" in str(report)
    assert "no variable differs" in report._repr_html_()


def test_values_that_are_not_finite_do_not_break_the_report():
    history = {
        "elbo": np.full((3, 4), np.nan),
        "elbo_se": np.full((3, 4), np.nan),
        "gradient_evaluations": np.arange(3),
    }
    idata = fitted(
        history=history,
        attributes={"log_evidence": float("nan"), "pareto_k": float("inf"), "elbo": float("nan")},
        tables={"log_sd_shift": (("coordinate",), np.array([np.inf, np.nan, 0.0, 0.0]))},
    )
    report = isogmm.report(idata)
    assert "not reported" in str(report)
    assert "polyline" not in Outline(report._repr_html_()).tags
    assert "nan" not in str(report)


def test_long_tables_are_cut_and_the_total_is_shown():
    text = str(isogmm.report(fitted(num_modes=6)))
    assert text.count("0.167 ± 0.010") == 6
    names = [f"x[{i}]" for i in range(30)]
    fit = xr.Dataset(
        {
            "mean_shift": ("coordinate", np.arange(30.0)),
            "log_sd_shift": ("coordinate", np.zeros(30)),
            "mode_mass": ("mode", np.full(20, 0.05)),
        },
        coords={"coordinate": names, "mode": np.arange(20)},
    )
    text = str(isogmm.report(idt.from_groups({"fit": fit})))
    assert f"({facts.MAX_VARIABLES} of 30)" in text
    assert f"Modes ({facts.MAX_MODES} of 20)" in text
    assert "x[29]" in text
    assert "x[0]" not in text


@pytest.mark.long
def test_a_reloaded_result_reports_the_same(idata, tmp_path):
    idt.save(idata, tmp_path / "fit.nc")
    reloaded = isogmm.report(idt.load(tmp_path / "fit.nc"))
    assert str(reloaded) == str(isogmm.report(idata))
    assert reloaded._repr_html_() == isogmm.report(idata)._repr_html_()


def test_other_results_are_refused():
    other = idt.from_groups(
        {"posterior": xr.Dataset({"mu": (("chain", "draw"), np.zeros((2, 5)))})},
        {"inference_library": "numpyro"},
    )
    with pytest.raises(OptionError, match="numpyro"):
        isogmm.report(other)


def test_standard_errors_set_the_digits():
    assert formatting.with_error(1.23456, 0.0123) == "1.235 ± 0.012"
    assert formatting.with_error(1234.5, 20.0) == "1,234 ± 20"
    assert formatting.with_error(2.0, float("nan")) == "2.00"
    assert formatting.with_error(float("nan"), 1.0) == "–"


def test_the_initial_climb_does_not_flatten_the_trace():
    steep = np.r_[-1e6, -40.0, -32.0, -31.0, -30.5, -30.2][:, None]
    low, high = trace.limits(steep)
    assert high == -30.2
    assert low > -60
    assert len(set(trace.blocks(steep))) >= 3


@pytest.mark.usefixtures("in_a_notebook")
def test_in_a_notebook_the_text_is_returned_and_nothing_is_written(idata, capsys):
    text = str(isogmm.report(idata))
    assert "ELBO" in text
    assert capsys.readouterr().out == ""


@pytest.fixture
def in_a_notebook(monkeypatch):
    """Make rich believe that it runs in a notebook."""
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)


# --- the user's labels, the delivered draws, costs ----------------------------------------------


def test_diagnostics_of_the_mixture_and_of_the_delivered_draws_are_told_apart(idata):
    for text in (str(isogmm.report(idata)), " ".join(Outline(html_of(idata)).texts)):
        assert re.search(r"mixture before refinement\s+Pareto k 0\.62, importance ESS 1,234", text)
        largest = re.search(r"R-hat of the draws\s+at most (\S+) \((\S+)\)", text)
        smallest = re.search(r"ESS of the draws\s+at least (\S+) \((\S+)\)", text)
        posterior = idt.get_group(idata, "posterior")
        draws = np.dstack([posterior["mu"], posterior["tau"], posterior["theta"]])
        names = ["mu", "tau", "theta[A]", "theta[B]"]
        rhats, sizes = idt.rhat(draws), idt.ess(draws)
        assert largest.groups() == (f"{rhats.max():.2f}", names[rhats.argmax()])
        assert smallest.groups() == (f"{sizes.min():,.0f}", names[sizes.argmin()])


@pytest.mark.parametrize(
    ("source", "label"),
    [("mixture", "importance weights of the draws"), ("importance", "mixture before reweighting")],
)
def test_importance_weights_say_what_they_describe(source, label):
    text = str(isogmm.report(fitted(attributes={"draws_from": source})))
    assert re.search(rf"{label}\s+Pareto k 0\.62", text)


def test_the_rhat_of_the_fit_counts_if_it_is_larger():
    attributes = {"rhat_max": 1.42, "rhat_max_name": "theta[B]"}
    assert "at most 1.42 (theta[B])" in str(isogmm.report(fitted(attributes=attributes)))


def test_few_of_many_variables_are_examined_and_the_report_says_so(idata):
    draws = np.random.default_rng(0).normal(size=(2, 20, 1000))
    many = idt.add_group(
        idata.copy(),
        "posterior",
        xr.Dataset(
            {
                "x": (("chain", "draw", "unit"), draws),
                "flag": (("chain", "draw"), draws[..., 0] > 0),
            }
        ),
    )
    assert "200 of 1,001 variables examined" in str(isogmm.report(many))


def test_components_are_counted_by_chain(idata):
    assert re.search(r"components\s+24 \(4 chains × 6\)", str(isogmm.report(idata)))


def test_a_single_mode_has_no_table_of_modes():
    idata = fitted(num_modes=1)
    assert "mass" not in str(isogmm.report(idata))
    assert "<h4>Modes" not in html_of(idata)


def test_costs_have_a_total_and_old_files_a_row_for_the_rest(idata):
    assert re.search(r"total\s+1\.50 s\s+24,200", str(isogmm.report(idata)))
    text = str(isogmm.report(fitted(attributes={"sampling_time": 4.0})))
    assert re.search(r"other\s+everything else\s+2\.50 s", text)
    assert re.search(r"total\s+4\.00 s", text)


@pytest.mark.parametrize(
    ("first", "last", "shown"),
    [
        (-32.34, -31.84, ("-32.34", "-31.84", "+0.50")),
        (-82.24, -82.2389, ("-82.2400", "-82.2389", "+0.0011")),
        (-1.0, -1.0, ("-1.00", "-1.00", "+0.00")),
        (-1e5, -1e5 + 2e-9, ("-100,000.000000", "-100,000.000000", "+0.000000")),
        (float("nan"), -1.0, ("–", "-1.00", "–")),
    ],
)
def test_a_small_change_of_the_elbo_has_digits(first, last, shown):
    assert formatting.change(first, last) == shown


def test_the_change_of_the_elbo_is_in_both_reports():
    elbo = np.array([-30.0, -29.9995])[:, None] * np.ones(4)
    history = {"elbo": elbo, "elbo_se": 0 * elbo, "gradient_evaluations": np.arange(2)}
    idata = fitted(history=history)
    assert "-29.99950 (+0.00050)" in str(isogmm.report(idata))
    assert "from -30.00000 to -29.99950 nats (+0.00050)" in html_of(idata)


def html_of(idata):
    return isogmm.report(idata)._repr_html_()
