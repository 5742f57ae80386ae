"""How the pages are built: ``make docs``.

Notebooks have no outputs in the repository: they run while the pages are built, which takes some
minutes, and again when they have changed or after ``make clean``.  To show them as they are:
``ISOGMM_RUN_NOTEBOOKS=0 make docs``.
"""

import os
import re
import shutil
import sys
import urllib.error
import urllib.request
from importlib.metadata import version as installed
from pathlib import Path

from docutils.nodes import FixedTextElement, SkipNode, Text, literal
from docutils.utils.math.latex2mathml import tex2mathml

# Pages must lie below this folder: the notebooks are copied anew into an ignored one.
_HERE = Path(__file__).parent
shutil.rmtree(_HERE / "notebooks", ignore_errors=True)
shutil.copytree(_HERE.parent / "notebooks", _HERE / "notebooks")

project = "isogmm"
author = "The isogmm developers"
copyright = author
version = release = installed("isogmm")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
html_math_renderer = "mathml"
smartquotes_action = "D"  # dashes only: quoted messages contain code, which readers copy
highlight_language = "none"  # where a block does not name its own
exclude_patterns = ["_build", "examples"]

html_theme = "pydata_sphinx_theme"
html_title = "isogmm"
html_sidebars = {"**": ["globaltoc"]}
html_static_path = ["_static"]
html_css_files = ["isogmm.css"]
html_show_sourcelink = False
html_theme_options = {
    "navbar_center": [],  # all pages are in the sidebar
    "show_toc_level": 2,
    # Programs of 100 columns and wide tables need the width: long pages of text alone have a
    # table of contents beside them.
    "secondary_sidebar_items": {
        "**": [],
        **{page: ["page-toc"] for page in ("how_it_works", "verdict", "faq", "api")},
    },
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-light",
    "pygments_dark_style": "a11y-dark",
}

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True  # as in the source: the name of a function, not its address
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 80
python_use_unqualified_type_names = True
add_module_names = False
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_param = False
napoleon_attr_annotations = False


def answers(address: str) -> bool:
    """Whether the inventory of other pages can be loaded; without a network it cannot."""
    try:
        with urllib.request.urlopen(f"{address}/objects.inv", timeout=5):
            return True
    except (urllib.error.URLError, TimeoutError):
        return False


_OTHER_PAGES = {
    "python": "https://docs.python.org/3",
    "numpy": "https://numpy.org/doc/stable",
    "xarray": "https://docs.xarray.dev/en/stable",
    "jax": "https://docs.jax.dev/en/latest",
    "numpyro": "https://num.pyro.ai/en/stable",
    "pymc": "https://www.pymc.io/projects/docs/en/stable",
}
# An inventory that cannot be loaded is a warning of Sphinx, and warnings are errors here.
intersphinx_mapping = {n: (url, None) for n, url in _OTHER_PAGES.items() if answers(url)}

nb_execution_mode = "off" if os.environ.get("ISOGMM_RUN_NOTEBOOKS") == "0" else "cache"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_output_stderr = "remove"  # progress, and what other packages warn of
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3


def escape(app, what, name, obj, options, lines):
    """Docstrings are read in editors first: let |x| in them be what it looks like."""
    for index, line in enumerate(lines):
        pieces = re.split(r"(``.*?``)", line)  # every second one lies between backquotes
        pieces[::2] = [re.sub(r"(?<!\\)\|", r"\|", piece) for piece in pieces[::2]]
        lines[index] = "".join(pieces)


def keep_together(app, doctree):
    """A number and its percent sign stay in one line."""
    for node in list(doctree.findall(Text)):
        if " %" in node and not isinstance(node.parent, (FixedTextElement, literal)):
            node.parent.replace(node, Text(re.sub(r"(?<=\d) (?=%)", "\u00a0", node)))


#: The types of an array of NumPy or of JAX, which jaxtyping writes one after the other.
ARRAYS = re.compile(r"(~?[\w.]*\[)[\w.~]*ndarray, '([^']*)'\] \| \1~?[\w.]*Array, '\2'\]")


def signature(app, what, name, obj, options, arguments, result):
    """Signatures as readers write them.

    Defaults that are functions are left out, those that are constants are their values, and arrays
    of NumPy or JAX have one type.
    """
    if isinstance(obj, type) and issubclass(obj, tuple):
        return "", None
    if not arguments:
        return None
    if "<function" in arguments:  # Sphinx cannot read them: the docstring lists the fields
        return "(**fields)", result
    arguments, result = (ARRAYS.sub(r"\1Array, '\2']", part or "") for part in (arguments, result))
    module = sys.modules[obj.__module__]
    constant = re.compile(r"(?<== )[A-Z][A-Z_]+\b(?!\.)")
    return constant.sub(lambda name: repr(getattr(module, name[0])), arguments), result or None


def mathml(formula, **options):
    """MathML, which browsers draw by themselves: no script, nothing from elsewhere."""
    text = tex2mathml(formula, **options)
    # A little space between the name of a function and what it is of.
    return re.sub(r"(<mo>&ApplyFunction;</mo>)(?!\s*<mo)", r'\1<mspace width="0.17em"/>', text)


def inline_formula(translator, node):
    translator.body.append(mathml(node.astext()))
    raise SkipNode


def displayed_formula(translator, node):
    formula = mathml(node.astext(), as_block=True)
    translator.body.append(f'<div class="displayed-formula">{formula}</div>')
    raise SkipNode


def setup(app):
    """Escape after napoleon, which writes fields in markup of its own."""
    app.connect("autodoc-process-docstring", escape, priority=900)
    app.connect("autodoc-process-signature", signature)
    app.connect("doctree-read", keep_together)
    app.add_html_math_renderer("mathml", (inline_formula, None), (displayed_formula, None))
