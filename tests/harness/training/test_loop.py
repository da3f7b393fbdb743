"""The loop: the same curve whoever computes it, and whenever it is killed."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from benchmarks.errors import InputError
from harness.training.run import checkpoints
from harness.training.run.distributed import Group
from harness.training.run.loading import Plan
from harness.training.run.loop import Settings, Trainer
from harness.training.types import DivergedError
from tests.harness.training import toy

TIMES = ("seconds", "images_per_second", "validation_images_per_second")


def curve(history: pd.DataFrame) -> pd.DataFrame:
    return history.drop(columns=list(TIMES))


def weights(trainer: Trainer) -> dict[str, Any]:
    return {name: tensor.clone() for name, tensor in trainer.network.state_dict().items()}


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_it_learns() -> None:
    history = toy.trainer(protocol=toy.PROTOCOL.changed(epochs=12)).run()
    assert history["top1"].iloc[-1] > 80  # of three classes
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]


class Killed(Exception):  # noqa: N818 - what stands for SIGKILL
    pass


@pytest.mark.parametrize("step", [1, 4, 6, 9, 17])
@pytest.mark.parametrize("ema", [None, 0.9])
def test_killed_at_any_step_it_goes_on_to_the_same_curve(
    step: int, ema: float | None, tmp_path: Path
) -> None:
    protocol = toy.PROTOCOL.changed(ema=ema)
    whole = toy.trainer(protocol=protocol)
    expected = whole.run()

    def kill(done: int, total: int, note: str) -> None:
        if done == step:
            raise Killed

    settings = Settings(checkpoint=tmp_path / "c.pt", logs=tmp_path, every=4, on_step=kill)
    with pytest.raises(Killed):
        toy.trainer(settings, protocol).run()
    settings = Settings(checkpoint=tmp_path / "c.pt", logs=tmp_path, every=4)
    again = toy.trainer(settings, protocol)
    assert again.step == max(n for n in (0, 4, 6, 8, 12, 16, 18) if n <= step)
    pd.testing.assert_frame_equal(curve(again.run()), curve(expected), check_exact=True)
    assert same(weights(again), weights(whole))
    assert same(again.judged.state_dict(), whole.judged.state_dict())
    written = pd.read_csv(tmp_path / "history.csv")
    assert list(written["step"]) == [6, 12, 18]


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    settings = Settings(checkpoint=tmp_path / "c.pt")
    first = toy.trainer(settings).run()
    second = toy.trainer(settings)
    assert second.step == second.total
    pd.testing.assert_frame_equal(second.run(), first)


def test_workers_load_the_same() -> None:
    alone, helped = (toy.trainer(Settings(workers=n)).run() for n in (0, 2))
    pd.testing.assert_frame_equal(curve(alone), curve(helped), check_exact=True)


@pytest.mark.parametrize("norm", ["layer", "batch"])
def test_two_processes_give_what_one_gives(norm: str, tmp_path: Path) -> None:
    """One process that computes both lanes, and two that compute one each."""
    one = toy.trainer(Settings(accumulate=2), norm=norm)
    expected = one.run()
    code = (
        "import os; from pathlib import Path; from tests.harness.training import toy; "
        f"toy.in_processes(int(os.environ['RANK']), Path({str(tmp_path)!r}), {norm!r})"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         str(script)],
        check=False, capture_output=True, text=True, cwd=Path(__file__).parents[3],
        env=environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ranks = [torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)]
    assert same(ranks[0]["weights"], ranks[1]["weights"])
    assert ranks[0]["loss"] == ranks[1]["loss"] == pytest.approx(list(expected["loss"]), rel=1e-5)
    assert ranks[0]["top1"] == list(expected["top1"])
    for name, value in one.network.state_dict().items():
        if value.is_floating_point():  # the batches that norms have seen are counted by process
            torch.testing.assert_close(ranks[0]["weights"][name], value, rtol=1e-4, atol=1e-6)
    # One process goes on with what two have kept.
    settings = Settings(accumulate=2, checkpoint=tmp_path / "checkpoint.pt")
    resumed = toy.trainer(settings, norm=norm)
    assert resumed.step == resumed.total


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(__file__).parents[3]), "OMP_NUM_THREADS": "1"}


def test_every_image_once_an_epoch_whatever_the_lanes() -> None:
    plans = [Plan(26, 4, Group(rank, 3), 2, seed=5) for rank in range(3)]
    assert {plan.steps for plan in plans} == {1}
    for epoch in range(3):
        images = [i for lane in range(6) for e, i in plans[0].lane(epoch, lane) if e == epoch]
        assert len(images) == len(set(images)) == 24
    orders = {tuple(plans[0].lane(epoch, 0)) for epoch in range(5)}
    assert len(orders) == 5
    with pytest.raises(InputError, match="26 training images do not fill a step of 6 x 5"):
        _ = Plan(26, 5, Group(0, 3), 2, seed=5).steps


def test_clipping_is_on() -> None:
    free, clipped = (toy.trainer(protocol=toy.changed(clip=c)) for c in (None, 1e-3))
    begin = weights(free)
    for each in (free, clipped):
        each.run()
    moved = [
        sum(float((weights(each)[n] - w).square().sum()) for n, w in begin.items() if "0." in n)
        for each in (free, clipped)
    ]
    assert moved[1] < 1e-2 * moved[0]


def test_a_loss_that_is_no_number_stops_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    made = toy.trainer(Settings(checkpoint=tmp_path / "c.pt", every=4))

    def spoil(done: int, total: int, note: str) -> None:
        if done == 7:
            next(made.network.parameters()).data.fill_(math.nan)

    made.settings = Settings(checkpoint=tmp_path / "c.pt", every=4, on_step=spoil)
    with pytest.raises(DivergedError, match="loss is nan in epoch 2"):
        made.run()
    state = checkpoints.load(tmp_path / "c.pt")["state"]
    assert state["step"] == 6
    assert all(torch.isfinite(t).all() for t in state["network"].values() if t.is_floating_point())


def test_a_checkpoint_of_another_training_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    settings = Settings(checkpoint=path)
    Trainer(toy.Learner(), toy.data(), toy.PROTOCOL, settings, {"seed": 0, "p": {"q": 1}}).run()
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"c\.pt is of another training \(p q 1, not 2\)"):
        Trainer(toy.Learner(), toy.data(), toy.PROTOCOL, settings, {"seed": 0, "p": {"q": 2}})
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04damaged"])
def test_a_damaged_checkpoint_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "c.pt").write_bytes(content)
    with pytest.raises(InputError, match=r"c\.pt is no checkpoint that can be read"):
        toy.trainer(Settings(checkpoint=tmp_path / "c.pt"))
    torch.save({"weights": 1}, tmp_path / "c.pt")
    with pytest.raises(InputError, match="is no checkpoint of harness train"):
        toy.trainer(Settings(checkpoint=tmp_path / "c.pt"))
