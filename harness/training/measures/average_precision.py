"""Average precision of boxes and masks, by pycocotools."""

from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from harness.training.run.distributed import gathered

#: Detections of an image that count, as in COCO's rules.
_MOST = 100


class InstanceEvaluator:
    """COCO's average precision over all areas, mean over IoU .50 to .95 and at .50 and .75.

    Args:
        truth: Annotations of the validation images.
        categories: Their ids by label, from label 1 on.
    """

    def __init__(self, truth: COCO, categories: Sequence[int]) -> None:
        self._truth, self._categories = truth, categories
        self._found: list[dict[str, Any]] = []

    def update(self, predictions: Any, targets: Any) -> None:
        """Take in a batch: `boxes`, `labels`, `scores`, `masks` an image; `image_id` a target."""
        for found, target in zip(predictions, targets, strict=True):
            corners = found["boxes"].double().numpy().reshape(-1, 4)
            boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
            masks = np.asfortranarray(found["masks"].numpy().astype(np.uint8).transpose(1, 2, 0))
            labels, scores = found["labels"].tolist(), found["scores"].tolist()
            rows = zip(boxes.tolist(), labels, scores, rle.encode(masks), strict=True)
            self._found += [
                {
                    "image_id": target["image_id"],
                    "category_id": self._categories[label - 1],
                    "bbox": box,
                    "score": score,
                    "segmentation": mask,
                }
                for box, label, score, mask in rows
            ]

    def compute(self) -> dict[str, float]:
        """`ap_box`, `ap_box_50`, `ap_box_75` and the same of `mask`, in percent."""
        found = list(itertools.chain.from_iterable(gathered(self._found)))
        # Equal scores count in the order of the images, whoever looked at them.
        found.sort(key=lambda each: each["image_id"])
        with contextlib.redirect_stdout(io.StringIO()):
            results = self._truth.loadRes(found) if found else None
        figures: dict[str, float] = {}
        for name, kind in (("box", "bbox"), ("mask", "segm")):
            mean, *at = (0.0, 0.0, 0.0) if results is None else self._precision(results, kind)
            figures |= {f"ap_{name}": mean, f"ap_{name}_50": at[0], f"ap_{name}_75": at[1]}
        return figures

    def _precision(self, results: COCO, kind: str) -> tuple[float, float, float]:
        with contextlib.redirect_stdout(io.StringIO()):
            judged = COCOeval(self._truth, results, kind)
            judged.params.areaRng, judged.params.areaRngLbl = [[0, 1e10]], ["all"]
            judged.params.maxDets = [_MOST]
            judged.evaluate()
            judged.accumulate()
        precision = judged.eval["precision"]  # (IoU, recall, class, area, detections)
        rows = [precision, precision[:1], precision[5:6]]
        mean, half, strict = (100 * float(each[each > -1].mean()) for each in rows)
        return mean, half, strict
