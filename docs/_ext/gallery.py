"""The gallery of proxies: `{proxy-gallery}` writes what the registries and the results say."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

from _ext import measured, pages, prose
from harness.evaluation.aggregates import AGGREGATES, Aggregate
from harness.evaluation.predict import MODELS, Model
from harness.proxies import PROXIES, Proxy

_WEIGHTS = {
    "kaiming": "Kaiming",
    "default": "PyTorch's default",
    "gaussian": "normal",
    "none": "any",
}
_INPUT = {"gaussian": "noise", "images": "real images", "none": "no data"}


class ProxyGallery(SphinxDirective):
    """The table of all methods, or a section for each: `table`, `proxies`, `aggregates`, `models`.

    What it is called is its one argument.
    """

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The nodes."""
        results = Path(self.env.srcdir).parent / "results"
        figures = measured.read(results)
        self.env.note_dependency(str(figures.file))
        return _PARTS[self.arguments[0]](self.env, figures)


def links() -> dict[str, str]:
    """Ids of all methods' sections, by name; a name by itself means the aggregate."""
    found = {name: f"proxy-{name}" for name in PROXIES}
    found |= {name: f"aggregate-{name}" for name in AGGREGATES}
    found |= {name: f"model-{name}" for name in MODELS}
    return {name: nodes.make_id(label) for name, label in found.items()}


def overview(_: BuildEnvironment, figures: measured.Figures) -> list[nodes.Node]:
    """What the figures rest on, and one row a method, the best first."""
    summaries = {name: AGGREGATES[name].summary for name in AGGREGATES}
    summaries |= {name: MODELS[name].summary for name in MODELS}
    summaries = {
        name: PROXIES[name].summary for name in PROXIES if PROXIES[name].has_score
    } | summaries
    rows = []
    for name in sorted(summaries, key=lambda name: _order(name, figures)):
        found = figures.methods.get(name)
        n = f"{found.n:,}" if found else ""
        cells = (f"`{name}`", _interval(found), n, _milliseconds(found), summaries[name])
        rows.append([prose.inline(text, links()) for text in cells])
    heading = ("method", "Kendall's τ", "n", "ms a network", "what it is")
    return [prose.paragraph(_basis(figures)), pages.table(heading, rows, figures=(1, 2, 3))]


def proxies(env: BuildEnvironment, figures: measured.Figures) -> list[nodes.Node]:
    """A section for every proxy."""
    return [_proxy(env, PROXIES[name], figures) for name in PROXIES]


def aggregates(env: BuildEnvironment, figures: measured.Figures) -> list[nodes.Node]:
    """A section for every aggregate."""
    return [_aggregate(env, AGGREGATES[name], figures) for name in AGGREGATES]


def models(env: BuildEnvironment, figures: measured.Figures) -> list[nodes.Node]:
    """A section for every model."""
    return [_model(env, MODELS[name], figures) for name in MODELS]


_PARTS = {"table": overview, "proxies": proxies, "aggregates": aggregates, "models": models}


def _proxy(env: BuildEnvironment, proxy: Proxy, figures: measured.Figures) -> nodes.section:
    parts = [f"{proxy.name}.{part}" for part in proxy.parts or ()]
    said = {
        "Paper": proxy.paper,
        "Also called": prose.code_list(PROXIES.aliases(proxy.name)),
        "Sees": _sees(proxy),
        "Parts": prose.code_list(parts),
    }
    if proxy.has_score:
        said |= _figures(figures.methods.get(proxy.name))
    else:
        said["Ranks"] = f"by its parts only; `{proxy.name}` by itself is the aggregate"
    # A part may be called as another proxy is.
    known = {name: label for name, label in links().items() if name not in (proxy.parts or ())}
    summary, *text = prose.docstring(inspect.getdoc(proxy.function), known)
    content = [summary, prose.facts(said, links()), *text]
    return pages.section(env, f"proxy-{proxy.name}", proxy.name, content)


def _aggregate(
    env: BuildEnvironment, aggregate: Aggregate, figures: measured.Figures
) -> nodes.section:
    said = {
        "Paper": aggregate.paper,
        "Formula": f"`{aggregate.formula}`",
        "Joins": prose.code_list(aggregate.members),
    }
    said |= _figures(figures.methods.get(aggregate.name))
    content = [prose.paragraph(aggregate.summary, links()), prose.facts(said, links())]
    return pages.section(env, f"aggregate-{aggregate.name}", aggregate.name, content)


def _model(env: BuildEnvironment, model: Model, figures: measured.Figures) -> nodes.section:
    found = figures.methods.get(model.name)
    said = {"Paper": model.paper, "Features": prose.code_list(model.members)}
    if model.graf:
        said["Features"] = ", ".join(filter(None, [said["Features"], "the GRAF features"]))
    if found is not None:
        said["Trained on"] = f"accuracies of {found.trained_on:,} architectures, none of the n"
    said |= _figures(found)
    content = [prose.paragraph(model.summary, links()), prose.facts(said, links())]
    return pages.section(env, f"model-{model.name}", model.name, content)


def _sees(proxy: Proxy) -> str:
    if proxy.needs == "costs":
        return "closed-form sizes; no network is built"
    batches = f", {proxy.batches} batches" if proxy.batches > 1 else ""
    return f"{_WEIGHTS[proxy.init]} weights, {proxy.mode} mode, {_INPUT[proxy.input]}{batches}"


def _figures(found: measured.Measured | None) -> Mapping[str, str]:
    if found is None:
        return {}
    batch = f", batch {found.batch} of {_images(found.input)}" if found.batch else ""
    return {
        "Kendall's τ": f"{_interval(found)} on {found.n:,} architectures{batch}",
        "Cost": f"{_milliseconds(found)} ms a network" if _milliseconds(found) else "",
    }


def _images(text: str) -> str:
    return " and ".join(
        "noise" if each == "gaussian" else f"{each} images" for each in text.split("+")
    )


def _interval(found: measured.Measured | None) -> str:
    return f"{found.tau:.3f} [{found.low:.3f}, {found.high:.3f}]" if found else "not measured"


def _milliseconds(found: measured.Measured | None) -> str:
    value = None if found is None else found.milliseconds
    if value is None:
        return ""
    return "< 0.01" if value < 0.01 else f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _order(name: str, figures: measured.Figures) -> tuple[float, str]:
    found = figures.methods.get(name)
    return (-found.tau if found else 2.0), name


def _basis(figures: measured.Figures) -> str:
    """How the figures came about."""
    file = figures.file.relative_to(figures.file.parents[3])
    return (
        f"Kendall's τ with trained accuracy on NAS-Bench-201, CIFAR-10, with its 95 % bootstrap "
        f"interval over n architectures; accuracies: {figures.truth}. Milliseconds are the mean "
        f"time of a score on one thread ({figures.device}), of an aggregate that of its proxies "
        f"together. Read from `{file}` and the `cost.csv` beside it, which `make results` writes; "
        f"`{file.with_suffix('.md').name}` has the whole protocol."
    )


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("proxy-gallery", ProxyGallery)
    return {"parallel_read_safe": True}
