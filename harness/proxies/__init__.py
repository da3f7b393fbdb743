"""Training-free proxies, one file each. `PROXIES` finds them all."""

from harness.proxies._registry import PROXIES, Proxy, Score, register_proxy

__all__ = ["PROXIES", "Proxy", "Score", "register_proxy"]
