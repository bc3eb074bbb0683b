"""The file that says where the record is streamed to: each wrong member is named, no secret is repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import webhook_signature
from engine.sinks.configuration import SinkConfigurationError, read

SECRET = webhook_signature.new_secret()


def written(folder: Path, text: str) -> Path:
    (folder / "secret").write_text(SECRET + "\n")
    (folder / "short").write_text("whsec_c2hvcnQ=")
    path = folder / "sinks.toml"
    path.write_text(text.replace("FOLDER", str(folder)))
    return path


def test_sinks_are_read_in_their_order(tmp_path: Path) -> None:
    sinks = read(
        written(
            tmp_path,
            """
[[sink]]
name = "archive"
kind = "file"
path = "FOLDER/record.jsonl"
required = true
max_lag_seconds = 2

[[sink]]
name = "siem"
kind = "http"
url = "https://siem.example/in?token=abc"
secret_file = "FOLDER/secret"

[[sink]]
name = "logs"
kind = "syslog"
address = "[::1]:6514"
""",
        )
    )
    assert [(each.name, each.kind, each.target) for each in sinks] == [
        ("archive", "file", f"{tmp_path}/record.jsonl"),
        ("siem", "http", "https://siem.example/in"),
        ("logs", "syslog", "::1:6514"),
    ]
    assert (sinks[0].required, sinks[0].max_lag_seconds) == (True, 2.0)
    assert SECRET not in repr(sinks)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sink = 3", "something else than [[sink]] tables"),
        ("[other]", "something else than [[sink]] tables"),
        ("[[sink]]\nname", "cannot be read"),
        ('[[sink]]\nname = "a b"', "sink 1: name must be"),
        ('[[sink]]\nname = "a"\nkind = "ftp"', "sink a: kind must be one of file, http, syslog"),
        ('[[sink]]\nname = "a"\nkind = "file"', "sink a: path is missing"),
        ('[[sink]]\nname = "a"\nkind = "file"\npath = "var/x"', "sink a: path must be an absolute path"),
        (
            '[[sink]]\nname = "a"\nkind = "file"\npath = "/x"\nurl = "http://x/"',
            "url is no member of a sink of kind file",
        ),
        ('[[sink]]\nname = "a"\nkind = "http"\nurl = "https://u:p@x/"', "sink a: url must be an http(s) URL"),
        ('[[sink]]\nname = "a"\nkind = "http"\nurl = "https://x/"', "sink a: secret_file is missing"),
        (
            '[[sink]]\nname = "a"\nkind = "http"\nurl = "https://x/"\nsecret_file = "FOLDER/short"',
            "secret_file a secret is whsec_ and the base64 of 24 to 64 bytes",
        ),
        ('[[sink]]\nname = "a"\nkind = "syslog"\naddress = "x"', "sink a: address must be host:port"),
        (
            '[[sink]]\nname = "a"\nkind = "syslog"\naddress = "x:1"\nrequired = true',
            "required is no member of a sink of kind syslog",
        ),
        ('[[sink]]\nname = "a"\nkind = "file"\npath = "/x"\nmax_lag_seconds = 0', "must be 0.5 to 86400"),
        ('[[sink]]\nname = "a"\nkind = "file"\npath = "/x"\n' * 2, "two sinks are called 'a'"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SinkConfigurationError) as refused:
        read(written(tmp_path, text))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value).strip()
    assert "c2hvcnQ" not in str(refused.value)
