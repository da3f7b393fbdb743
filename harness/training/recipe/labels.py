"""Labels as a recipe shows them: smoothed and mixed, and the cross-entropy with them, by timm."""

from __future__ import annotations

from timm.data.mixup import Mixup
from timm.loss.cross_entropy import LabelSmoothingCrossEntropy, SoftTargetCrossEntropy
from torch import Tensor, nn

from benchmarks.errors import InputError
from harness.training.recipe.protocol import Protocol


class LabelLoss(nn.Module):
    """Cross-entropy of logits with labels, and what is done to a batch before.

    Args:
        smoothing: Share of a label that is spread over all classes.
        mixup: Alpha of mixup (arXiv:1710.09412); 0: images are not mixed.
        classes: Number of logits.
    """

    def __init__(self, smoothing: float, mixup: float, classes: int) -> None:
        super().__init__()
        self._hard = LabelSmoothingCrossEntropy(smoothing)
        self._soft = SoftTargetCrossEntropy()
        self._mixup = (
            Mixup(mixup_alpha=mixup, label_smoothing=smoothing, num_classes=classes)
            if mixup
            else None
        )

    def mixed(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """A batch as the network is to see it.

        Without mixup it is the same. With it, every image is mixed with the one at the other end
        of the batch, in a share a ~ Beta(alpha, alpha) from NumPy's global generator; the batch
        given is left as it is.

        Args:
            images: (B, 3, H, W).
            targets: Class numbers (B,).

        Returns:
            Images, and targets (B,) or (B, classes), which add up to 1 and are smoothed.
        """
        if self._mixup is None:
            return images, targets
        mixed: tuple[Tensor, Tensor] = self._mixup(images.clone(), targets)
        return mixed

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean over the batch.

        Args:
            logits: (B, classes).
            targets: Class numbers (B,), which are smoothed, or shares (B, classes) as they are.
        """
        kind = self._hard if targets.ndim == 1 else self._soft
        loss: Tensor = kind(logits.float(), targets)
        return loss


def classification_loss(protocol: Protocol, classes: int) -> LabelLoss:
    """The loss of a protocol.

    Raises:
        InputError: Its label smoothing is no share, or its batch cannot be mixed.
    """
    smoothing, mixup = protocol.label_smoothing, protocol.augmentation.mixup
    if not 0 <= smoothing < 1:
        raise InputError(f"{protocol.name}: label smoothing {smoothing} is not in 0 .. 1")
    if mixup and protocol.batch_per_gpu % 2:
        raise InputError(
            f"{protocol.name}: mixup takes images in pairs, and a batch has "
            f"{protocol.batch_per_gpu}; use an even --batch-size"
        )
    return LabelLoss(smoothing, mixup, classes)
