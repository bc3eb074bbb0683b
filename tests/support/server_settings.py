"""The settings of a server that a test starts: the server's own, with a quick password hash (tests.support.hasher) and a
quick key derivation of the root key's passphrase.

The servers of the wheel and of deploy/ run with kmsconsole.settings as it is (tests/packaging).
"""

from kmsconsole.settings import *  # noqa: F403

PASSWORD_HASHERS = ["tests.support.hasher.QuickScrypt"]
ROOT_PASSPHRASE_COST = {"iterations": 1, "lanes": 1, "memoryKiB": 1 << 10}
