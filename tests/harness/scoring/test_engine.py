from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from benchmarks import inputs
from benchmarks.errors import InputError
from benchmarks.types import Batch, Costs
from harness.proxies import PROXIES, Score, register_proxy
from harness.scores.store import Key, Record, Store
from harness.scoring.engine import Request, resolve_device, run
from harness.scoring.sampling import sample
from tests.harness.networks import ALL_NONE, ALL_SKIP, MIXED, SPACE

ARCHS = [cell.id for cell in (MIXED, ALL_SKIP, ALL_NONE)]
Results = Mapping[Key, tuple[float | None, str, Mapping[str, float]]]


def request_for(*proxies: str, archs: Sequence[str] = ARCHS, **options: Any) -> Request:
    """16-pixel images, two of them."""
    options = {"dataset": "ImageNet16-120", "batch_size": 2, **options}
    return Request("nasbench201", archs=archs, proxies=proxies, **options)


def results(store: Store) -> Results:
    """All that a score's key determines."""
    return {r.key: (r.value, r.status, r.components) for r in store.records()}


def scored(folder: Path, request: Request, **options: Any) -> Results:
    """Results of a run into a store of its own."""
    with Store(folder / f"{len(list(folder.iterdir()))}.sqlite") as store:
        run(request, store, **{"workers": 1, **options})
        return results(store)


def only(store: Store) -> Record:
    (record,) = store.records()
    return record


# ------------------------------------------------------------------ a score depends on its key


def test_order_company_and_workers_change_nothing(tmp_path: Path) -> None:
    names = ("nwot", "synflow", "vkdnw", "params")
    archs = ARCHS[:2]
    request = request_for(*names, archs=archs, dataset="cifar10", seeds=(0, 1))
    expected = scored(tmp_path, request)
    assert len(expected) == len(names) * 4
    assert len({value for value, *_ in expected.values()}) == 3 * 4 + 2  # params has no seed

    backwards = replace(request, archs=archs[::-1], proxies=names[::-1], seeds=(1, 0))
    assert scored(tmp_path, backwards) == expected
    assert scored(tmp_path, request, workers=2) == expected
    alone: dict[Key, Any] = {}
    for name in names:
        alone |= scored(tmp_path, replace(request, archs=archs[:1], proxies=(name,), seeds=(1,)))
    assert len(alone) == len(names)
    assert alone.items() <= expected.items()


def test_seeds_draw_other_weights_and_noise(tmp_path: Path) -> None:
    found = scored(tmp_path, request_for("nwot", "synflow", archs=ARCHS[:1], seeds=(0, 1, 2)))
    assert len({value for value, *_ in found.values()}) == 6


def test_keys(tmp_path: Path) -> None:
    found = scored(tmp_path, request_for("nwot", "synflow", "aleph", archs=ARCHS[:1], seeds=(5,)))
    shared = ("nasbench201", "ImageNet16-120", ARCHS[0])
    assert set(found) == {
        Key(*shared, "nwot", PROXIES["nwot"].version, 5, 2, "gaussian", "kaiming"),
        Key(*shared, "synflow", PROXIES["synflow"].version, 5, 0, "none", "kaiming"),
        Key(*shared, "layers", PROXIES["layers"].version, 5, 0, "none", "none"),
    }


def test_data_free_scores_serve_every_batch_size(store: Store) -> None:
    run(request_for("synflow", "nwot", archs=ARCHS[:1]), store, workers=1)
    tally = run(request_for("synflow", "nwot", archs=ARCHS[:1], batch_size=3), store, workers=1)
    assert (tally.stored, tally.scored) == (1, 1)


