"""Score files of every form, by the ending of their names."""

from __future__ import annotations

from pathlib import Path

from benchmarks.errors import InputError
from benchmarks.types import SearchSpace
from harness.scores.exchange.csv_form import read_csv
from harness.scores.exchange.json_form import read_json
from harness.scores.exchange.score_file import ScoreFile

_READERS = {".json": read_json, ".csv": read_csv}
_MAX_BYTES = 1 << 30


def read(path: Path, space: SearchSpace, dataset: str | None = None) -> ScoreFile:
    """Read a score file.

    Args:
        path: .json or .csv, in the forms above.
        space: Reads the names of architectures: strings, indices, codes or hashes.
        dataset: Which dataset of the file, or what a file that does not say is about. Default:
            the only one of the file.

    Raises:
        InputError: The file is unreadable, of another form or empty; the dataset is unknown,
            absent or not said; an architecture is malformed or stands twice; a score is no
            number. The message names file, entry and remedy.
    """
    if dataset is not None:
        dataset = space.dataset(dataset).name
    if path.suffix not in _READERS:
        raise InputError(f"cannot read scores from {path}: the name must end in .json or .csv")
    try:
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise InputError(
                f"{path} has {size:,} bytes, more than the {_MAX_BYTES:,} that a score file may "
                "have; split it by dataset"
            )
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"cannot read the score file {path}: {error}; name a .json or .csv in UTF-8"
        ) from error
    if not text.strip():
        raise InputError(f"{path} is empty; fetch or export it again")
    return _READERS[path.suffix](path, text, space, dataset)
