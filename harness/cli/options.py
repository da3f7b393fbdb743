"""Options that several commands share, and what they mean together."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.errors import InputError

Proxies = Annotated[
    list[str],
    typer.Argument(
        help="Proxies, parts as vkdnw.entropy, aggregates, formulas as 'mine=rank(nwot,flops)', "
        "models; see: harness list proxies"
    ),
]
BenchmarkName = Annotated[str, typer.Option("--benchmark", help="nasbench201, ...")]
DatasetName = Annotated[str, typer.Option("--dataset", help="cifar10, cifar100, ...")]
SetName = Annotated[
    str | None, typer.Option("--set", help="Architecture set, e.g. reachable, all, unique")
]
Sample = Annotated[
    str | None,
    typer.Option(help="How many of the set, or all [default: all on a GPU, 300 on a CPU]"),
]
SampleSeed = Annotated[int, typer.Option(help="Seed of the sample; samples are nested")]
Archs = Annotated[
    Path | None, typer.Option(help="File with one architecture a line, instead of a set")
]
Seed = Annotated[int, typer.Option(help="First seed of weights and batch")]
Seeds = Annotated[int, typer.Option(min=1, help="How many seeds, counting up from --seed")]
InputName = Annotated[
    str, typer.Option("--input", help="auto (what each proxy prefers), gaussian, cifar10, ...")
]
BatchSize = Annotated[
    str, typer.Option(help="Images in the batch; 64,te_nas=32 gives one proxy a batch of its own")
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Processes [default: CPU cores, or 4 a GPU]")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")]
StoreFile = Annotated[
    Path | None,
    typer.Option("--store", help="Score store [default: HARNESS_STORE, or one file a user]"),
]
TruthName = Annotated[
    str,
    typer.Option(
        help="auto (best there is), official, compact, analog, or a table file, your own too"
    ),
]
DropDiverged = Annotated[
    bool,
    typer.Option("--drop-diverged", help="Leave out architectures of which a training failed"),
]
RetryFailed = Annotated[bool, typer.Option(help="Score again what raised an error before")]
Resamples = Annotated[int, typer.Option(min=10, help="Bootstrap resamples")]
Out = Annotated[
    Path | None,
    typer.Option(
        help="Folder for results, kept: another protocol is refused there [default: ./harness-out, "
        "which every run may overwrite]"
    ),
]
Force = Annotated[
    bool, typer.Option("--force", help="Overwrite results of another protocol in --out")
]
ProxyFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--proxy-file", help="Python file that registers proxies; may be given several times"
    ),
]


def use_proxy_files(files: list[Path] | None) -> None:
    """Load the proxies of `--proxy-file`, here and in worker processes."""
    from harness.scoring import plugins

    plugins.use(files or ())


def formula(text: str) -> str:
    """An aggregate's formula, checked: `InputError` where the text is none."""
    from harness.evaluation.aggregates import formula as checked

    return checked(text)


def plain_batch_size(text: str) -> int:
    """One batch size for all, of a command that knows no other.

    Raises:
        InputError: It is no number.
    """
    if not text.isdigit():
        raise InputError(f"--module takes one --batch-size, a number, not {text!r}")
    return int(text)


def shape_of(text: str) -> tuple[int, ...]:
    """The shape of one image, written 3x32x32.

    Raises:
        InputError: The text is no such shape.

    >>> shape_of("3x32x32")
    (3, 32, 32)
    """
    sizes = text.lower().split("x")
    if not all(size.isdigit() and int(size) for size in sizes):
        raise InputError(f"--input-shape takes sizes as 3x32x32, not {text!r}")
    return tuple(map(int, sizes))


def size_of(text: str) -> int | tuple[int, int]:
    """The side of a square image in pixels, or its height and width, written 800x1280.

    Raises:
        InputError: The text is neither.

    >>> size_of("224"), size_of("800x1280")
    (224, (800, 1280))
    """
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdigit() and int(side) for side in sides):
        raise InputError(f"--resolution takes a side as 224 or HEIGHTxWIDTH, not {text!r}")
    numbers = [int(side) for side in sides]
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


def network_of(text: str) -> Any:
    """The network that `FILE.py:FUNCTION` makes; the file is executed.

    Raises:
        InputError: There is no such file or function, it raises, or gives no `nn.Module`.
    """
    from torch import nn

    path, colon, name = text.rpartition(":")
    if not colon or not name.isidentifier():
        raise InputError(f"--module takes FILE.py:FUNCTION, not {text!r}")
    if not Path(path).is_file():
        raise InputError(f"there is no file {path}; name it as --module FILE.py:FUNCTION")
    try:
        made = runpy.run_path(path)
        if name not in made:
            raise InputError(f"{path} has no {name}; name a function that returns an nn.Module")
        network = made[name] if isinstance(made[name], nn.Module) else made[name]()
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path}: {name} raises {type(error).__name__}: {error}") from error
    if not isinstance(network, nn.Module):
        raise InputError(f"{path}: {name}() gives {type(network).__name__}, not an nn.Module")
    return network
