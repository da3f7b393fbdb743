"""Structures that random walks of mutations reach."""

from __future__ import annotations

import random

from hypothesis import strategies as st

from benchmarks.mobilenetv2.architecture import Structure
from benchmarks.mobilenetv2.space import MobileNetV2Space

SPACE = MobileNetV2Space()
#: Every kind of block and shortcut in little: two sublayers, stride 1 and 2, expansion 1.
SMALL = Structure.parse(
    "SuperConvK3BNRELU(3,8,2,1)SuperResIDWE2K5(8,16,2,8,2)SuperResIDWE1K3(16,16,1,16,1)"
    "SuperConvK1BNRELU(16,32,1,1)"
)


def walk(seed: int, steps: int) -> Structure:
    """The end of a walk from the initial structure."""
    rng = random.Random(seed)
    structure = SPACE.initial
    for _ in range(steps):
        structure = SPACE.mutate(structure, rng)
    return structure


structures = st.builds(walk, st.integers(0, 2**32 - 1), st.integers(0, 12))
