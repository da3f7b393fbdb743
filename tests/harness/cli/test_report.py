"""`harness report`: folders again, and tables of trained models."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli.app import main
from harness.results import Training
from tests.harness.trainings import made


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return int(stop.value.code or 0)


@pytest.mark.usefixtures("wide")
def test_a_table_of_trained_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Training.showing(made(value=71.5, epochs=3)).write(tmp_path / "results" / "mine")
    assert run("report", "uninas") == 0
    said = capsys.readouterr().out
    assert "71.50 [1]" in said
    assert "[1] not the paper's training: 3 epochs, not 150" in said
    assert "81.15" in said
    folder = tmp_path / "harness-out/uninas/trained/uninas"
    names = {"uninas.csv", "uninas.md", "uninas.tex", "result.json", "environment.json"}
    assert {path.name for path in folder.iterdir()} == names
    # Elsewhere there is nothing.
    (tmp_path / "empty").mkdir()
    assert run("report", "uninas", "--trained", tmp_path / "empty", "--out", tmp_path / "t") == 0
    assert "71.50" not in capsys.readouterr().out
    assert (tmp_path / "t" / "uninas.md").is_file()


def test_a_training_is_drawn_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Training.showing(made(epochs=2)).write(tmp_path)
    (tmp_path / "curve.png").unlink()
    assert run("report", tmp_path) == 0
    assert "curve.png" in capsys.readouterr().out
    assert (tmp_path / "curve.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("unina",), "no results in unina, and no table of trained models is called so (did you"),
        (("uninas", "--trained", "nowhere"), "no folder nowhere"),
        ((".",), "holds no result.json"),
    ],
)
def test_one_clear_message(
    arguments: tuple[str, ...], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert run("report", *arguments) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "harness-out").exists()
