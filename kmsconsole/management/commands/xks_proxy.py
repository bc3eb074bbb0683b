"""`kmsconsole xks-proxy`: the reference proxy for external key stores, over a PKCS#11 token. For training and tests (docs/key-stores.md)."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from engine.hsm import softhsm
from engine.hsm.token import TokenError
from kmsconsole.xks_proxy import server, training
from kmsconsole.xks_proxy.configuration import ConfigurationError


class Command(BaseCommand):
    help = "Serve the external key store proxy API over a PKCS#11 token, for training and tests."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("configuration", nargs="?", type=Path, help="the proxy's TOML file")
        parser.add_argument(
            "--training", type=Path, metavar="FOLDER", help="make all that training needs in a new folder"
        )
        parser.add_argument(
            "--host", default=training.HOST, help="with --training: the name of the server's certificate"
        )
        parser.add_argument("--listen", default="127.0.0.1:8443", help="with --training: address:port")
        parser.add_argument("--mutual-tls", action="store_true", help="with --training: ask clients for a certificate")

    def handle(self, *args: Any, **options: Any) -> None:
        requests = logging.getLogger(server.LOGGER)
        requests.addHandler(logging.StreamHandler(sys.stderr))
        requests.setLevel(logging.INFO)
        requests.propagate = False
        try:
            if options["training"] is not None:
                self._train(options)
                return
            path = options["configuration"]
            if path is None:
                raise CommandError("name the configuration, or make one with --training FOLDER")
            softhsm.use(path.resolve().parent, before_environment=True)  # as --training made it
            server.serve(path.resolve())
        except (ConfigurationError, TokenError) as reason:
            raise CommandError(str(reason)) from reason

    def _train(self, options: dict[str, Any]) -> None:
        folder, host = options["training"].resolve(), options["host"]
        path = training.make(folder, host, options["listen"], mutual_tls=options["mutual_tls"])
        client = f"KMSCONSOLE_XKS_CLIENT_CERTIFICATE={folder}/client.pem\n" if options["mutual_tls"] else ""
        self.stdout.write(
            f"Serve the proxy:\n  kmsconsole xks-proxy {path}\n"
            f"Have kmsconsole find and trust it, by its environment:\n"
            f"  KMSCONSOLE_XKS_PROXIES={host}={options['listen']}\n  KMSCONSOLE_XKS_CA_BUNDLE={folder}/ca.pem\n"
            + (f"  {client}" if client else "")
            + f"Make the key store:\n  aws kms create-custom-key-store --custom-key-store-name training "
            f"--cli-input-json file://{folder}/create-custom-key-store.json\n"
            f"External key IDs: {', '.join(training.KEYS)}"
        )
