"""What a training gives, as plain data. Loads without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Training:
    """One trained network.

    Attributes:
        title: What was trained, on what, in a line.
        facts: `identity`, what identifies the training: `space`, `architecture`, `task`,
            `protocol` (`Protocol.plain`), `data` (`Data.fingerprint`), `seed`, `gpus`,
            `precision`, `weights`; and `environment`, `classes`, `images`, `images` (for
            training), `metric`, `epochs` (done, planned), `model` (what the user called it),
            `device`. Plain data.
        protocol: The protocol in words.
        history: One row an epoch: `epoch`, `step`, `rate`, `loss`, single losses, `seconds`,
            `images_per_second`; then the task's figures, NaN where it was not validated.
        figures: After the last epoch: the task's figures in percent ("top1", "top5"; "ap_box",
            "ap_mask"; "miou"), `params`, `flops`, `params_with_head`, `flops_with_head`,
            `images_per_second` (of inference) and `train_images_per_second`.
    """

    title: str
    facts: Mapping[str, Any]
    protocol: Sequence[str]
    history: pd.DataFrame
    figures: Mapping[str, float]
