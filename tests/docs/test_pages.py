"""The pages, the README and CONTRIBUTING say what is true: their code and commands run."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs import pages

#: Commands that are only shown: they install, download, or take long.
NOT_RUN = {
    "make",
    "source",
    "harness report my_results",
    "harness data fetch",
    "harness data import",
    "harness eval vkdnw nwot --benchmark nasbench101",
    "harness eval vkdnw --against nwot --sample 100",
    "harness search params vkdnw_agg az_nas --space mobilenetv2",
    "harness search vkdnw.entropy --algorithm walk --space uninas",
    "harness build model_coatnet.json",
    "pip install nas-proxy-harness[train]",
    "torchrun",
    "harness train",
    "harness truth make",
    "harness truth scores",
    "harness import-scores little.json",
    "harness eval params flops nwot vkdnw --truth",
    "harness eval train_little@little",
}
#: What several pages score, so that it is scored once.
SCORED = "harness score vkdnw nwot --sample 20 --batch-size 8"
RUN = [page for page in pages.PAGES if pages.has_something_to_run(page)]


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the scores of the first command."""
    folder = tmp_path_factory.mktemp("scored")
    _run(["-m", *SCORED.split()], folder)
    return folder / "scores.sqlite"


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_code_and_commands_of_a_page(page: Path, scored: Path, tmp_path: Path) -> None:
    shutil.copy(scored, tmp_path)
    _run(["-m", "tests.docs.pages", str(page)], tmp_path)


def _run(arguments: list[str], folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=pages.environment(folder),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_blocks_excuses_and_lines_are_found() -> None:
    text = """\
<!-- not run: needs a GPU -->
```python
run()
```

```console
$ harness list paths
```

````{tip}
% not run: a day
```{code-block} console
$ make results
```
````

    indented
"""
    found = [(block.kind, block.line, block.reason) for block in pages.blocks_of(text)]
    assert found == [
        ("python", 3, "needs a GPU"),
        ("console", 7, ""),
        ("console", 13, "a day"),
        ("", 17, ""),
    ]


@pytest.mark.parametrize("block", ["```bash\nmake\n```\n", "    make\n", "```\nmake\n```\n"])
def test_a_block_that_cannot_be_run_is_no_secret(block: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"Text.\n\n{block}")
    with pytest.raises(AssertionError, match=r"page.md:\d: .* neither run nor excused"):
        pages.run(page)


def test_no_block_is_left_out() -> None:
    known = {"python", "console", *pages.SHOWN}
    unknown = [
        f"{page.name}:{block.line}"
        for page in pages.PAGES
        for block in pages.blocks(page)
        if block.kind not in known and not block.reason
    ]
    assert not unknown


def test_commands_that_are_not_run_are_listed() -> None:
    shown = [
        " ".join(command.words)
        for page in pages.PAGES
        for block in pages.blocks(page)
        if block.reason
        for command in pages.commands(block.body)
    ]
    assert shown
    unlisted = [text for text in shown if not any(text.startswith(known) for known in NOT_RUN)]
    assert not unlisted
    assert all(any(text.startswith(known) for text in shown) for known in NOT_RUN)


def test_the_readme_is_one_page() -> None:
    lines = (pages.ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 130


def test_tables_of_the_readme_are_the_results() -> None:
    """Every row of figures stands in the evaluation that the README names."""
    text = (pages.ROOT / "README.md").read_text(encoding="utf-8")
    evaluation = pages.ROOT / "results" / "nasbench201" / "cifar10" / "evaluation.md"
    written = evaluation.read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\w.]+) \|(.*)\|$", text, re.M)
    figures = [(name, re.findall(r"-?\d\.\d{3} \[[^\]]*\]", cells)) for name, cells in rows]
    assert [name for name, found in figures if found]
    for name, found in figures:
        line = re.search(rf"^\| {re.escape(name)} \|.*$", written, re.M)
        assert not found or line is not None, name
        assert line is None or all(figure in line[0] for figure in found), name
