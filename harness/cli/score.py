"""`harness score`: scores into the store; or of one network of anybody's."""

from __future__ import annotations

from typing import Annotated

import typer

from harness import api, paths
from harness.cli import options as opt
from harness.cli.console import console, show_table


def score(
    proxies: opt.Proxies,
    module: Annotated[
        str | None,
        typer.Option(
            help="A network instead of a benchmark: FILE.py:FUNCTION, which returns an nn.Module"
        ),
    ] = None,
    input_shape: Annotated[
        str, typer.Option(help="--module: of one image, channels x height x width")
    ] = "3x32x32",
    classes: Annotated[
        int | None, typer.Option(min=1, help="--module: logits [default: as the network gives]")
    ] = None,
    keep_weights: Annotated[
        bool, typer.Option("--keep-weights", help="--module: its own weights, not drawn ones")
    ] = False,
    benchmark: opt.BenchmarkName = "nasbench201",
    dataset: opt.DatasetName = "cifar10",
    set_name: opt.SetName = None,
    sample: opt.Sample = None,
    sample_seed: opt.SampleSeed = 0,
    archs: opt.Archs = None,
    seed: opt.Seed = 0,
    seeds: opt.Seeds = 1,
    input_name: opt.InputName = "auto",
    batch_size: opt.BatchSize = "64",
    workers: opt.Workers = None,
    device: opt.Device = "auto",
    store: opt.StoreFile = None,
    retry_failed: opt.RetryFailed = False,
    proxy_file: opt.ProxyFiles = None,
) -> None:
    """Score architectures with proxies, into the store; what is there already is kept."""
    opt.use_proxy_files(proxy_file)
    if module is not None:
        found = api.score_network(
            opt.network_of(module),
            proxies,
            input_shape=opt.shape_of(input_shape),
            classes=classes,
            batch_size=opt.plain_batch_size(batch_size),
            seed=seed,
            weights="kept" if keep_weights else "drawn",
            device="cpu" if device == "auto" else device,
        )
        rows = [["proxy", "status", "message", "score", "seconds"]]
        for row in found.to_dict("records"):
            value = f"{row['score']:.6g}" if row["status"] == "ok" else "-"
            rows.append(
                [row["proxy"], row["status"], row["message"], value, f"{row['seconds']:.2f}"]
            )
        show_table(module, rows, text_columns=3)
        return
    api.score(
        proxies, benchmark=benchmark, dataset=dataset, set=set_name, sample=sample,
        sample_seed=sample_seed, archs=archs, seed=seed, seeds=seeds, input=input_name,
        batch_size=batch_size, workers=workers, device=device, store=store,
        retry_failed=retry_failed, progress=console,
    )  # fmt: skip
    console.print(
        f"Scores are in {paths.store_file(store)}; harness export or harness eval reads them.",
        soft_wrap=True,
    )
