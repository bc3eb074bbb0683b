#!/usr/bin/env python
"""Django's command line for kmsconsole."""

import os
import sys

from django.core.management import execute_from_command_line

from kmsconsole.installation.datafolder import DataFolderError

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kmsconsole.settings")
    try:
        execute_from_command_line(sys.argv)
    except DataFolderError as reason:
        sys.exit(f"kmsconsole: {reason}")
