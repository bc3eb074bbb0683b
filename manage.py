#!/usr/bin/env python
"""Django's command line for kmsconsole, from a checkout. Installed, the same is `kmsconsole`."""

from kmsconsole.__main__ import main

if __name__ == "__main__":
    main()
