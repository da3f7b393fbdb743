"""The community's score files: NAS-Bench-Suite-Zero's JSON and the CSV `net,net_str,<proxies>`.

JSON (Krishnakumar et al., "NAS-Bench-Suite-Zero", NeurIPS 2022, arXiv:2210.03230):
`{dataset: {arch: {proxy: {"score": x, "time": seconds}, ..., "val_accuracy": percent}}}`, and the
flat older form without the outermost level; a bare number may stand for `{"score": x}`.

CSV: a row an architecture; `net` (operation codes or a row number) and `net_str` (the
architecture string) name it, `val_accs` or `val_accuracy` is an accuracy, every other column a
proxy; an empty cell is no score.

Files come from strangers: they are read as plain JSON and CSV, sizes and types are checked.
"""

from harness.scores.exchange.agreement import compare
from harness.scores.exchange.csv_form import write_csv
from harness.scores.exchange.json_form import write_json
from harness.scores.exchange.reading import read
from harness.scores.exchange.score_file import ScoreFile
from harness.scores.exchange.storing import keep, label_of, of_records

__all__ = [
    "ScoreFile",
    "compare",
    "keep",
    "label_of",
    "of_records",
    "read",
    "write_csv",
    "write_json",
]
