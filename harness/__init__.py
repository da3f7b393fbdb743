"""How well do training-free proxies rank architectures? The public functions are those of
`harness.api`.

>>> import harness
>>> "evaluate" in harness.__all__
True
"""

import importlib.metadata
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from harness.api import *  # noqa: F403
from harness.api import __all__ as __all__


def _see_that_ours_are_found() -> None:
    """Nobody else's folder `benchmarks` may stand in the place of the package beside this one.

    Raises:
        ImportError: One does, beside the script that is run or on PYTHONPATH.
    """
    ours = Path(__file__).resolve().parents[1]
    if sys.argv[:1] == ["-m"] and Path(sys.path[0] or ".").resolve() != ours:
        del sys.path[0]  # `python -m harness`: the working directory is not meant
    found = importlib.util.find_spec("benchmarks")
    places = list(found.submodule_search_locations or ()) if found else []
    if not any(Path(place).resolve() == ours / "benchmarks" for place in places):
        raise ImportError(
            f"the package benchmarks at {places[0] if places else found} hides the harness' own; "
            "rename that folder, or run the command harness, which does not look there"
        )


_see_that_ours_are_found()


def __getattr__(name: str) -> str:
    if name == "__version__":
        return importlib.metadata.version("nas-proxy-harness")
    raise AttributeError(f"module 'harness' has no attribute {name!r}")


class _Package(ModuleType):
    """A package in which a public function keeps its name when a room of that name is imported.

    The first import of the room `harness.search` would set it in the place of the function.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in __all__ and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
