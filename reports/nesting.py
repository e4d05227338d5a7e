"""The markup of one run, fitted to stand beside that of other runs on one page."""

import re

TAG = re.compile(r"<[^<>]+>")
"""A tag. Everything that was recorded is escaped, in text and in attributes, so no other angle bracket stands there."""
HEADING = re.compile(r"^(</?)h([1-5])\b")
NAMED = re.compile(r' (id|for|aria-labelledby|aria-describedby|aria-controls)="([^"]*)"')
WITHIN = re.compile(r' href="#([^"]*)"')


def nested(html: str, name: str) -> str:
    """The same with each heading a level lower, and every id, and what refers to it, with `name` before it."""

    def fitted(found: re.Match[str]) -> str:
        tag = HEADING.sub(lambda heading: f"{heading[1]}h{int(heading[2]) + 1}", found[0])
        tag = NAMED.sub(lambda one: f' {one[1]}="{" ".join(f"{name}-{each}" for each in one[2].split())}"', tag)
        return WITHIN.sub(lambda one: f' href="#{name}-{one[1]}"', tag)

    return TAG.sub(fitted, html)
