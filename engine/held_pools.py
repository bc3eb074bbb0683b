"""urllib3's pools by scheme (`PoolManager.pool_classes_by_scheme`) whose exchanges end with the Deadline that they are begun under."""

from __future__ import annotations

import urllib3

from engine.outbound import HeldConnection


class _HttpConnection(HeldConnection, urllib3.connection.HTTPConnection):
    pass


class _HttpsConnection(HeldConnection, urllib3.connection.HTTPSConnection):
    pass


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


POOLS: dict[str, type] = {"http": _HttpPool, "https": _HttpsPool}
