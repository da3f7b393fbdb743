"""Names and keys of scores that came from somebody else's file: `nwot@zc_nasbench201`."""

from __future__ import annotations

from harness.scores.store import Key

#: Input and initialisation of imported scores: what they really were, the file does not say.
IMPORTED = "imported"


def is_imported(name: str) -> bool:
    """Whether a name is that of imported scores, `<proxy>@<label>`.

    >>> is_imported("nwot@suite_zero"), is_imported("nwot")
    (True, False)
    """
    return "@" in name


def imported_key(benchmark: str, dataset: str, arch: str, name: str) -> Key:
    """Key of one imported score: no version, seed or batch of ours."""
    return Key(benchmark, dataset, arch, name, 0, 0, 0, IMPORTED, IMPORTED)
