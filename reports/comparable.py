"""Whether two runs may be compared: under the same conditions, put to the same load, whole, and not void."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from harness.checking.load import SENT_ON_TIME
from harness.records.fingerprint import Fingerprint
from harness.records.load import LoadInfo
from harness.records.run import Recorded, RunInfo
from harness.records.verdicts import Judgement
from reports.figures import memory

NONE = "—"
VERSION = ", version"
Said = str | float | frozenset[str]
UNIMPORTANT = frozenset({"began", "lag_budget", "stopped"})
"""Of a load: when it was, what was allowed of the generator, and what makes it void."""


class Difference(Struct, frozen=True, kw_only=True):
    """What is not the same of two runs, as it reads."""

    what: str
    base: str
    other: str
    version: bool = False
    """Whether it is the version of something: one may want to know what a new one does."""

    def __str__(self) -> str:
        return f"{self.what}: {self.base} | {self.other}"


def differences(base: Recorded, other: Recorded) -> list[Difference]:
    """What must be the same of two runs that are compared, and is not. Raises NotARun if one cannot be read.

    The git commit and the command may differ: they are what is compared.
    """
    one, two = base.experiment(), other.experiment()
    faults = one.toml if one else "", two.toml if two else ""
    return [
        *_apart(_run(base.info), _run(other.info)),
        *_conditions_apart(base.fingerprint(), other.fingerprint()),
        *([Difference(what="experiment", base="as its run's", other="another")] if faults[0] != faults[1] else []),
    ]


def void(recorded: Recorded) -> str:
    """Why the figures of a run mean nothing; empty where they do."""
    return "".join(
        judgement.reason
        for judgement in recorded.read(Judgement)
        if judgement.invariant == SENT_ON_TIME and judgement.checked
    )


def _conditions_apart(base: Fingerprint | None, other: Fingerprint | None) -> list[Difference]:
    if base is None or other is None:
        one, two = ("not recorded" if each is None else "recorded" for each in (base, other))
        return [Difference(what="conditions", base=one, other=two)]
    return _apart(_conditions(base), _conditions(other))


def _apart(base: Mapping[str, Said], other: Mapping[str, Said]) -> list[Difference]:
    return [
        Difference(what=what, base=_said(one, two), other=_said(two, one), version=what.endswith(VERSION))
        for what in dict.fromkeys((*base, *other))
        if (one := base.get(what)) != (two := other.get(what))
    ]


def _run(info: RunInfo) -> dict[str, Said]:
    told: dict[str, Said] = {"kind of run": info.kind, "target": info.target, "seed": info.seed}
    return {**told, **(_load(info.load) if info.load else {"load": NONE})}


def _load(load: LoadInfo) -> dict[str, Said]:
    told: dict[str, Said] = {}
    for field in LoadInfo.__struct_fields__:
        value = getattr(load, field)
        if field in UNIMPORTANT:
            continue
        named = (
            {f" of {name}": each for name, each in sorted(value.items())} if isinstance(value, Mapping) else {"": value}
        )
        told |= {f"load, {field.replace('_', '-')}{of}": _plain(each) for of, each in named.items()}
    return told


def _conditions(fingerprint: Fingerprint) -> dict[str, Said]:
    told: dict[str, Said] = {
        "machine": fingerprint.machine,
        "processor": fingerprint.cpu,
        "system": fingerprint.system,
        "cores": fingerprint.cores,
        "memory": memory(fingerprint.memory),
        f"Python{VERSION}": fingerprint.python,
        **{f"{name}{VERSION}": version for name, version in fingerprint.packages.items()},
        "workers": fingerprint.workers,
        "links": frozenset(fingerprint.links),
        "caveats": frozenset(fingerprint.caveats),
    }
    for service in fingerprint.services:
        told |= {
            f"{service.name}, provider": service.provider,
            f"{service.name}{VERSION}": service.version or "not known",
            f"{service.name}, flags": frozenset(service.flags),
        }
    return told


def _plain(value: Any) -> Said:
    return value if isinstance(value, str | int | float) else frozenset(value)


def _said(said: Said | None, beside: Said | None) -> str:
    """As it reads; of several words, those that the other has not."""
    if isinstance(said, frozenset):
        words = said - beside if isinstance(beside, frozenset) else said
        return ", ".join(sorted(words)) or NONE
    return f"{said:.6g}" if isinstance(said, float) else str(said or NONE)