@pytest.mark.usefixtures("own_proxies")
class TestWhatAProxyGets:
    def test_shares_weights_with_proxies_of_the_same_initialisation(self, tmp_path: Path) -> None:
        def total(network: nn.Module, batch: Batch) -> float:
            return sum(p.double().sum().item() for p in network.parameters() if p.dim() > 1)

        register_proxy("a", paper="baseline", init="kaiming")(total)
        register_proxy("b", paper="baseline", init="kaiming", mode="eval", input="none")(total)
        register_proxy("c", paper="baseline", init="gaussian")(total)
        register_proxy("d", paper="baseline", init="default")(total)
        found = scored(tmp_path, request_for(*"abcd", archs=ARCHS[:1]))
        values = {key.proxy: value for key, (value, *_) in found.items()}
        assert values["a"] == values["b"]
        assert len(set(values.values())) == 3

    def test_gets_a_fresh_network(self, tmp_path: Path) -> None:
        @register_proxy("a_nasty", paper="baseline")
        def nasty(network: nn.Module, batch: Batch) -> float:
            for module in network.modules():
                module.register_forward_hook(lambda *_: torch.zeros(1))
            with torch.no_grad():
                for tensor in (*network.parameters(), batch.inputs):
                    tensor.zero_()
            return 0.0

        names = ("synflow", "nwot")
        found = scored(tmp_path, request_for("a_nasty", *names, archs=ARCHS[:1]))
        expected = scored(tmp_path, request_for(*names, archs=ARCHS[:1]))
        assert expected.items() <= found.items()

    def test_mode_and_shapes(self, store: Store) -> None:
        seen: list[tuple[set[bool], tuple[int, ...]]] = []

        def look(network: nn.Module, batch: Batch) -> float:
            mode = {module.training for module in network.modules()}
            seen.append((mode, tuple(batch.inputs.shape)))
            return 0.0

        register_proxy("a", paper="baseline", mode="train")(look)
        register_proxy("b", paper="baseline", mode="eval", input="none")(look)
        run(request_for("a", "b", archs=ARCHS[:1]), store, workers=1)
        assert seen == [({True}, (2, 3, 16, 16)), ({False}, (1, 3, 16, 16))]

    @pytest.mark.parametrize("there", [True, False])
    def test_images_where_there_are_some(
        self, monkeypatch: pytest.MonkeyPatch, there: bool
    ) -> None:
        monkeypatch.setattr(inputs, "available", lambda name: there)
        register_proxy("sees", paper="baseline", input="images")(lambda network, batch: 0.0)
        request = request_for("sees", "nwot", "synflow", dataset="cifar100")
        preferred = [request.input_of(PROXIES[name]) for name in request.proxies]
        assert preferred == ["cifar100" if there else "gaussian", "gaussian", "none"]
        forced = replace(request, input="gaussian")
        assert forced.input_of(PROXIES["sees"]) == "gaussian"


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.usefixtures("own_proxies")
def test_runs_on_one_thread_and_restores_their_number(store: Store, fails: bool) -> None:
    seen: list[int] = []

    @register_proxy("a", paper="baseline")
    def a(network: nn.Module, batch: Batch) -> float:
        seen.append(torch.get_num_threads())
        if fails:
            raise KeyboardInterrupt
        return 0.0

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        with pytest.raises(KeyboardInterrupt) if fails else contextlib.nullcontext():
            run(request_for("a", archs=ARCHS[:1]), store, workers=1)
        assert (seen, torch.get_num_threads()) == ([1], 3)
    finally:
        torch.set_num_threads(before)


# ------------------------------------------------------------------ failures are records


def broken() -> float:
    raise OSError("no space left")


BAD: dict[str, tuple[Callable[[], Score], str]] = {
    "raises": (broken, "error"),
    "nan": (lambda: math.nan, "nan"),
    "inf": (lambda: math.inf, "inf"),
    "minus_inf": (lambda: -math.inf, "-inf"),
    "nan_score": (lambda: {"score": math.nan, "part": 2.0}, "nan"),
    "nan_part": (lambda: {"part": 2.0, "other": math.nan}, "nan"),
}


