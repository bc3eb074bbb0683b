"""How this installation reaches the proxy of an external key store: by the store's own address and credential, and by the settings."""

from __future__ import annotations

from django.conf import settings

from engine.kms.stores.snapshots import KeyStore
from engine.xks.client import Proxy
from engine.xks.connection import Network


def proxy(store: KeyStore) -> Proxy:
    return Proxy(store.xks_uri_endpoint, store.xks_uri_path, store.xks_access_key_id, store.secret, store.region)


def network() -> Network:
    return Network(settings.XKS_PROXIES, settings.XKS_CA_BUNDLE, settings.XKS_CLIENT_CERTIFICATE, settings.XKS_SECONDS)
