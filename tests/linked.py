"""A database reached through a link that the test may break."""

from urllib.parse import urlsplit

from harness.links import Link


def through(link: Link, database_url: str) -> str:
    """The URL of the same database, by way of the link."""
    return urlsplit(database_url)._replace(netloc=urlsplit(link.url).netloc).geturl()
