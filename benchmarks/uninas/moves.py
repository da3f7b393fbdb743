"""The walk through UniNAS: eliminate or insert one node, within limits on size.

As published (the UniNAS paper's traversal and its code), without two slips of the public code: an
edit that costs nothing counts as an edit, and a success on the last attempt is one.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from benchmarks.errors import InputError
from benchmarks.uninas.architecture import DEPTHS, Block, Model
from benchmarks.uninas.costs import counts
from benchmarks.uninas.nodes import algebra as n


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on the size of models, both ends included.

    Attributes:
        params_min: Least parameters.
        params_max: Most parameters.
        flops_min: Least FLOPs in the convention of the space.
        flops_max: Most FLOPs.
    """

    params_min: float = 0
    params_max: float = math.inf
    flops_min: float = 0
    flops_max: float = math.inf

    def checked(self) -> Limits:
        """These limits.

        Raises:
            InputError: No model can keep them.
        """
        for what, low, high in (
            ("parameters", self.params_min, self.params_max),
            ("FLOPs", self.flops_min, self.flops_max),
        ):
            if not 0 <= low <= high:
                raise InputError(
                    f"no model has at least {low:,} and at most {high:,} {what}; "
                    "raise the upper limit or lower the other one"
                )
        return self

    def refusal(self, params: int, flops: int) -> str | None:
        """Which limit a model of this size breaks, or None."""
        for what, low, value, high in (
            ("parameters", self.params_min, params, self.params_max),
            ("FLOPs", self.flops_min, flops, self.flops_max),
        ):
            if not low <= value <= high:
                return f"{value:,} {what} are not in {low:,} ... {high:,}"
        return None


@dataclass(frozen=True, slots=True)
class Step:
    """A model on the walk.

    Attributes:
        model: The model.
        params: Its parameters, carried along from edit to edit.
        flops: Its FLOPs in the convention of the space, likewise.
        edits: What made it of the model before, in words.
    """

    model: Model
    params: int
    flops: int
    edits: tuple[str, ...] = ()


def start(model: Model, limits: Limits = Limits()) -> Step:
    """The first step of a walk.

    Raises:
        InputError: No model can keep the limits, or this one does not.
    """
    size = counts(model)
    refusal = limits.checked().refusal(size.params, size.flops)
    if refusal is not None:
        raise InputError(f"the walk cannot start here: {refusal}; choose another start or limits")
    return Step(model, size.params, size.flops)


def step(
    before: Step,
    rng: random.Random,
    limits: Limits = Limits(),
    *,
    edits: int = 1,
    patience: int = 5,
    p_eliminate: float = 0.3,
) -> Step | None:
    """One step of the published walk.

    An attempt draws a stage, a block of it, one of its two subblocks and, with `p_eliminate`, the
    elimination of a node, else an insertion, all uniformly. Eliminating draws one of the non-empty
    sequences in the subblock and one of its nodes, which goes with all that it holds; it fails
    where the model would fall below a limit. Inserting draws one of all sequences, a place in it
    and one of the nodes that fit there and keep the limits; it fails where none does.

    Args:
        before: Where the walk is.
        rng: All random choices come from it.
        limits: Bounds on the models.
        edits: Successes wanted.
        patience: Failed attempts that are borne.
        p_eliminate: Share of eliminations among the attempts.

    Returns:
        The next step, or None if patience ran out.
    """
    current, done, failures = before, list[str](), 0
    while len(done) < edits:
        stage = rng.randrange(len(current.model.stages))
        number = rng.randrange(len(current.model.stages[stage]))
        place = _place(current.model, stage, number)
        half = "sub1" if rng.random() < 0.5 else "sub2"
        sequence = getattr(current.model.stages[stage][number], half)
        edit = _eliminate if rng.random() < p_eliminate else _insert
        changed = edit(sequence, place, current, rng, limits)
        if changed is None:
            failures += 1
            if failures > patience:
                return None
            continue
        made, params, flops, words = changed
        done.append(f"{words} in stage {stage}, block {number}, {half}")
        model = _with(current.model, stage, number, half, made)
        current = Step(model, current.params + params, current.flops + flops, tuple(done))
    return current


