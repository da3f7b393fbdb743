"""The elementary nodes of UniNAS: what they take, what they cost, how they are written and built.

A node maps a feature map (C, H, W) to one of the same shape (two rare ones to other channels).
Most are layers; composite ones hold sequences of nodes, each at a shape of its own, and may be
nested at will. A sequence gives the shape that it takes. Nodes are values that hold no weights:
`algebra` counts and checks them. A node is one class, in a file of its family here: its closed
forms, its text and JSON, what a drawing says of it, and the PyTorch module that it is built as.
It registers itself by `@node`; nothing else has to know it.

FLOPs follow the space's own convention: two for a multiply-accumulate, and elementwise
operations too. Sources: the UniNAS paper's list of nodes and its public code, whose model files
use the class names given here. Loads without torch.
"""

import importlib
import pkgutil

#: Families in the order in which their nodes register: the walk draws among nodes in it.
_FAMILIES = ("layers", "resizing", "forks", "attention")

_found = sorted(module.name for module in pkgutil.iter_modules(__path__))

for _name in dict.fromkeys([*_FAMILIES, *_found]):
    importlib.import_module(f"{__name__}.{_name}")
