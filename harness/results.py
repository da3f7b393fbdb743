"""Results of the public functions: data of the stages, with their figures and folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass
