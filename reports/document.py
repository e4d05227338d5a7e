"""Templates made into a document: what is shown is escaped, and nothing but its own style and script may act."""

import base64
import functools
import hashlib
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from harness.checking.objectives import shown
from reports import figures
from reports.capacity import WORDS as STANDINGS
from reports.compare_words import between, figure, relative
from reports.sentence import MARKS, QUESTION

TEMPLATES = Path(__file__).with_name("templates")
MOST_FINDINGS = 20
FEW, MOST_AGAINST = 2, 6
"""Objectives that stand against a yes: more than a few are a list instead of a sentence, of so many at most."""


def document(template: str, **told: Any) -> str:
    """A whole page, with its style, its script, and a policy that allows these two alone."""
    style, script = fragment("report.css"), fragment("report.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    ours = {"style": Markup(style), "script": Markup(script)}  # noqa: S704  # nosec B704 # files of this package
    return fragment(template, **told, **ours, policy=policy)


def fragment(template: str, **told: Any) -> str:
    """What a template makes of these."""
    return _environment().get_template(template).render(told)


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        duration=figures.duration,
        count=figures.count,
        share=figures.share,
        memory=figures.memory,
        moment=figures.moment,
        things=figures.things,
        shown=shown,
        short=_short,
        figure=figure,
        relative=relative,
        between=between,
    )
    environment.globals.update(
        marks=MARKS,
        standings=STANDINGS,
        question=QUESTION,
        most_findings=MOST_FINDINGS,
        few=FEW,
        most_against=MOST_AGAINST,
    )
    return environment


@jinja2.pass_context
def _short(context: jinja2.runtime.Context, name: str) -> str:
    """A workflow id without the run that all of its page share."""
    return name.removeprefix(f"{context['info'].id}.")


def _hash(text: str) -> str:
    """As a Content-Security-Policy names a source it allows."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