@pytest.mark.usefixtures("own_proxies")
class TestFailures:
    def test_are_recorded_and_the_run_goes_on(self, store: Store) -> None:
        for name, (give, _) in BAD.items():
            register_proxy(name, paper="baseline")(lambda network, batch, give=give: give())
        seen: list[Record] = []
        request = request_for(*BAD, "synflow", archs=ARCHS[:2])
        tally = run(request, store, workers=1, on_record=seen.append)
        assert len(seen) == 2 * (len(BAD) + 1)
        assert (tally.scored, tally.failed) == (2, {"error": 2, "nan": 6, "inf": 2, "-inf": 2})
        for record in store.records(proxy=list(BAD)):
            assert (record.value, record.status) == (None, BAD[record.key.proxy][1])
            wanted = {"part": 2.0} if "_" in record.key.proxy[:4] else {}
            assert record.components == wanted
            line = broken.__code__.co_firstlineno + 1
            message = f"OSError: no space left (test_engine.py, line {line})"
            assert record.message == (message if record.status == "error" else "")
        assert set(tally.failures) == set(BAD)
        raised = tally.failures["raises"]
        assert (raised.count, raised.message, raised.arch) == (2, message, ARCHS[0])
        assert (tally.failures["nan"].count, tally.failures["nan"].message) == (2, "")

    def test_name_the_line_of_the_proxys_own_file(self, store: Store) -> None:
        @register_proxy("a", paper="baseline")
        def a(network: nn.Module, batch: Batch) -> float:
            return float(network(batch.inputs[:, :1]).sum())  # raises far away, in torch

        run(request_for("a", archs=ARCHS[:1]), store, workers=1)
        line = a.__code__.co_firstlineno + 2
        assert only(store).message.startswith("RuntimeError: ")
        assert only(store).message.endswith(f" (test_engine.py, line {line})")

    def test_of_costs_are_recorded_too(self, store: Store) -> None:
        @register_proxy("a", paper="baseline", needs="costs", init="none", input="none")
        def a(costs: Costs) -> float:
            return 1 / (costs.layers - 21)

        tally = run(request_for("a"), store)
        assert (tally.scored, tally.failed) == (1, {"error": 2})

    def test_finite_parts_are_kept(self, store: Store) -> None:
        register_proxy("a", paper="baseline")(
            lambda network, batch: {"score": 1, "part": 2, "lost": math.inf}
        )
        run(request_for("a", archs=ARCHS[:1]), store, workers=1)
        assert only(store).ok
        assert (only(store).value, only(store).components) == (1.0, {"part": 2.0})

    def test_are_kept_until_a_retry(self, store: Store) -> None:
        outcomes: list[Callable[[], float]] = [broken, lambda: math.nan, lambda: 7.0]
        calls: list[int] = []

        @register_proxy("a", paper="baseline")
        def a(network: nn.Module, batch: Batch) -> float:
            calls.append(1)
            return outcomes[len(calls) - 1]()

        def again(*, retry_failed: bool = False) -> tuple[int, str]:
            request = request_for("a", archs=ARCHS[:1])
            run(request, store, workers=1, retry_failed=retry_failed)
            return len(calls), only(store).status

        assert again() == (1, "error")
        assert again() == (1, "error")
        assert again(retry_failed=True) == (2, "nan")
        assert again(retry_failed=True) == (2, "nan")  # a NaN is an answer

    def test_of_the_input_stop_the_run(self, store: Store) -> None:
        @register_proxy("a", paper="baseline")
        def a(network: nn.Module, batch: Batch) -> float:
            raise InputError("no such file")

        with pytest.raises(InputError, match="no such file"):
            run(request_for("a", archs=ARCHS[:1]), store, workers=1)
        assert not list(store.records())

    @pytest.mark.parametrize(
        "give",
        [
            lambda: None,
            lambda: torch.zeros(3),
            lambda: {"score": "high"},
            lambda: {"score": 1.0, "part": None},
        ],
        ids=["None", "vector", "word", "part"],
    )
    def test_of_the_result_type_are_recorded(self, store: Store, give: Callable[[], Score]) -> None:
        register_proxy("a", paper="baseline")(lambda network, batch: give())
        run(request_for("a", archs=ARCHS[:1]), store, workers=1)
        assert only(store).status == "error"

    def test_numbers_of_torch_and_numpy_are_scores(self, store: Store) -> None:
        @register_proxy("a", paper="baseline")
        def a(network: nn.Module, batch: Batch) -> Any:
            half = torch.tensor(0.5)
            return {"score": half.numpy()[()], "part": half}

        run(request_for("a", archs=ARCHS[:1]), store, workers=1)
        assert (only(store).value, only(store).components) == (0.5, {"part": 0.5})


