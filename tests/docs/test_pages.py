"""What the pages show is what happens: their code is run, page by page."""

from __future__ import annotations

import linecache
import re
import shlex
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest

from harness.cli.app import main
from harness.proxies import PROXIES
from harness.scoring import plugins
from tests.docs.blocks import Block, code_blocks, commands

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
#: Languages of what is shown and cannot be run: data, settings, output.
SHOWN = ("text", "toml", "yaml", "json", "csv", "bibtex", "html")
#: The first line of Python that is a file: it is written, not run.
_FILE = re.compile(r"# ([\w-]+\.py)\n")


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder to run a page in; the proxies that it registers are gone after it."""
    list(PROXIES)  # the real ones register themselves on first use
    monkeypatch.setattr(PROXIES, "_entries", dict(PROXIES._entries))
    monkeypatch.setattr(PROXIES, "_aliases", dict(PROXIES._aliases))
    monkeypatch.setattr(plugins, "_loaded", set(plugins._loaded))
    monkeypatch.setenv(plugins.VARIABLE, "")
    monkeypatch.setitem(mpl.rcParams, "backend", "Agg")
    place = tmp_path / "page"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_runs(page: Path, folder: Path) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in code_blocks(page.read_text()):
        if block.excuse is not None or block.language in SHOWN:
            continue
        where = f"{page.name}:{block.line}"
        if block.language == "python":
            run_python(block, namespace, where, folder)
        elif block.language == "console":
            run_commands(block, where)
        else:
            pytest.fail(
                f"{where}: a block of {block.language or 'no language'} is neither run nor "
                f"excused; make it python or console, name it one of {', '.join(SHOWN)}, or say "
                "before it: % not run: reason"
            )


def run_python(block: Block, namespace: dict[str, Any], where: str, folder: Path) -> None:
    """Run a block, or write the file that it is."""
    named = _FILE.match(block.text)
    if named:
        (folder / named[1]).write_text(block.text)
        return
    # As in a notebook, a function can be asked for its source.
    lines = block.text.splitlines(keepends=True)
    linecache.cache[f"<{where}>"] = (len(block.text), None, lines, f"<{where}>")
    exec(compile(block.text, f"<{where}>", "exec", dont_inherit=True), namespace)


def run_commands(block: Block, where: str) -> None:
    """Run the block's commands, each of which has to succeed."""
    found = commands(block.text)
    assert found, f"{where}: a console block without a line that begins with '$ '"
    for command in found:
        program, *arguments = shlex.split(command, comments=True)
        if program != "harness":
            pytest.fail(f"{where}: only harness is run; say before the block: % not run: reason")
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert not stopped.value.code, f"{where}: exit code {stopped.value.code} of: {command}"


def test_every_page_is_in_the_contents() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    trees = "".join(re.findall(r"```\{toctree\}\n(.*?)```", index, re.DOTALL))
    listed = {line for line in trees.splitlines() if line and not line.startswith(":")}
    there = {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index"}
    assert there <= listed


def test_excuses_and_languages_are_read() -> None:
    page = """\
<!-- not run: needs a GPU -->
```python
run()
```

```console
$ harness list paths
```

:::{note}
text
:::

````{tip}
% not run: a day
```{code-block} console
$ make results
```
````

    indented
"""
    found = [(block.language, block.line, block.excuse) for block in code_blocks(page)]
    assert found == [
        ("python", 2, "needs a GPU"),
        ("console", 6, None),
        ("console", 16, "a day"),
        ("", 21, None),
    ]
