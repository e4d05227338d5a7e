"""Names the image of each service that the container provider starts."""

from __future__ import annotations

import os

OFFICIAL = {
    "temporal": "temporalio/temporal:1.9.1",
    "postgres": "postgres:18.6",
    "redis": "redis:8.8.0",
    "toxiproxy": "ghcr.io/shopify/toxiproxy:2.12.0",
}
"""The publishers' own images. Temporal's and Toxiproxy's are of the versions that the embedded provider starts."""


def variable(service: str) -> str:
    """The environment variable that names another image: "TEMPER_IMAGE_POSTGRES"."""
    return f"TEMPER_IMAGE_{service.upper()}"


def image_of(service: str) -> str:
    """The image a service is started from: the one the environment names, else the official one."""
    return os.environ.get(variable(service)) or OFFICIAL[service]