# ------------------------------------------------------------------ what is not possible


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("tpu", "unknown device 'tpu'; use cpu, cuda or cuda:N"),
        ("cudax", "unknown device 'cudax'"),
        ("cuda:9999", "there is no device cuda:9999"),
        ("cuda:x", "there is no device cuda:x"),
    ],
)
def test_unknown_devices(store: Store, device: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(request_for("params"), store, device=device)
    with pytest.raises(InputError, match=message):
        resolve_device(device)


def test_known_devices() -> None:
    assert resolve_device("cpu") == "cpu"
    assert resolve_device("auto") in {"cpu", "cuda"}


@pytest.mark.parametrize("size", [1, 0, -4])
def test_batch_size_below_two(store: Store, size: int) -> None:
    with pytest.raises(InputError, match=f"batch size {size} is too small"):
        run(request_for("nwot", batch_size=size), store, workers=1)


def test_inputs_that_are_not_there(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="unknown input 'mnist'"):
        run(request_for("nwot", input="mnist"), store, workers=1)
    missing = replace(inputs.image_set("cifar100"), find=lambda: None)
    monkeypatch.setitem(inputs.IMAGE_SETS, "cifar100", missing)
    with pytest.raises(InputError, match=r"no cifar100 images .* harness data fetch cifar100"):
        run(request_for("nwot", input="cifar100"), store, workers=1)
    assert not list(store.records())


def test_seeds_out_of_range(store: Store) -> None:
    with pytest.raises(InputError, match="seed -1 is not in 0"):
        run(request_for("params", seeds=(-1,)), store, workers=1)


def test_a_proxy_named_twice_is_scored_once(store: Store) -> None:
    request = request_for("nwot", "naswot", archs=[ARCHS[0], ARCHS[0]])
    assert run(request, store, workers=1).scored == 1


def test_unknown_names(store: Store) -> None:
    with pytest.raises(InputError, match="unknown proxy 'nwott'; did you mean 'nwot'"):
        run(request_for("nwott"), store)
    with pytest.raises(InputError, match="unknown benchmark"):
        run(replace(request_for("nwot"), benchmark="nasbench"), store)


def test_unknown_dataset(store: Store) -> None:
    with pytest.raises(InputError, match="unknown NAS-Bench-201 dataset 'mnist'"):
        run(request_for("nwot", dataset="mnist"), store)


# ------------------------------------------------------------------ stopping and resuming


def test_resumes(store: Store) -> None:
    request = request_for("synflow", "params", "nwot", seeds=(0, 1))
    first = run(replace(request, archs=ARCHS[:1], seeds=(1,)), store, workers=1)
    assert first.scored == 3
    made: list[Key] = []
    started: list[tuple[int, int]] = []
    plans: list[Mapping[str, int]] = []
    tally = run(
        request,
        store,
        workers=1,
        on_start=lambda total, stored: started.append((total, stored)),
        on_plan=plans.append,
        on_record=lambda record: made.append(record.key),
    )
    assert plans == [{"synflow": 5, "nwot": 5}]
    assert started == [(15, 3)]
    assert len(set(made)) == len(made) == 15
    assert not [key for key in made if key.arch == ARCHS[0] and key.seed == 1]
    assert (tally.stored, tally.scored, tally.failed) == (3, 13, {"-inf": 2})
    assert len(results(store)) == 18
    again = run(request, store, workers=1)
    assert (again.stored, again.scored, again.failed) == (18, 0, {})


def test_a_worker_that_dies_is_one_message(store: Store) -> None:
    def kill_one(record: Record) -> None:
        for child in multiprocessing.active_children()[:1]:
            assert child.pid is not None
            os.kill(child.pid, signal.SIGKILL)

    archs = [cell.id for cell in sample(SPACE.architectures("all"), 30, 0)]
    with pytest.raises(InputError, match="a worker process died"):
        run(request_for("synflow", archs=archs), store, workers=2, on_record=kill_one)
    assert 0 < len(list(store.records())) < len(archs)


def count(path: Path) -> int:
    """Records in a store that another process is writing."""
    if not path.with_name(f"{path.name}-wal").exists():  # it is still being made
        return 0
    with contextlib.closing(sqlite3.connect(path, timeout=60)) as database:
        try:
            found: int = database.execute("SELECT count(*) FROM scores").fetchone()[0]
        except sqlite3.OperationalError:  # no table yet
            return 0
        return found


def test_a_killed_run_is_completed_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "scores.sqlite"
    options = {"sample": 12, "batch-size": 4, "workers": 2, "device": "cpu", "store": path}
    arguments = [f"--{name}={value}" for name, value in options.items()]
    command = [sys.executable, "-m", "harness.cli.app", "score", "synflow", "nwot", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        while not count(path) and process.poll() is None:
            time.sleep(0.005)
        process.kill()  # SIGKILL
        # Workers hold the pipe too: it ends when the last of them is gone.
        process.communicate(timeout=60)
    done = count(path)
    assert 0 < done < 24

    archs = [cell.id for cell in sample(SPACE.architectures("reachable"), 12, 0)]
    request = Request("nasbench201", "cifar10", archs, ["synflow", "nwot"], batch_size=4)
    with Store(path) as store:
        tally = run(request, store, workers=1)
        found = results(store)
    assert (tally.stored, tally.scored) == (done, 24 - done)
    assert len(found) == 24
    assert found == scored(tmp_path, request)
