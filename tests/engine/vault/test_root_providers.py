"""What protects the root key: a server starts with the secret, and with nothing else; no secret is written anywhere."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import shutil
import subprocess
import sys
import tarfile
import termios
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.vault import hierarchy, root_files
from tests.support import prefork, server_settings
from tests.support.server import ROOT, Server
from tests.support.softhsm import MODULE, PIN, SoftHsm

pytestmark = pytest.mark.slow
PASSPHRASE = "a long enough passphrase"
TOKEN = "root token"


PROVIDERS = pytest.mark.parametrize(
    "installation", ["passphrase", f"pkcs11:{TOKEN}"], ids=["passphrase", "pkcs11"], indirect=True
)


def server_of(folder: Path, provider: str, softhsm: SoftHsm) -> Server:
    return Server(
        folder,
        SOFTHSM2_CONF=str(softhsm.configuration),
        KMSCONSOLE_ROOT_TOKEN_MODULE=MODULE,
        KMSCONSOLE_ROOT_PROVIDER=provider,
        KMSCONSOLE_ROOT_SECRET=PASSPHRASE if provider == "passphrase" else PIN,
        KMSCONSOLE_WORKERS="1",
    )


@dataclass
class Installation:
    """One that was started, used and stopped: what was encrypted in it, what its server printed, and what ran beside it."""

    server: Server
    softhsm: SoftHsm
    provider: str
    blob: bytes
    commands: list[bytes]
    printed: str


@pytest.fixture(scope="module")
def installation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Of each provider, made once for all tests."""
    folder = tmp_path_factory.mktemp("made")
    softhsm = SoftHsm(folder / "softhsm")
    softhsm.make(TOKEN)
    server = server_of(folder / "data", request.param, softhsm)
    with server:
        key_id = server.client().create_key()["KeyMetadata"]["KeyId"]
        blob = server.client().encrypt(KeyId=key_id, Plaintext=b"kept")["CiphertextBlob"]
        assert server.process is not None
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        assert children
        lines = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in [str(server.process.pid), *children]]
    return Installation(server, softhsm, request.param, blob, lines, server.output())


@pytest.fixture
def server(installation: Installation, tmp_path: Path) -> Server:
    """A copy of that installation, stopped. The token is all tests'; none of them takes a key from it."""
    shutil.copytree(installation.server.folder, tmp_path / "data")
    return server_of(tmp_path / "data", installation.provider, installation.softhsm)


def started(server: Server, **environment: str | None) -> subprocess.CompletedProcess[str]:
    """A start that is expected to fail."""
    given = {name: value for name, value in {**server.environment, **environment}.items() if value is not None}
    return prefork.run("serve", env=given)


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@PROVIDERS
def test_what_was_encrypted_opens_after_a_restart_with_the_secret(server: Server, installation: Installation) -> None:
    assert not (server.folder / "root.key").exists()
    assert (installation.server.folder / "root.json").stat().st_mode & 0o777 == 0o600
    with server:
        assert server.client().decrypt(CiphertextBlob=installation.blob)["Plaintext"] == b"kept"


@PROVIDERS
def test_the_secret_is_nowhere_but_with_whoever_starts_the_server(server: Server, installation: Installation) -> None:
    secret = server.environment["KMSCONSOLE_ROOT_SECRET"].encode()
    assert all(secret not in line for line in installation.commands)
    assert secret not in everything_in(installation.server.folder)
    assert secret.decode() not in installation.printed
    done = started(server, KMSCONSOLE_ROOT_SECRET="another secret, just as long")
    assert done.returncode == 1
    assert "another secret" not in done.stdout + done.stderr


@PROVIDERS
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("another passphrase", ("does not open the root key", "the PIN is not the token user's")),
        (None, ("passphrase of the root key is needed", "PIN of the root key is needed")),
    ],
    ids=["another", "none"],
)
def test_without_the_secret_it_does_not_start_and_says_so_in_one_line(
    server: Server, given: str | None, said: tuple[str, str]
) -> None:
    done = started(server, KMSCONSOLE_ROOT_SECRET=given)
    assert done.returncode == 1
    assert any(text in done.stderr for text in said), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@PROVIDERS
def test_the_secret_comes_from_a_descriptor_or_a_systemd_credential(server: Server, tmp_path: Path) -> None:
    secret = server.environment.pop("KMSCONSOLE_ROOT_SECRET")
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "kmsconsole-root-secret").write_text(secret + "\n")
    server.environment["CREDENTIALS_DIRECTORY"] = str(credentials)
    with server:
        pass
    del server.environment["CREDENTIALS_DIRECTORY"]
    server.environment["KMSCONSOLE_ROOT_SECRET_FD"] = "9"
    server.program = (
        "bash",
        "-c",
        f'exec 9<"{credentials}/kmsconsole-root-secret"; exec {sys.executable} manage.py "$@"',
        "-",
    )
    with server:
        pass


def rewritten(change: Callable[[dict], None]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        description = json.loads(path.read_text())
        change(description)
        path.write_text(json.dumps(description))

    return damage


def flip(name: str) -> Callable[[dict], None]:
    def change(description: dict) -> None:
        members = description if name in description else description[description["provider"]]
        members[name] = ("1" if members[name][0] != "1" else "2") + members[name][1:]

    return change


@pytest.mark.parametrize(
    "damage",
    [
        rewritten(flip("wrapped")),
        rewritten(flip("mac")),
        rewritten(flip("installation")),
        rewritten(flip("rootKeyID")),
        rewritten(lambda description: description.update(more="than was said")),
        rewritten(lambda description: description.update(provider="file")),
        rewritten(lambda description: description.pop("mac")),
        lambda path: path.write_text("{"),
        lambda path: path.write_bytes(b"\xff"),
    ],
    ids=["wrapped", "mac", "installation", "rootKeyID", "more", "provider", "no mac", "no JSON", "no text"],
)
def test_a_changed_description_is_refused(
    tmp_path: Path, settings: pytest.FixtureRequest, damage: Callable[[Path], None]
) -> None:
    settings.DATA, settings.ROOT_PASSPHRASE_COST = tmp_path, server_settings.ROOT_PASSPHRASE_COST
    root_files.create("passphrase", {}, lambda what, count: [PASSPHRASE])
    damage(tmp_path / "root.json")
    with pytest.raises(hierarchy.RootKeyError):
        root_files.read(tmp_path / "root.json").open(lambda what, count: [PASSPHRASE])


def test_a_guess_at_a_passphrase_costs_at_least_what_rfc_9106_recommends(
    tmp_path: Path, settings: pytest.FixtureRequest
) -> None:
    settings.DATA = tmp_path
    root_files.create("passphrase", {}, lambda what, count: [PASSPHRASE])
    made = json.loads((tmp_path / "root.json").read_text())["passphrase"]
    assert (made["kdf"], made["iterations"] >= 3, made["lanes"] >= 4, made["memoryKiB"] >= 64 << 10) == (
        ("argon2id", True, True, True)
    )


def test_a_short_passphrase_is_refused(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", KMSCONSOLE_ROOT_PROVIDER="passphrase", KMSCONSOLE_ROOT_SECRET="short")
    done = started(server)
    assert done.returncode == 1
    assert "12 characters or more" in done.stderr
    assert not (tmp_path / "data" / "root.json").exists()


def test_a_description_cannot_ask_for_all_memory_of_the_machine(
    tmp_path: Path, settings: pytest.FixtureRequest
) -> None:
    settings.DATA, settings.ROOT_PASSPHRASE_COST = tmp_path, server_settings.ROOT_PASSPHRASE_COST
    root_files.create("passphrase", {}, lambda what, count: [PASSPHRASE])
    rewritten(lambda description: description["passphrase"].update(memoryKiB=1 << 30))(tmp_path / "root.json")
    with pytest.raises(hierarchy.RootKeyError, match="damaged"):
        root_files.read(tmp_path / "root.json").open(lambda what, count: [PASSPHRASE])


@pytest.mark.parametrize("installation", [f"pkcs11:{TOKEN}"], ids=["pkcs11"], indirect=True)
def test_a_token_without_its_module_or_its_key_is_told(server: Server, tmp_path: Path) -> None:
    assert "KMSCONSOLE_ROOT_TOKEN_MODULE must name" in started(server, KMSCONSOLE_ROOT_TOKEN_MODULE=None).stderr
    assert "module cannot be loaded" in started(server, KMSCONSOLE_ROOT_TOKEN_MODULE="/nowhere.so").stderr
    other = SoftHsm(tmp_path / "other")
    other.make(TOKEN)
    assert "has no such key" in started(server, SOFTHSM2_CONF=str(other.configuration)).stderr
    empty = SoftHsm(tmp_path / "empty")
    assert "the token is not there" in started(server, SOFTHSM2_CONF=str(empty.configuration)).stderr


@PROVIDERS
def test_check_says_what_protects_the_root_key_and_whether_it_opens(server: Server) -> None:
    done = server.manage("check")
    assert done.returncode == 0, done.stdout
    provider = "argon2id, 1 MiB" if server.environment["KMSCONSOLE_ROOT_PROVIDER"] == "passphrase" else "PKCS#11 token"
    assert provider in done.stdout
    assert "opens every domain key" in done.stdout
    del server.environment["KMSCONSOLE_ROOT_SECRET"]
    done = server.manage("check")
    assert done.returncode == 0
    assert "domain keys were not tried" in done.stdout
    server.environment["KMSCONSOLE_ROOT_SECRET"] = "wrong, and long enough"
    assert server.manage("check").returncode == 1


@PROVIDERS
def test_a_backup_holds_the_description_where_it_is_of_no_use_alone(
    server: Server, installation: Installation, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.tar"
    assert server.manage("backup", str(backup)).returncode == 0
    restored = Server(tmp_path / "restored", bare=True)
    restored.environment = {**server.environment, "KMSCONSOLE_DATA": str(restored.folder)}
    restored.environment["KMSCONSOLE_LISTEN"] = f"127.0.0.1:{restored.port}"
    guessable = server.environment["KMSCONSOLE_ROOT_PROVIDER"] == "passphrase"
    with tarfile.open(backup) as archive:
        assert ("root.json" in archive.getnames()) is not guessable
    kept = ["--root-key", str(server.folder / "root.json")] if guessable else []
    done = restored.manage("restore", str(backup), *kept)
    assert done.returncode == 0, done.stderr
    assert (restored.folder / "root.json").stat().st_mode & 0o777 == 0o600
    with restored:
        assert restored.client().decrypt(CiphertextBlob=installation.blob)["Plaintext"] == b"kept"


@PROVIDERS
def test_a_rotation_keeps_the_provider_and_a_running_server_goes_on(server: Server, installation: Installation) -> None:
    blob = installation.blob
    with server:
        before = json.loads((server.folder / "root.json").read_text())
        done = server.manage("rotate_root")
        assert done.returncode == 0, done.stderr
        server.client(region="eu-west-1").create_key()
        assert server.client().decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"
    after = json.loads((server.folder / "root.json").read_text())
    assert (after["provider"], after["installation"]) == (before["provider"], before["installation"])
    assert after["rootKeyID"] != before["rootKeyID"]
    with server:
        assert server.client().decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"


@pytest.mark.parametrize("installation", ["passphrase"], indirect=True)
def test_the_passphrase_is_asked_for_at_a_terminal_and_not_shown(server: Server) -> None:
    del server.environment["KMSCONSOLE_ROOT_SECRET"]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env=server.environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    said = b""
    while b"Root key: passphrase: " not in said:
        said += os.read(ours, 1000)
    os.write(ours, PASSPHRASE.encode() + b"\n")
    with contextlib.suppress(OSError):  # the other end is closed
        while more := os.read(ours, 1000):
            said += more
    assert process.wait(timeout=30) == 0, said
    assert b"opens every domain key" in said
    assert PASSPHRASE.encode() not in said
    os.close(ours)
