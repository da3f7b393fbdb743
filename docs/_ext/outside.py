"""Links of pages to Markdown files outside of the pages, which the repository's viewer follows.

`[security](../SECURITY.md)` is a link there. Here it leads to the page that shows the file, where
there is one, else to the file itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

#: Pages by the file of the repository that they stand for.
PAGES = {"README.md": "index", "CONTRIBUTING.md": "contributing"}


class OutsideLinks(SphinxTransform):
    """Resolve references to Markdown files that are no pages."""

    default_priority = 500

    def apply(self, **_: Any) -> None:
        """Change the page."""
        root = Path(self.env.srcdir).parent
        for link in list(self.document.findall(addnodes.pending_xref)):
            file = Path(f"{link['reftarget']}.md")
            # MyST names a file that is no page by its whole path.
            if link.get("refdomain") != "doc" or not file.is_absolute() or not file.is_file():
                continue
            page = PAGES.get(str(file.relative_to(root)))
            if page is None:
                link.replace_self(_file(link, root, file))
            else:
                link["reftarget"] = page


def _file(link: nodes.Element, root: Path, file: Path) -> nodes.Element:
    target = f"/../{file.relative_to(root)}"
    return addnodes.download_reference("", "", *link.children, reftarget=target)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the transform."""
    app.add_transform(OutsideLinks)
    return {"parallel_read_safe": True}
