"""Small files of the official NAS-Bench-201 formats, and what an importer must find in them."""

from __future__ import annotations

import bz2
import pickle
import random
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.nasbench201.enumeration import official_order

#: Index -> budget ("12", "200") -> what the official files call a state.
Cells = dict[int, dict[str, dict[str, Any]]]
#: (arch, dataset, epochs, split, seed, accuracy)
Row = tuple[str, str, int, str, str, float]

_CLASSES = {"cifar10-valid": 10, "cifar10": 10, "cifar100": 100, "ImageNet16-120": 120}
_SEEDS: dict[int, dict[str, list[int]]] = {
    12: {"cifar10-valid": [111, 777], "cifar10": [111], "cifar100": [111], "ImageNet16-120": [111]},
    200: {"cifar10-valid": [777], "cifar10": [777, 888], "cifar100": [999]},
}
#: Splits evaluated after every epoch and after the last one alone.
_SPLITS: dict[int, dict[str, tuple[list[str], list[str]]]] = {
    12: {
        "cifar10-valid": (["x-valid", "ori-test"], []),
        "cifar10": (["ori-test"], []),
        "cifar100": (["x-valid", "x-test", "ori-test"], []),
        "ImageNet16-120": (["x-valid", "x-test", "ori-test"], []),
    },
    200: {
        "cifar10-valid": (["x-valid"], ["ori-test"]),
        "cifar10": (["ori-test"], []),
        "cifar100": (["ori-test"], ["x-valid", "x-test"]),
    },
}


def _no_weights() -> object:
    return None


def _result(
    rng: random.Random, arch: str, dataset: str, epochs: int, seed: int, weights: object
) -> dict[str, Any]:
    def numbers() -> dict[int, float]:
        return {epoch: rng.uniform(0, 100) for epoch in range(epochs)}

    always, last = _SPLITS[epochs][dataset]
    keys = [f"{split}@{epoch}" for split in always for epoch in range(epochs)]
    keys += [f"{split}@{epochs - 1}" for split in last]
    return {
        "name": "infer.tiny",
        "net_state_dict": weights,
        "train_acc1es": numbers(),
        "train_acc5es": None,
        "train_losses": numbers(),
        "train_times": OrderedDict(numbers()),
        "arch_config": {
            "channel": 16,
            "num_cells": 5,
            "arch_str": arch,
            "class_num": _CLASSES[dataset],
        },
        "params": np.float64(rng.random()),
        "flop": rng.uniform(7, 220),
        "seed": f"{seed:04d}",
        "epochs": epochs,
        "latency": [rng.random()],
        "eval_names": always + last,
        "eval_acc1es": {key: rng.uniform(0, 100) for key in keys},
        "eval_times": {},
        "eval_losses": {key: rng.random() for key in keys},
    }


def synthetic_state(
    index: int, epochs: int, weights: Callable[[], object] = _no_weights
) -> dict[str, Any]:
    """Random figures of one cell and training budget, in the official structure."""
    rng = random.Random(index * 1000 + epochs)
    arch = official_order()[index].id
    seeds = _SEEDS[epochs]
    return {
        "arch_index": index,
        "arch_str": arch,
        "all_results": {
            (dataset, seed): _result(rng, arch, dataset, epochs, seed, weights())
            for dataset in seeds
            for seed in seeds[dataset]
        },
        "dataset_seed": {dataset: list(each) for dataset, each in seeds.items()},
        "clear_net_done": weights is _no_weights,
    }


def synthetic_cells(weights: Callable[[], object] = _no_weights) -> Cells:
    """Random figures of three cells; `weights` gives each training its own."""
    return {
        index: {str(epochs): synthetic_state(index, epochs, weights) for epochs in (12, 200)}
        for index in (0, 11, 284)
    }


def real_cells(folder: Path) -> Cells:
    """All cells of a folder in NATS-Bench's format; runs whatever its pickles say."""
    return {
        int(file.name[:6]): pickle.loads(bz2.decompress(file.read_bytes()))
        for file in sorted(folder.glob("[0-9]*.pickle.pbz2"))
    }


def expected_rows(cells: Cells) -> list[Row]:
    """Every accuracy that was measured after the last epoch."""
    rows = []
    for index, states in cells.items():
        arch = official_order()[index].id
        for budget, state in states.items():
            epochs = int(budget)
            for (dataset, seed), result in state["all_results"].items():
                final = {"train": result["train_acc1es"][epochs - 1]}
                for key, accuracy in result["eval_acc1es"].items():
                    split, _, epoch = key.partition("@")
                    if int(epoch) == epochs - 1:
                        final[split] = accuracy
                rows += [
                    (arch, dataset, epochs, split, str(seed), accuracy)
                    for split, accuracy in final.items()
                ]
    return sorted(rows)


# ------------------------------------------------------------------ writing


def _meta_archs(cells: Cells) -> list[str]:
    """As in the official files, but cut off after the last cell that is here."""
    return [cell.id for cell in official_order()[: max(cells) + 1]]


def write_simple(cells: Cells, folder: Path) -> Path:
    """NATS-Bench's folder: one bz2 pickle a cell and `meta.pickle.pbz2`."""
    folder.mkdir()
    meta = {
        "meta_archs": _meta_archs(cells),
        "total_archs": 15_625,
        "arch2infos": None,
        "evaluated_indexes": set(),
    }
    contents = {"meta": meta, **{f"{i:06d}": OrderedDict(cell) for i, cell in cells.items()}}
    for name, content in contents.items():
        raw = pickle.dumps(content, protocol=4)
        (folder / f"{name}.pickle.pbz2").write_bytes(bz2.compress(raw))
    return folder


def single_file(cells: Cells, full: str = "full", less: str = "less") -> dict[str, Any]:
    """Content of the file with all cells; NATS-Bench's keys are the budgets themselves."""
    return {
        "meta_archs": _meta_archs(cells),
        "total_archs": 15_625,
        "arch2infos": {i: {full: cell["200"], less: cell["12"]} for i, cell in cells.items()},
        "evaluated_indexes": sorted(cells),
    }


def write_pth(cells: Cells, path: Path, *, zipped: bool) -> Path:
    """NAS-Bench-201's single file, in torch's older format or its zip format."""
    torch.save(single_file(cells), path, _use_new_zipfile_serialization=zipped)
    return path


def write_archive(cells: Cells, folder: Path, *, zipped: bool) -> Path:
    """NAS-Bench-201's folder with one torch file a cell."""
    folder.mkdir()
    for index, cell in cells.items():
        content = {"full": cell["200"], "less": cell["12"]}
        path = folder / f"{index:06d}-FULL.pth"
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return folder
