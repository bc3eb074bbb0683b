"""What pages call a custom key store's connection states and connection error codes, and what helps against each error.

Source: AWS KMS Developer Guide, "Troubleshooting a custom key store" and "Troubleshooting external key stores", "How to fix a connection
failure"; docs/key-stores.md says what each means here.
"""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

CONNECTED, CONNECTING, DISCONNECTED, DISCONNECTING, FAILED = (
    "CONNECTED",
    "CONNECTING",
    "DISCONNECTED",
    "DISCONNECTING",
    "FAILED",
)
CHANGING = (CONNECTING, DISCONNECTING)  # a state that ends by itself

# State → (what its badge looks like, its words).
STATES: dict[str, tuple[str, Any]] = {
    CONNECTED: ("good", _("Connected")),
    CONNECTING: ("notice", _("Connecting")),
    DISCONNECTED: ("quiet", _("Disconnected")),
    DISCONNECTING: ("notice", _("Disconnecting")),
    FAILED: ("bad", _("Failed")),
}
_PASSWORD = _("Disconnect the store, enter the current password by Edit, and connect again.")
_PROXY = _("Disconnect the store, correct the proxy or the store's settings, and connect again.")
# ConnectionErrorCode → (what it means, what helps).
ERRORS: dict[str, tuple[Any, Any]] = {
    "INTERNAL_ERROR": (
        _("The connection did not come about, for a reason within the key service."),
        _("Disconnect the store and connect it again. The server's log has more."),
    ),
    "NETWORK_ERRORS": (
        _("The network, or the device's own software, keeps the key service from the store."),
        _("Disconnect the store, check the way to the device, and connect again. The server's log has more."),
    ),
    "CLUSTER_NOT_FOUND": (
        _("There is no cluster with the store's cluster ID."),
        _("Have the cluster registered again. If it has another ID now, disconnect the store and enter that by Edit."),
    ),
    "INSUFFICIENT_CLOUDHSM_HSMS": (
        _("The cluster has no HSM that answers: the token is not there."),
        _("Bring back the token, or start an HSM of the cluster; then disconnect the store and connect it again."),
    ),
    "INSUFFICIENT_FREE_ADDRESSES_IN_SUBNET": (
        _("A subnet of the cluster has no free IP address."),
        _("Free an address in each private subnet of the cluster, then connect again."),
    ),
    "INVALID_CREDENTIALS": (_("The store's password is not that of kmsuser in the cluster."), _PASSWORD),
    "SUBNET_NOT_FOUND": (
        _("A subnet of the cluster was deleted."),
        _("Restore the cluster from a backup in subnets that exist, and enter its cluster ID by Edit."),
    ),
    "USER_LOCKED_OUT": (
        _("kmsuser is locked after too many wrong passwords."),
        _("Reset the password with the device's own tools; then disconnect the store, enter it by Edit, and connect."),
    ),
    "USER_LOGGED_IN": (
        _("Somebody is logged in to the cluster as kmsuser."),
        _("Log kmsuser out of the cluster, change its password, enter that by Edit, and connect again."),
    ),
    "USER_NOT_FOUND": (
        _("The cluster has no kmsuser: the token's user has no PIN."),
        _("Create kmsuser, or set the PIN of the token's user; enter it by Edit, and connect again."),
    ),
    "XKS_PROXY_ACCESS_DENIED": (
        _("The proxy does not allow the key service to ask it."),
        _("Have the proxy's own rules of authorization allow the requests of this store; then connect it again."),
    ),
    "XKS_PROXY_INVALID_CONFIGURATION": (
        _("The proxy says that it is not configured as it should be, or its external key manager."),
        _PROXY,
    ),
    "XKS_PROXY_INVALID_RESPONSE": (
        _("The proxy's answer is none of the XKS proxy API's."),
        _("Check the URI path, and the proxy's own log: it has to speak the version that the path ends with."),
    ),
    "XKS_PROXY_INVALID_TLS_CONFIGURATION": (
        _("The TLS connection to the proxy failed: its certificate is not valid for the endpoint."),
        _(
            "Give the proxy a certificate of a certificate authority that the key service trusts, for the endpoint's name."
        ),
    ),
    "XKS_PROXY_NOT_REACHABLE": (
        _("The proxy cannot be reached at its URI endpoint."),
        _("Check the endpoint, that the proxy runs, and that a firewall lets the key service reach it."),
    ),
    "XKS_PROXY_TIMED_OUT": (
        _("The proxy did not answer in time."),
        _("See that the proxy and its key manager answer quickly enough, then disconnect the store and connect again."),
    ),
    "XKS_VPC_ENDPOINT_SERVICE_INVALID_CONFIGURATION": (
        _("The VPC endpoint service is not configured as an external key store asks for."),
        _("Check its load balancer, its private DNS name and that its domain is verified."),
    ),
    "XKS_VPC_ENDPOINT_SERVICE_NOT_FOUND": (
        _("The VPC endpoint service was not found."),
        _("Check its name, and that it allows the key service as a principal."),
    ),
}
# Of an external key store, where the code means something else than of a CloudHSM one.
EXTERNAL_ERRORS: dict[str, tuple[Any, Any]] = {
    "INVALID_CREDENTIALS": (
        _("The proxy does not know the store's access key ID, or it has another secret access key."),
        _("Disconnect the store, give it the proxy's current credential by Edit, and connect again."),
    ),
}
