"""Folders of results: claimed by protocol, and shown again from what lies in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import harness
from benchmarks.errors import InputError
from harness.report import folders

RESULTS = Path(__file__).parents[3] / "results"


@pytest.mark.parametrize(
    ("folder", "pages"),
    [
        ("nasbench201/vkdnw", ("vkdnw.md", "vkdnw.csv", "vkdnw.tex", "correlation.csv", "cost.md")),
        ("mobilenetv2/imagenet-64-10/search", ("search.md", "search.csv", "trajectory.csv")),
        ("nasbench201/cifar10", ("evaluation.md", "evaluation.csv")),
    ],
)
def test_committed_results_are_shown_again_as_they_are(
    folder: str, pages: tuple[str, ...], tmp_path: Path
) -> None:
    harness.load(RESULTS / folder).write(tmp_path)
    for name in (*pages, "environment.json"):
        shown, committed = ((at / name).read_text() for at in (tmp_path, RESULTS / folder))
        # The ranking scatter needs scores, which are not committed.
        committed = committed.replace("\n\n![ranking](ranking.png)", "")
        assert shown == committed, name


def test_a_folder_belongs_to_a_protocol(tmp_path: Path) -> None:
    folder = tmp_path / "a/b"
    folders.claim(folder, "evaluation", {"sample": 3})
    assert not folder.parent.exists()
    folders.write(folder, "evaluation", {"identity": {"sample": 3}}, ["a line"])
    folders.claim(folder, "evaluation", {"sample": 3})
    with pytest.raises(InputError, match=r"another protocol \(sample 3, not 4\); .*--force"):
        folders.claim(folder, "evaluation", {"sample": 4})
    with pytest.raises(InputError, match="another protocol"):
        folders.claim(folder, "search", {"sample": 3})
    folders.claim(folder, "evaluation", {"sample": 4}, force=True)
    (folder / "result.json").unlink()
    (folder / "evaluation.csv").write_text("x")
    with pytest.raises(InputError, match="of an unknown protocol"):
        folders.claim(folder, "evaluation", {"sample": 3})
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is no folder; choose another --out"):
        folders.claim(tmp_path / "file/x", "evaluation", {})


@pytest.mark.parametrize("content", ["", "[]", "{}", json.dumps({"format": 9}), '{"format": 1}'])
def test_a_damaged_description_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(InputError, match="is no description of results"):
        harness.load(tmp_path)
    with pytest.raises(InputError, match=r"holds no result\.json"):
        harness.load(tmp_path / "nowhere")
