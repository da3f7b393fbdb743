"""How well do training-free proxies rank architectures? The public functions are those of
`harness.api`.

>>> import harness
>>> "evaluate" in harness.__all__
True
"""

from harness.api import *  # noqa: F403
from harness.api import __all__ as __all__