def sample(rng: random.Random) -> Model:
    """A model of random known blocks, some steps of the walk away; not uniform."""
    codes = "/".join("".join(rng.choices("RET", k=depth)) for depth in DEPTHS)
    current = start(Model.known(codes))
    for _ in range(rng.randrange(2 * sum(DEPTHS))):
        current = step(current, rng) or current
    return current.model


def mutate(model: Model, rng: random.Random, budget: int) -> Model:
    """The model after one step of the walk, within `budget` parameters if it is so now."""
    current = start(model)
    limits = Limits(params_max=max(budget, current.params))
    while (made := step(current, rng, limits)) is None:
        pass
    return made.model


def neighbours(model: Model) -> Iterator[Model]:
    """All models one edit away, those of other sizes too."""
    for stage, blocks in enumerate(model.stages):
        for number, block in enumerate(blocks):
            shape = _place(model, stage, number)
            for half in ("sub1", "sub2"):
                for made in edited(getattr(block, half), shape):
                    yield _with(model, stage, number, half, made)


def edited(sequence: n.Sequence, shape: n.Shape) -> Iterator[n.Sequence]:
    """All sequences one edit away from one that takes `shape`."""
    for slot in slots(sequence, shape):
        for index in _eliminable(slot):
            yield slot.put(_without(slot.sequence, index))
        for index, here in enumerate(n.shapes(slot.sequence, slot.shape)):
            for node in candidates(here):
                yield slot.put(_inserted(slot.sequence, index, node))


def candidates(shape: n.Shape) -> list[n.Node]:
    """The nodes that the walk may insert at `shape`: up to 20, those that do not fit left out."""
    offered = (node for kind in n.NODES.values() for node in kind.proposals(shape))
    return [node for node in offered if node.refusal(shape) is None]


# ------------------------------------------------------------------ sequences within sequences


@dataclass(frozen=True, slots=True)
class Slot:
    """A sequence somewhere in a subblock.

    Attributes:
        sequence: The sequence.
        shape: What it takes.
        put: The whole subblock with another sequence there.
    """

    sequence: n.Sequence
    shape: n.Shape
    put: Callable[[n.Sequence], n.Sequence]


def slots(sequence: n.Sequence, shape: n.Shape) -> list[Slot]:
    """The sequence itself and all within it; empty ones too."""
    return list(_slots(sequence, shape, lambda made: made))


def _slots(
    sequence: n.Sequence, shape: n.Shape, put: Callable[[n.Sequence], n.Sequence]
) -> Iterator[Slot]:
    yield Slot(sequence, shape, put)
    for index, node in enumerate(sequence):
        for branch, (inside, inner) in enumerate(
            zip(node.sequences, node.inner(shape), strict=True)
        ):

            def put_inside(
                made: n.Sequence, index: int = index, node: n.Node = node, branch: int = branch
            ) -> n.Sequence:
                branches = (*node.sequences[:branch], made, *node.sequences[branch + 1 :])
                return put((*sequence[:index], node.holding(branches), *sequence[index + 1 :]))

            yield from _slots(inside, inner, put_inside)
        shape = node.output(shape)


def _without(sequence: n.Sequence, index: int) -> n.Sequence:
    return sequence[:index] + sequence[index + 1 :]


def _inserted(sequence: n.Sequence, index: int, node: n.Node) -> n.Sequence:
    return (*sequence[:index], node, *sequence[index:])


def _eliminable(slot: Slot) -> list[int]:
    """Nodes that can go; one that makes other channels, which a later node rests on, cannot."""
    taken = n.shapes(slot.sequence, slot.shape)
    return [index for index in range(len(slot.sequence)) if taken[index] == taken[index + 1]]


# ------------------------------------------------------------------ one attempt

