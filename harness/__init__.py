"""How well do training-free proxies rank architectures? The public functions are those of
`harness.api`.

>>> import harness
>>> "evaluate" in harness.__all__
True
"""

import sys
from types import ModuleType

from harness.api import *  # noqa: F403
from harness.api import __all__ as __all__


class _Package(ModuleType):
    """A package in which a public function keeps its name when a room of that name is imported.

    The first import of the room `harness.search` would set it in the place of the function.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in __all__ and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
