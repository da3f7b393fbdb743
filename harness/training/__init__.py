"""The papers' final trainings, and trained accuracies of one's own.

| | |
|:---|:---|
| `types`, `result` | what the loop asks of a task; what a training gives |
| `train` | one training from end to end |
| `tasks/` | classification, detection, segmentation: data, network with losses, evaluator |
| `recipe/` | protocols and what they say: rates, optimiser, augmentation, labels, teacher |
| `run/` | the loop, batches, checkpoints, logs, several processes |
| `folders/` | data in its real layouts |
| `measures/` | AP, mIoU, parameters and FLOPs |
| `truth/` | ground truth of one's own |
"""
