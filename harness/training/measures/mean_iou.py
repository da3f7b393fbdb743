"""Mean intersection over union of predicted and labelled pixels."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix

from harness.training.run.distributed import gathered


class PixelEvaluator:
    """Counts pixels by labelled and predicted class over all images.

    IoU of a class is its common pixels by those that are labelled or predicted as it, of all images
    together; the mean is over the classes of which there are any, as ADE20K's benchmark has it.
    Pixels that are not labelled do not count.

    Args:
        classes: How many.
        ignored: Label of pixels that have none.
    """

    def __init__(self, classes: int, ignored: int) -> None:
        self._counts = torch.zeros(classes, classes, dtype=torch.int64)
        self._ignored = ignored

    def update(self, predictions: Iterable[Tensor], targets: Iterable[Tensor]) -> None:
        """Take in images: the class of every pixel, (height, width), predicted and labelled."""
        for predicted, labelled in zip(predictions, targets, strict=True):
            self._counts += multiclass_confusion_matrix(
                predicted.long(), labelled.long(), len(self._counts),
                ignore_index=self._ignored, validate_args=False,
            )  # fmt: skip

    def compute(self) -> dict[str, float]:
        """`miou` and `pixel_accuracy`, the share of labelled pixels that are right, in percent."""
        counts = torch.stack(gathered(self._counts)).sum(0).double()
        common = counts.diagonal()
        either = counts.sum(0) + counts.sum(1) - common
        ious = common[either > 0] / either[either > 0]
        return {
            "miou": 100 * float(ious.mean()),
            "pixel_accuracy": 100 * float(common.sum() / counts.sum()),
        }
