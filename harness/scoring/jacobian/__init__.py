"""Per-sample Jacobian of the logits with respect to one scalar of each of many parameters.

The Fisher-matrix proxies need d logit_c / d theta_k for every sample, where theta_k is a
single element of the k-th parameter tensor. Three ways to it, equal in value: `backward`,
`forward`, and `reference` for any network; `scalar` chooses.
"""

from harness.scoring.jacobian.reference import scalar_jacobian_reference
from harness.scoring.jacobian.scalar import scalar_jacobian, scalar_parameters

__all__ = ["scalar_jacobian", "scalar_jacobian_reference", "scalar_parameters"]
