"""Settings: what they are by default, how their texts are read, and the one sentence that a wrong one is refused with."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from kmsconsole.installation import environment
from kmsconsole.installation.environment import VARIABLES, Address, Endpoints, SettingError


def test_nothing_has_to_be_set() -> None:
    found = environment.read({})
    assert (found.listen, found.backend, found.endpoints) == (Address("127.0.0.1", 8000), "embedded", Endpoints(True))
    assert (found.threads, found.connections, found.request_seconds, found.database_timeout) == (32, 2048, 10, 10.0)
    assert found.workers >= 1


def test_an_empty_variable_is_as_one_that_is_not_set() -> None:
    assert environment.read(dict.fromkeys(VARIABLES, "")) == environment.read({})
    assert environment.read_bootstrap(dict.fromkeys(VARIABLES, "")) == environment.read_bootstrap({})


def test_texts_become_what_they_mean() -> None:
    found = environment.read(
        {
            "KMSCONSOLE_LISTEN": "[::1]:8443",
            "KMSCONSOLE_PUBLIC_URL": "https://keys.example.org/",
            "KMSCONSOLE_ALLOWED_HOSTS": "keys.example.org,localhost",
            "KMSCONSOLE_ENDPOINTS": "public, 10.0.0.0/8",
            "KMSCONSOLE_DATABASE_TIMEOUT": "0.5",
            "KMSCONSOLE_LOG": "json,requests",
            "KMSCONSOLE_XKS_PROXIES": "XKS.example.test=127.0.0.1:8443, b=[::1]:1",
        }
    )
    assert found.listen == Address("::1", 8443)
    assert found.listen.url_host == "[::1]"
    assert found.public_url == "https://keys.example.org"
    assert found.allowed_hosts == ("keys.example.org", "localhost")
    assert found.endpoints == Endpoints(False, (ip_network("10.0.0.0/8"),))
    assert found.xks_proxies == {"xks.example.test": ("127.0.0.1", 8443), "b": ("::1", 1)}
    assert (found.database_timeout, found.log) == (0.5, {"json", "requests"})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LISTEN", "abc", "must be address:port, not 'abc'"),
        ("LISTEN", "127.0.0.1:70000", "must be address:port, not '127.0.0.1:70000'"),
        ("LISTEN", "127.0.0.1:-1", "must be address:port, not '127.0.0.1:-1'"),
        ("PUBLIC_URL", "keys.example.org", "must be an http(s) URL, not 'keys.example.org'"),
        ("BACKEND", "moto", "must be embedded, aws or an http(s) URL, not 'moto'"),
        ("ENDPOINTS", "private", "must be any, public, or public and networks such as public,10.0.0.0/8 "
         "(it begins with neither), not 'private'"),
        ("DATABASE_TIMEOUT", "-1", "must be a number of seconds above zero, not '-1'"),
        ("DATABASE_TIMEOUT", "nan", "must be a number of seconds above zero, not 'nan'"),
        *((name, value, f"must be a number above zero, not {value!r}")
          for name in ("WORKERS", "THREADS", "CONNECTIONS", "CONNECTIONS_PER_ADDRESS", "REQUEST_SECONDS")
          for value in ("-1", "0", "many", "1.5", "²")),
        *(("ROOT_PROVIDER", value, f"must be file, passphrase, pkcs11:LABEL or kms:ARN, not {value!r}")
          for value in ("shamir", "pkcs11", "kms:", "file:x")),
        *(("XKS_PROXIES", value, f"must be name=address:port, comma-separated, not {value!r}")
          for value in ("a", "a=b", "=127.0.0.1:1", "a b=127.0.0.1:1", "a=127.0.0.1:1,")),
        ("XKS_CA_BUNDLE", "/no/such/file", "must be a file, not '/no/such/file'"),
        ("LOG", "xml", "must be text or json, with ,requests or without, not 'xml'"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_in_one_sentence(name: str, value: str, said: str) -> None:
    with pytest.raises(SettingError) as caught:
        environment.read({f"KMSCONSOLE_{name}": value})
    assert str(caught.value) == f"KMSCONSOLE_{name} {said}"


def test_a_refusal_does_not_repeat_a_credential() -> None:
    with pytest.raises(SettingError) as caught:
        environment.read_bootstrap({"KMSCONSOLE_BOOTSTRAP_ACCESS_KEY_ID": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_a_refusal_does_not_repeat_what_opens_the_root_key() -> None:
    """Somebody gives the passphrase where the number of its descriptor belongs."""
    with pytest.raises(SettingError) as caught:
        environment.read_root_secrets({"KMSCONSOLE_ROOT_SECRET_FD": "hunter2"})
    assert str(caught.value) == "KMSCONSOLE_ROOT_SECRET_FD must be the number of a file descriptor"


def test_an_access_key_needs_its_secret() -> None:
    with pytest.raises(SettingError, match="set both or neither"):
        environment.read_bootstrap({"KMSCONSOLE_BOOTSTRAP_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"})
