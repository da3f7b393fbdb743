from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from benchmarks.errors import InputError
from harness.scoring.sampling import read_list, sample
from tests.harness.networks import ALL_NONE, MIXED, SPACE

SET = SPACE.architectures("reachable")


def test_samples_of_one_seed_are_nested() -> None:
    large = sample(SET, 100, 7)
    assert sample(SET, 30, 7) == large[:30]
    assert sample(SET, 1, 7) == large[:1]


def test_samples_are_drawn_without_replacement() -> None:
    drawn = sample(SET, 1000, 0)
    assert len(set(drawn)) == 1000
    assert set(drawn) <= set(SET)
    assert set(sample(SET[:50], 50, 0)) == set(SET[:50])


def test_seeds_give_different_samples() -> None:
    assert sample(SET, 100, 0) != sample(SET, 100, 1)
    # 100 of 9,445: two independent samples share one on average.
    assert len(set(sample(SET, 100, 0)) & set(sample(SET, 100, 1))) < 10


def test_sample_depends_on_the_set_alone() -> None:
    assert sample(SET[::-1], 20, 3) == sample(SET, 20, 3)


def test_every_member_is_as_likely() -> None:
    # 400 draws of 5 out of 10: each member 200 times, with a deviation of 10.
    counts = Counter(a for seed in range(400) for a in sample(SET[:10], 5, seed))
    assert all(abs(counts[a] - 200) < 50 for a in SET[:10])


def test_none_is_all_in_order() -> None:
    assert sample(SET[:20], None, 5) == list(SET[:20])


@pytest.mark.parametrize("size", [0, -1, 21])
def test_impossible_sizes(size: int) -> None:
    with pytest.raises(InputError, match=rf"a sample of {size} cannot .* 1 to 20, or all"):
        sample(SET[:20], size, 0)


def listed(folder: Path, text: str) -> Path:
    path = folder / "archs.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_list(tmp_path: Path) -> None:
    index = SPACE.index(ALL_NONE)
    text = f"# two cells\n\n  {MIXED.id}  \n{index}\n   # again\n{ALL_NONE.id}\r\n{MIXED.id}"
    assert read_list(listed(tmp_path, text), SPACE.parse) == [MIXED, ALL_NONE]


def test_list_with_a_bad_line(tmp_path: Path) -> None:
    path = listed(tmp_path, f"# cells\n{MIXED.id}\n\n15625\n|nonsense|\n")
    with pytest.raises(InputError) as caught:
        read_list(path, SPACE.parse)
    message = str(caught.value)
    assert message.startswith(f"{path}, line 4: ")
    assert "15625 is not in 0..15624" in message


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n"])
def test_list_without_architectures(tmp_path: Path, text: str) -> None:
    path = listed(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_list(path, SPACE.parse)
    assert str(caught.value) == f"{path} names no architecture; expected one a line"


def test_unreadable_lists(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00\x81")
    for path in (tmp_path / "missing.txt", tmp_path, binary):
        with pytest.raises(InputError, match="cannot read the architecture list") as caught:
            read_list(path, SPACE.parse)
        assert str(path) in str(caught.value)
