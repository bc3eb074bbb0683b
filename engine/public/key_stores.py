"""How the proxies of external key stores are, which AWS shows as metrics. keys/stores/stores.py alone imports this, and reads it by the
console's own action kmsconsole:ReadKeyStoreHealth."""

from __future__ import annotations

from engine.kms.stores.health import ProxyHealth, look

__all__ = ["ProxyHealth", "look"]
