"""Experiment files are read and checked before anything is started; what is wrong in one is said."""

from pathlib import Path

import pytest

from chaos.experiment import BadExperiment, find, read, shipped
from chaos.faults.links import LinkDownPlan
from harness.errors import UnknownName
from harness.target import Target
from loadtests.mix import Mix

GOOD = """
name = "cut"
title = "The link is cut"
expect = "Nothing is lost."

[load]
scenarios = ["pipeline-slice"]
rate = 5
duration = 10

[[fault]]
kind = "link_down"
owner = "worker-1"
service = "postgres"
at = 3
for = 3
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file for an experiment, not written yet."""
    return tmp_path / "mine.toml"


def test_an_experiment_is_read(path: Path) -> None:
    """What stands in the file is what will be done."""
    path.write_text(GOOD)
    experiment = find(str(path))
    assert (experiment.name, experiment.load.rate, experiment.workers) == ("cut", 5, 2)
    (fault,) = experiment.fault
    assert isinstance(fault, LinkDownPlan)
    assert (fault.owner, fault.service, fault.at, fault.duration) == ("worker-1", "postgres", 3, 3)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "rate = 5",
            "rat = 5",
            ":8: load: Object contains unknown field `rat`; expected one of arrivals, duration, rat",
        ),
        ("rate = 5", "", ":6: load: Object missing required field `rate`"),
        ('title = "The link is cut"', "", ": Object missing required field `title`"),
        ('name = "cut"', 'name = "cut"\nworker = 2', ":3: Object contains unknown field `worker`; expected one of exp"),
        ("at = 3", "at = 3\nhow = 1", ":16: fault[0]: Object contains unknown field `how`; expected one of at, every"),
        ('"link_down"', '"link_up"', ":12: fault[0].kind: Invalid value 'link_up'; expected "),
        (
            '"postgres"',
            '"mysql"',
            ":14: fault[0].service: Invalid enum value 'mysql'; expected one of postgres, redis, ",
        ),
        (
            '"worker-1"',
            '"worker-3"',
            ":11: fault[0]: on 'worker-3.postgres': expected one of client, worker-1, worker-2",
        ),
        ("at = 3", "at = -1", ":11: fault[0]: fault at -1 s for 3 s does not lie within the load of 10 s"),
        ("at = 3", "at = 8", "fault at 8 s for 3 s does not lie within the load of 10 s"),
        ("for = 3", "for = 0", "does not lie within the load"),
        ("for = 3", "for = 3\nevery = 4", "`every` (seconds) and `times` (2 or more)"),
        ("for = 3", "for = 1\ntimes = 2\nevery = 1", "comes every 1 s for 1 s: it would never heal"),
        ("for = 3", "for = 1.5\ntimes = 4\nevery = 2", "fault at 9 s for 1.5 s does not lie within"),
        ("at = 3", "", "neither `at` nor `when`, and there is no [random]"),
        ("at = 3", "at = 3\nwhen = { started = 2 }", "has both `at` and `when`: leave one out"),
        ("at = 3", "when = { started = 0 }", ":15: fault[0].when: a trigger counts from 1"),
        (
            "at = 3",
            "when = { nth = 2 }",
            ":15: fault[0].when: a trigger is one of in_flight, started and effect; here are no",
        ),
        ("[load]", "[random]\ncount = 1\n[load]", ":6: random: it has nothing to draw from"),
        ("[load]", "[steady]\nserved = 2\n[load]", ":7: steady.served: it is a share from 0 to 1, not 2"),
        ("[load]", "[steady]\nresponse = 0\n[load]", ":6: steady: response and patience are seconds above 0"),
        ("rate = 5", "rate = 0", ":6: load: the rate must be above 0 iterations a second, not 0"),
        ("duration = 10", "duration = nan", "the duration must be above 0 seconds, not nan"),
        ('name = "cut"', 'name = "cut"\nworkers = 0', ":3: workers: there are 0: someone must do the work"),
        ('["pipeline-slice"]', "[]", ":7: load.scenarios: it names none"),
        ("at = 3", "at = nan", "does not lie within the load"),
        ('name = "cut"', "name = cut", ":2: Invalid value"),
    ],
)
def test_what_is_wrong_in_an_experiment_is_said(path: Path, old: str, new: str, says: str) -> None:
    """What cannot be is refused, with the file, the line, the reason, and what was expected."""
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(BadExperiment) as caught:
        read(path)
    assert says in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_an_experiment_without_a_fault_is_refused(path: Path) -> None:
    """A load alone is no experiment: it would prove nothing, and show green."""
    path.write_text(GOOD.partition("[[fault]]")[0].replace("[load]", "fault = []\n[load]"))
    with pytest.raises(BadExperiment, match="no fault"):
        read(path)


def test_overlapping_faults_on_one_link_are_refused(path: Path) -> None:
    """The first to heal would heal the other; on two links they may overlap, and on one they may follow."""
    second = GOOD.partition("[[fault]]")[2]
    path.write_text(GOOD + "[[fault]]" + second.replace("at = 3", "at = 5"))
    with pytest.raises(BadExperiment, match=r"two faults on worker-1\.postgres overlap, at 3 s and at 5 s"):
        read(path)
    path.write_text(GOOD + "[[fault]]" + second.replace("at = 3", "at = 5").replace("worker-1", "worker-2"))
    assert len(read(path).fault) == 2
    path.write_text(GOOD + "[[fault]]" + second.replace("at = 3", "at = 6"))
    assert len(read(path).fault) == 2


def test_a_missing_experiment_is_told(path: Path) -> None:
    """A file that does not exist is named."""
    with pytest.raises(BadExperiment, match=r"mine\.toml: .*No such file"):
        find(str(path))


def test_an_unknown_name_is_told_with_the_known_ones() -> None:
    """A name that is not shipped is refused, with those that are."""
    with pytest.raises(UnknownName, match="no experiment 'postgres-cat'\\.\nDid you mean 'postgres-cut'"):
        find("postgres-cat")


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_experiment_is_valid(name: str, target: Target) -> None:
    """Each bears its file's name, can be read, uses a scenario of the system, and says what it expects."""
    experiment = find(name)
    assert experiment.name == name
    assert Mix.of(target, experiment.load.scenarios).scenarios
    assert experiment.expect.endswith(".")
    assert experiment.fault
