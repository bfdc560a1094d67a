"""Asks the page of the hub on this machine, by the settings of that hub."""

import json
import ssl
import urllib.request
from typing import Any

from hub.config import Config

ANY = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}


def url_of(config: Config, path: str = "") -> str:
    """Return where the page is, from this machine."""
    row = config.tables["console"]
    scheme = "https" if row["certificate"] else "http"
    return f"{scheme}://{ANY.get(row['host'], row['host'])}:{row['port']}{path}"


def fetch(config: Config, path: str, timeout_s: float) -> Any:
    """Return the JSON of a path of the page; OSError and ValueError where there is none."""
    certificate = config.tables["console"]["certificate"]
    context = None
    if certificate:
        # Nobody but the hub itself has this certificate's key, whatever name stands in it.
        context = ssl.create_default_context(cafile=str(config.folder / certificate))
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.check_hostname = False
    with urllib.request.urlopen(url_of(config, path), timeout=timeout_s, context=context) as one:
        return json.load(one)
