"""How the pages are built: `make docs`."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for _ext

project = "NAS proxy harness"
author = "NAS proxy harness contributors"
release = importlib.metadata.version("nas-proxy-harness")
version = release

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "_ext.gallery",
    "_ext.commands",
    "_ext.plain",
    "_ext.outside",
]
exclude_patterns = ["_build", "_ext"]
default_role = "literal"  # docstrings have code in single backticks

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

napoleon_numpy_docstring = False
napoleon_use_ivar = True
autodoc_class_signature = "separated"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_use_unqualified_type_names = True
maximum_signature_line_length = 80  # else one parameter a line

html_theme = "furo"
html_title = "NAS proxy harness"
html_static_path = ["_static"]
html_css_files = ["harness.css"]
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"footer_icons": [], "navigation_with_keys": True}
pygments_style = "friendly"
pygments_dark_style = "monokai"
