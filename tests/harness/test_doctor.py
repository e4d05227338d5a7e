"""The doctor says what is there, and how to get what is missing."""

import importlib.util
import sys
from pathlib import Path

import pytest

from harness import doctor
from harness.doctor import Finding, as_text
from harness.services import engine, installed, postgres


async def findings() -> dict[str, Finding]:
    """What the doctor finds, by subject."""
    return {finding.subject: finding for finding in await doctor.inspect()}


async def test_everything_the_tests_need_is_found() -> None:
    """On a machine that runs these tests each service is available, with version and source, and no remedy."""
    found = await findings()
    for subject in ("system", "python", "temporal", "postgres", "redis", "toxiproxy"):
        assert found[subject].available, found[subject]
        assert found[subject].version
        assert found[subject].source
        assert not found[subject].remedy
    assert found["python"].version == ".".join(map(str, sys.version_info[:3]))


async def test_on_a_bare_machine_each_gap_has_a_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With nothing installed each missing thing says how to get it."""
    monkeypatch.setattr(installed, "in_package", lambda *_: None)
    monkeypatch.setattr("sysconfig.get_path", lambda _: "/nowhere")
    monkeypatch.setattr(postgres, "DEBIAN", Path("/nowhere"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(engine, "sockets", list)
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    found = await findings()
    missing = ("temporal", "postgres", "redis", "toxiproxy", "go", "user namespaces", "containers")
    for subject in missing:
        assert not found[subject].available
        assert found[subject].remedy
    assert found["go"].needed
    assert not found["containers"].needed
    assert found["cache"].source == f"{tmp_path / 'temper'} (empty)"


async def test_a_toxiproxy_to_be_built_counts_as_available(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With Go and an empty cache the doctor says that it will be built, and builds nothing."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    found = (await findings())["toxiproxy"]
    assert found.available
    assert found.source.startswith("will be built with Go")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("code", "available"), [(0, True), (1, False)])
async def test_an_engine_counts_only_when_it_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: int, available: bool
) -> None:
    """Podman that nobody serves is available where its program runs, and not otherwise."""
    program = tmp_path / "podman"
    program.write_text(f"#!/bin/sh\necho podman version 5.4.2\nexit {code}\n")
    program.chmod(0o755)
    monkeypatch.setattr(engine, "sockets", list)
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = await findings()
    assert ("podman" in found) is available
    if available:
        assert found["podman"].available
        assert found["podman"].version == "5.4.2"
        assert found["podman"].source == "will be served for as long as a run takes"


def test_an_engine_without_testcontainers_is_of_no_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor says what is to be installed."""
    monkeypatch.setattr(engine, "find", lambda: engine.Found(name="docker", version="28.2.2", address="unix:///x"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda *_: None)
    assert not doctor._containers().available
    assert "temper-harness[containers]" in doctor._containers().remedy


def test_what_is_missing_is_named_at_the_end() -> None:
    """The last line says whether the embedded provider can run, or what it lacks; what nothing needs is no lack."""
    there = Finding(subject="redis", provider="embedded", available=True, version="6.2", source="PATH")
    lacking = Finding(subject="postgres", provider="embedded", available=False, remedy="install it")
    unneeded = Finding(subject="containers", provider="container", available=False, needed=False, remedy="not needed")
    assert as_text([there, unneeded]).endswith("Next: temper demo")
    told = as_text([there, lacking, unneeded]).splitlines()
    assert told[0] == "✓ redis            embedded   6.2 (PATH)"
    assert told[1] == "✗ postgres         embedded   install it"
    assert told[2].startswith("- containers")
    assert told[-1] == "Missing for the embedded provider: postgres."
