"""What the gate says as JSON is described by a published schema."""

import json
from datetime import date
from pathlib import Path

import jsonschema
import pytest
from handwritten_runs import judged, whole_run, write_run

from harness.records.verdicts import Verdict
from reports.gate import gate_of, to_json
from reports.objectives import policy
from reports.schema import schema

PUBLISHED = Path(__file__).parents[2] / "docs/schema/gate.schema.json"


def validator() -> jsonschema.Draft202012Validator:
    described = json.loads(PUBLISHED.read_text())
    jsonschema.Draft202012Validator.check_schema(described)
    return jsonschema.Draft202012Validator(described)


def test_the_published_schema_is_that_of_the_code() -> None:
    """To publish it anew: python -m reports.schema > docs/schema/gate.schema.json"""
    assert PUBLISHED.read_text() == schema()


def test_what_the_gate_says_is_valid_by_it(tmp_path: Path) -> None:
    """Of good runs, bad ones, and what is no run; with all that is waived, unknown or missing."""
    path = tmp_path / "objectives.toml"
    path.write_text('extends = true\n[[waiver]]\nmetric = "lost"\nreason = "why"\nuntil = 2026-12-31\n')
    lost = write_run(tmp_path, [judged("nothing lost", Verdict.INVALID, 2)], kind="scenario", ended=False)
    result = gate_of(
        [whole_run(tmp_path), lost, tmp_path / "gone"], complete=True, by=policy(path), today=date(2026, 1, 1)
    )
    validator().validate(json.loads(to_json(result)))


@pytest.mark.parametrize("broken", [{"overall": "fine"}, {"runs": [{}]}, {"strict": "no"}])
def test_what_it_does_not_say_is_not(broken: dict[str, object]) -> None:
    """So that the test above can fail."""
    good = {"overall": "valid", "strict": False, "runs": []}
    validator().validate(good)
    with pytest.raises(jsonschema.ValidationError):
        validator().validate(good | broken)
