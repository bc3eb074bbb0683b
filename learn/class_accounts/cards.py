"""A student's credentials as they are handed out: for the console, for the AWS CLI as a profile, and as environment variables. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlencode


@dataclass(frozen=True, slots=True)
class Card:
    """`address` is the console's and the endpoint's, as others reach it. Empty secrets: what the student has already stays valid."""

    name: str
    user_name: str
    account_id: str
    alias: str
    address: str
    region: str
    password: str = field(default="", repr=False)
    access_key_id: str = ""
    secret_access_key: str = field(default="", repr=False)

    @property
    def sign_in(self) -> str:
        asked = urlencode({"account": self.alias or self.account_id, "user": self.user_name, "next": "/learn/"})
        return f"{self.address}/principals/sign-in/?{asked}"

    @property
    def profile(self) -> str:
        """What goes into ~/.aws/config."""
        return "\n".join(
            [
                f"[profile {self.alias or self.account_id}]",
                f"aws_access_key_id = {self.access_key_id}",
                f"aws_secret_access_key = {self.secret_access_key}",
                f"region = {self.region}",
                f"endpoint_url = {self.address}",
            ]
        )

    @property
    def environment(self) -> str:
        return "\n".join(
            [
                f"export AWS_ACCESS_KEY_ID={self.access_key_id}",
                f"export AWS_SECRET_ACCESS_KEY={self.secret_access_key}",
                f"export AWS_DEFAULT_REGION={self.region}",
                f"export AWS_ENDPOINT_URL={self.address}",
            ]
        )

    @property
    def text(self) -> str:
        """All of it, as a file."""
        lines = [
            self.name,
            f"Console     {self.sign_in}",
            f"Account     {self.account_id} ({self.alias})",
            f"User        {self.user_name}",
        ]
        if self.password:
            lines.append(f"Password    {self.password}")
        if self.secret_access_key:
            lines += ["", "AWS CLI profile, for ~/.aws/config:", "", self.profile]
            lines += ["", "Or as environment variables:", "", self.environment]
        return "\n".join(lines) + "\n"
