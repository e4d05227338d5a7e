"""Fills "{postgres.url}" and its like into commands and environments."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from harness.errors import UnknownName

# Only what looks like a name is a placeholder, so JSON needs no escaping; {{name}} stands for {name} itself.
PLACEHOLDER = re.compile(r"\{\{([a-z][\w.-]*)\}\}|\{([a-z][\w.-]*)\}")


def fill(template: str, known: Mapping[str, str]) -> str:
    """The template with every placeholder replaced; raises UnknownName, listing those that are known."""

    def value(match: re.Match[str]) -> str:
        escaped, name = match.groups()
        if escaped:
            return f"{{{escaped}}}"
        if name not in known:
            raise UnknownName("placeholder", f"{{{name}}}", [f"{{{each}}}" for each in known])
        return known[name]

    return PLACEHOLDER.sub(value, template)


def placeholders(template: str) -> list[str]:
    """The names that `fill` would have to know, in their order."""
    return [name for _, name in PLACEHOLDER.findall(template) if name]


def fill_each(templates: Sequence[str], known: Mapping[str, str]) -> list[str]:
    """Every template of a command line, filled; raises UnknownName."""
    return [fill(template, known) for template in templates]


def fill_values(templates: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """Every value of an environment, filled; raises UnknownName."""
    return {name: fill(template, known) for name, template in templates.items()}
