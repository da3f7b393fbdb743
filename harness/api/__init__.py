"""The public functions; the command line calls them and does nothing else.

Nothing heavy is imported until a function is called.
"""

from harness.api.jobs import (
    build,
    dataset_of,
    evaluate,
    load,
    score,
    score_network,
    search,
    tables,
)
from harness.api.proxies import from_compute_nas_score, from_measure, register_proxy
from harness.api.resources import (
    agreement,
    check,
    compare_scores,
    export_scores,
    fetch,
    import_official,
    import_scores,
    list_algorithms,
    list_benchmarks,
    list_images,
    list_paths,
    list_proxies,
    list_truths,
)
from harness.api.trainings import (
    list_trained_tables,
    make_truth,
    train,
    trained_table,
    truth_scores,
)

__all__ = [
    "agreement",
    "build",
    "check",
    "compare_scores",
    "dataset_of",
    "evaluate",
    "export_scores",
    "fetch",
    "from_compute_nas_score",
    "from_measure",
    "import_official",
    "import_scores",
    "list_algorithms",
    "list_benchmarks",
    "list_images",
    "list_paths",
    "list_proxies",
    "list_trained_tables",
    "list_truths",
    "load",
    "make_truth",
    "register_proxy",
    "score",
    "score_network",
    "search",
    "tables",
    "train",
    "trained_table",
    "truth_scores",
]
