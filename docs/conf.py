"""How the pages are built: make docs."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

project = "NAS proxy harness"
author = "The NAS proxy harness maintainers"
copyright = "The NAS proxy harness maintainers"  # noqa: A001 - Sphinx' name

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "_ext.commands",
    "_ext.docstrings",
    "_ext.gallery",
    "_ext.results",
    "_ext.trainings",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

# Docstrings put code into single backticks, and types into the signature.
default_role = "code"
autodoc_typehints = "signature"
python_use_unqualified_type_names = True
# Nobody makes a result: what it holds stands in the text.
autodoc_class_signature = "separated"
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 80

html_theme = "furo"
html_title = "NAS proxy harness"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
