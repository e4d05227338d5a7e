"""The images that the container provider starts, in code and in docker-compose.yml."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.services import images, installed, postgres, temporal, toxiproxy
from harness.services.contained import (
    ContainerPostgres,
    ContainerRedis,
    ContainerService,
    ContainerTemporal,
    ContainerToxiproxy,
)
from harness.stack import CONTAINER, KINDS

ROOT = Path(__file__).parents[3]
VARIABLE = re.compile(r"\$\{([A-Z_]+):-([^}]*)\}")


@pytest.fixture(scope="module")
def composed() -> dict[str, Any]:
    """The services of docker-compose.yml."""
    services: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return services


def test_each_service_has_an_image_of_one_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every image is pinned to a version; the environment names another."""
    assert images.OFFICIAL.keys() == CONTAINER.keys()
    for service, image in images.OFFICIAL.items():
        monkeypatch.delenv(images.variable(service), raising=False)
        assert re.search(r":\d+\.\d+", image)
        assert images.image_of(service) == image
        monkeypatch.setenv(images.variable(service), "localhost/mine:1")
        assert images.image_of(service) == "localhost/mine:1"


def test_both_providers_have_the_same_temporal_and_toxiproxy() -> None:
    """The images' tags are the versions of the embedded programs; PostgreSQL is of the same major version."""
    cli = installed.dotted(installed.version_of(temporal.find_cli(), "--version"))
    assert images.OFFICIAL["temporal"].endswith(f":{cli}")
    assert images.OFFICIAL["toxiproxy"].endswith(f":{toxiproxy.VERSION}")
    assert images.OFFICIAL["postgres"].startswith(f"postgres:{postgres.find_binaries()[1][0]}.")


@pytest.mark.parametrize("name", list(images.OFFICIAL))
def test_compose_has_the_same_images(composed: dict[str, Any], name: str) -> None:
    """The image in docker-compose.yml is the code's, and the same variable names another."""
    assert VARIABLE.findall(composed[name]["image"]) == [(images.variable(name), images.OFFICIAL[name])]


@pytest.mark.parametrize(
    "service", [ContainerPostgres(), ContainerRedis(), ContainerTemporal(persistent=True), ContainerToxiproxy()]
)
def test_compose_tells_the_servers_the_same(composed: dict[str, Any], service: ContainerService) -> None:
    """Command and environment are the code's, on the usual ports; what has its own network listens to all of it."""
    section = composed[service.name]
    service.port = KINDS[service.name].default_port
    if section.get("network_mode") != "host":
        service.host = "0.0.0.0"
        assert f"127.0.0.1:{service.port}:{service.port}" in section["ports"]
    if isinstance(service, ContainerTemporal):
        service.ui_port = 8233
        service.metrics_port = 9464
    assert section["command"] == service.command()
    assert section.get("environment", {}) == dict(service.environment)


def test_compose_watches_every_server(composed: dict[str, Any]) -> None:
    """Each has a health check, so that `docker compose up --wait` means something."""
    assert composed.keys() == images.OFFICIAL.keys()
    assert all(section["healthcheck"]["test"][0] == "CMD" for section in composed.values())
