"""Every environment variable of kmsconsole: one row each. docs/operations.md shows this table, and a test compares the two."""

from __future__ import annotations

from collections.abc import Mapping

VARIABLES: Mapping[str, str] = {
    "KMSCONSOLE_DATA": "Data folder: root key, database, audit journal. Default `var/` of a checkout, `~/.local/share/kmsconsole` where it is installed.",
    "KMSCONSOLE_LISTEN": "Address and port. Default `127.0.0.1:8000`.",
    "KMSCONSOLE_PUBLIC_URL": "The address that browsers and programs use when it is not the one listened on (a proxy).",
    "KMSCONSOLE_ALLOWED_HOSTS": "Host names the console answers to, comma-separated. Default localhost and the listen address.",
    "KMSCONSOLE_BACKEND": "`embedded` (default), `aws`, or an endpoint URL: what the console manages.",
    "KMSCONSOLE_ENDPOINTS": "Where connections to other endpoints may go: `any` (default), `public`, or `public` and networks (`public,10.20.0.0/16`).",
    "KMSCONSOLE_DATABASE_URL": "Control-plane database: `postgres://user:password@host:port/name`. Default SQLite in the data folder.",
    "KMSCONSOLE_DATABASE_TIMEOUT": "Seconds a call waits for the database before it fails. Default 10.",
    "KMSCONSOLE_WORKERS": "Worker processes. Default the number of cores.",
    "KMSCONSOLE_THREADS": "Threads of each worker for pages and calls that need the database or time; with PostgreSQL a connection each. Default 32.",
    "KMSCONSOLE_CONNECTIONS": "Connections that each worker holds. Default 2048.",
    "KMSCONSOLE_CONNECTIONS_PER_ADDRESS": "Of these, what one address may hold. Default half of them; behind a proxy, which is one address, set all of them.",
    "KMSCONSOLE_REQUEST_SECONDS": "Seconds in which a request's head has to come, and each 16 KiB of its body. Default 10.",
    "KMSCONSOLE_QUOTAS": "Request quotas: `default`, `aws`, `off`, `NAME=RATE`, comma-separated. Default `default`.",
    "KMSCONSOLE_LOG": "`text` (default) or `json`; with `,requests` one line for each AWS request.",
    "KMSCONSOLE_METRICS_TOKEN": "Bearer token that `/metrics` asks for. Without one it answers this machine only.",
    "KMSCONSOLE_BOOTSTRAP_ACCOUNT_ID": "Number of the first account. Default `111122223333`. First start only, like the next three.",
    "KMSCONSOLE_BOOTSTRAP_PASSWORD": "Password of the first administrator. Generated and printed if it is not set.",
    "KMSCONSOLE_BOOTSTRAP_ACCESS_KEY_ID": "Access key ID of the first administrator, with the next one. Generated and printed.",
    "KMSCONSOLE_BOOTSTRAP_SECRET_ACCESS_KEY": "Its secret access key.",
}

SERVER_PID = "KMSCONSOLE_SERVER_PID"  # set by the server for its workers, nobody else's to set
