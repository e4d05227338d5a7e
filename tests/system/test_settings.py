"""Settings come from the environment, and say what is wrong with it."""

from pathlib import Path

import pytest

from system.errors import SettingsError
from system.settings import Settings, masked

URL = "postgresql://me@127.0.0.1:5432/mine"


def test_defaults_stand_where_nothing_is_set() -> None:
    """Only DATABASE_URL is required; an empty variable means its default."""
    settings = Settings.from_environment({"DATABASE_URL": URL, "TASK_QUEUE": ""})
    assert settings == Settings(database_url=URL)
    assert (settings.payment_url, settings.shipping_url) == (None, None), "no provider is guessed"
    assert (settings.task_files, settings.task_hosts) == (None, frozenset()), "nothing outside may be reached"


def test_every_variable_is_read() -> None:
    """Each variable reaches the field it names."""
    settings = Settings.from_environment(
        {
            "DATABASE_URL": URL,
            "TEMPORAL_ADDRESS": "temporal:1",
            "TEMPORAL_NAMESPACE": "n",
            "TASK_QUEUE": "q",
            "REDIS_URL": "redis://r:2/0",
            "PAYMENT_URL": "http://pay:1",
            "SHIPPING_URL": "https://ship:2",
            "HEALTH_ADDRESS": "0.0.0.0:8080",
            "METRICS_ADDRESS": "0.0.0.0:9464",
            "WORK_DIRECTORY": "/nowhere/yet",
            "TASK_FILES": "/nowhere/else",
            "TASK_HOSTS": "Hooks.example.com, localhost:8080,[::1]",
            "CACHE_SECONDS": "0.5",
            "DRAIN_SECONDS": "1.5",
            "POOL_MIN": "2",
            "POOL_MAX": "3",
            "SLOW_QUERY_SECONDS": "0",
            "PAYLOAD_CODEC": "codecs:Sealed",
            "PAYLOAD_LIMIT": "1000",
            "MIN_ACTIVITIES": "3",
            "MAX_ACTIVITIES": "4",
            "MEMORY_TARGET": "0.5",
            "CPU_TARGET": "1",
            "MAX_CACHED_WORKFLOWS": "5",
            "DEPLOYMENT": "d",
            "BUILD_ID": "1.2",
            "VERSIONING": "auto-upgrade",
            "POLARS_THREADS": "6",
        }
    )
    assert settings == Settings(
        database_url=URL,
        temporal_address="temporal:1",
        temporal_namespace="n",
        task_queue="q",
        redis_url="redis://r:2/0",
        payment_url="http://pay:1",
        shipping_url="https://ship:2",
        health_address=("0.0.0.0", 8080),
        metrics_address=("0.0.0.0", 9464),
        work_directory=Path("/nowhere/yet"),
        task_files=Path("/nowhere/else"),
        task_hosts=frozenset({"hooks.example.com", "localhost:8080", "[::1]"}),
        cache_seconds=0.5,
        drain_seconds=1.5,
        pool_min=2,
        pool_max=3,
        slow_query_seconds=0,
        payload_codec="codecs:Sealed",
        payload_limit=1000,
        min_activities=3,
        max_activities=4,
        memory_target=0.5,
        cpu_target=1,
        max_cached_workflows=5,
        deployment="d",
        build_id="1.2",
        versioning="auto-upgrade",
        polars_threads=6,
    )


def test_the_least_gives_way_to_a_lower_most() -> None:
    """Who only lowers the most activities need not know of the least."""
    settings = Settings.from_environment({"DATABASE_URL": URL, "MAX_ACTIVITIES": "2"})
    assert (settings.min_activities, settings.max_activities) == (2, 2)


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("DATABASE_URL", "", "postgresql://user"),
        ("DATABASE_URL", "mysql://x/y", "postgresql://user"),
        ("TEMPORAL_ADDRESS", "7233", "host:port"),
        ("HEALTH_ADDRESS", "host:high", "host:port"),
        ("REDIS_URL", "localhost:6379", "redis://"),
        ("WORK_DIRECTORY", "relative", "absolute path"),
        ("TASK_FILES", "relative", "absolute path"),
        ("TASK_HOSTS", "http://hooks.example.com", "separated by commas"),
        ("TASK_HOSTS", "a,,b", "separated by commas"),
        ("DRAIN_SECONDS", "-1", "number of seconds"),
        ("POOL_MAX", "0", "whole number"),
        ("POOL_MAX", "1000000000", "whole number"),
        ("POOL_MAX", "1001", "at most"),
        ("DRAIN_SECONDS", "1e300", "to a day"),
        ("POOL_MIN", "99", "at most POOL_MAX"),
        ("MIN_ACTIVITIES", "99", "at most MAX_ACTIVITIES"),
        ("CPU_TARGET", "1.1", "a share"),
        ("VERSIONING", "newest", "pinned or auto-upgrade"),
        ("CACHE_SECONDS", "0", "above zero"),
        ("PAYMENT_URL", "pay:1", "http://"),
        ("BUILD_ID", "1.2", "the name of the Worker Deployment"),
    ],
)
def test_bad_values_are_named(variable: str, value: str, expected: str) -> None:
    """The error names the variable and what was expected."""
    with pytest.raises(SettingsError, match=variable) as raised:
        Settings.from_environment({"DATABASE_URL": URL, variable: value})
    assert expected in str(raised.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:secret@host:1/x", "postgresql://me:…@host:1/x"),  # pragma: allowlist secret - nobody's
        ("postgresql://me:se/cr@et@host/x", "postgresql://me:…@host/x"),
        ("redis://:secret@host/0", "redis://:…@host/0"),
        ("me:secret@host/x", "me:…@host/x"),
        ("postgresql://host/x?user=me&password=secret&ssl=on", "postgresql://host/x?user=me&password=…&ssl=on"),
        ("host=x password=secret user=me", "host=x password=… user=me"),
        ("host=x password='sec ret' user=me", "host=x password=… user=me"),  # pragma: allowlist secret - nobody's
        ("postgresql:///me:secret@host/x", "postgresql:///me:…@host/x"),
        ("postgresql://me@host:1/x", "postgresql://me@host:1/x"),
        ("redis://host:1/0", "redis://host:1/0"),
    ],
)
def test_passwords_are_left_out(url: str, shown: str) -> None:
    """However the URL is written, well or not; the rest stays."""
    assert masked(url) == shown


@pytest.mark.parametrize("variable", ["DATABASE_URL", "REDIS_URL"])
def test_no_message_shows_a_password(variable: str) -> None:
    """Neither the error over a wrong URL nor the settings as printed."""
    wrong = "postgres:secret@host:port"
    with pytest.raises(SettingsError) as raised:
        Settings.from_environment({"DATABASE_URL": URL, variable: wrong})
    assert "secret" not in str(raised.value)
    settings = Settings(
        database_url="postgresql://me:secret@h/x",  # pragma: allowlist secret - nobody's
        redis_url="redis://:secret@h",
    )
    assert "secret" not in repr(settings)
