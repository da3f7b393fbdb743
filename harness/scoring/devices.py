"""Devices by name: which there are, and what work on one waits for."""

from __future__ import annotations

import torch

from benchmarks.errors import InputError


def resolve_device(device: str) -> str:
    """ "auto" is CUDA where there is a GPU; other names are checked.

    Raises:
        InputError: The device is unknown or not there.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    devices_of(device)
    return device


def devices_of(device: str) -> list[str]:
    """The single devices that a name means: "cuda" is every GPU.

    Raises:
        InputError: The device is unknown or not there.
    """
    if device == "cpu":
        return ["cpu"]
    if device.split(":", maxsplit=1)[0] != "cuda":
        raise InputError(f"unknown device {device!r}; use cpu, cuda or cuda:N")
    count = torch.cuda.device_count()
    if device == "cuda" and count:
        return [f"cuda:{index}" for index in range(count)]
    number = device.partition(":")[2]
    if not number.isdigit() or int(number) >= count:
        raise InputError(f"there is no device {device} (GPUs here: {count}); use --device cpu")
    return [device]


def synchronise(device: str) -> None:
    """Wait until the device has done all that it was asked to."""
    if device != "cpu":
        torch.cuda.synchronize(device)


def device_name(device: str) -> str:
    """ "cpu", or the name of the GPU: what records say."""
    return "cpu" if device == "cpu" else torch.cuda.get_device_name(device)
