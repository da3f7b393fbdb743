"""From a ResNet block to a transformer block, one node at a time:
python examples/uninas_path.py > path.md"""

from __future__ import annotations

from benchmarks.uninas.architecture import known_block
from benchmarks.uninas.moves import path
from benchmarks.uninas.text import to_text


def main(width: int = 96) -> None:
    """Print the blocks on the way, each one edit of the walk after the other."""
    blocks = path(known_block("R", width), known_block("T", width))
    print(f"# From a ResNet to a transformer block at width {width}\n")
    print("| step | subblock 1 | subblock 2 |\n|---:|:---|:---|")
    for step, block in enumerate(blocks):
        halves = (f"`{to_text(half)}`" if half else "" for half in (block.sub1, block.sub2))
        print(f"| {step} | {' | '.join(halves)} |")


if __name__ == "__main__":
    main()