#: The subblock after an edit, what it adds to parameters and FLOPs, and the edit in words.
_Edit = tuple[n.Sequence, int, int, str]


def _eliminate(
    sequence: n.Sequence, shape: n.Shape, current: Step, rng: random.Random, limits: Limits
) -> _Edit | None:
    filled = [slot for slot in slots(sequence, shape) if slot.sequence]
    if not filled:
        return None
    slot = rng.choice(filled)
    index = rng.randrange(len(slot.sequence))
    if index not in _eliminable(slot):
        return None
    node = slot.sequence[index]
    lost = n.count_node(node, n.shapes(slot.sequence, slot.shape)[index])
    params, flops = current.params - lost.params, current.flops - lost.flops
    if params < limits.params_min or flops < limits.flops_min:
        return None
    made = slot.put(_without(slot.sequence, index))
    return made, -lost.params, -lost.flops, f"eliminate {node.name}"


def _insert(
    sequence: n.Sequence, shape: n.Shape, current: Step, rng: random.Random, limits: Limits
) -> _Edit | None:
    slot = rng.choice(slots(sequence, shape))
    index = rng.randrange(len(slot.sequence) + 1)
    here = n.shapes(slot.sequence, slot.shape)[index]
    sized = [(node, n.count_node(node, here)) for node in candidates(here)]
    fitting = [
        (node, more)
        for node, more in sized
        if current.params + more.params <= limits.params_max
        and current.flops + more.flops <= limits.flops_max
    ]
    if not fitting:
        return None
    node, more = rng.choice(fitting)
    made = slot.put(_inserted(slot.sequence, index, node))
    return made, more.params, more.flops, f"insert {node.name}"


def _place(model: Model, stage: int, number: int) -> n.Shape:
    """The shape at which a block's subblocks stand."""
    side = model.img_size >> (stage + 2)
    return model.widths[stage], side, side


def _with(model: Model, stage: int, number: int, half: str, made: n.Sequence) -> Model:
    """The model with another subblock."""
    block = model.stages[stage][number]
    changed = Block(made, block.sub2) if half == "sub1" else Block(block.sub1, made)
    blocks = (*model.stages[stage][:number], changed, *model.stages[stage][number + 1 :])
    return replace(model, stages=(*model.stages[:stage], blocks, *model.stages[stage + 1 :]))


# ------------------------------------------------------------------ from one block to another


def path(source: Block, target: Block) -> Iterator[Block]:
    """Blocks from `source` to `target`, each one edit after the other.

    What the two share at the ends of a sequence stays; the rest is eliminated from the end, then
    inserted from the start, nodes that hold others before these. Every node that stands in the
    blocks of the known networks but `Zero` is one that the walk inserts (if with the usual scheme
    of weights); eliminating `Zero` and all others is open to it.

    Args:
        source: Given back first.
        target: Given back last.
    """
    yield source
    block = source
    for half in ("sub1", "sub2"):
        for sequence in _transformed(getattr(block, half), getattr(target, half)):
            block = replace(block, **{half: sequence})
            yield block


def _transformed(source: n.Sequence, target: n.Sequence) -> Iterator[n.Sequence]:
    """The sequences after `source`, up to `target`."""
    shared = 0
    while shared < min(len(source), len(target)) and source[shared] == target[shared]:
        shared += 1
    for length in range(len(source) - 1, shared - 1, -1):
        yield source[:length]
    done = target[:shared]
    for node in target[shared:]:
        for grown in _grown(node):
            yield (*done, grown)
        done = (*done, node)


def _grown(node: n.Node) -> Iterator[n.Node]:
    """The node with nothing in it, then with one node more each time, up to itself."""
    filled: list[n.Sequence] = [()] * len(node.sequences)
    yield node.holding(tuple(filled))
    for index, sequence in enumerate(node.sequences):
        for inside in _transformed((), sequence):
            filled[index] = inside
            yield node.holding(tuple(filled))
