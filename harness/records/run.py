"""A run: a directory with everything one run recorded. docs/results.md tells the format."""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import BrokenExecutor
from datetime import UTC, datetime
from io import FileIO
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import msgspec
from msgspec import Struct

from harness.records.calls import Call
from harness.records.checks import Check, FileCoverage, TestCase
from harness.records.discrepancies import Discrepancy
from harness.records.effects import Effect, Fact
from harness.records.experiment import ExperimentInfo
from harness.records.faults import FaultWindow
from harness.records.fingerprint import Fingerprint
from harness.records.hosted import Hosted
from harness.records.journal import Commit
from harness.records.lines import blocks, lines
from harness.records.load import LoadInfo
from harness.records.measurements import Measurement
from harness.records.operations import Iteration, Operation
from harness.records.replays import Replay
from harness.records.samples import Sample
from harness.records.sessions import Session
from harness.records.steps import Step
from harness.records.verdicts import Judgement
from harness.records.workflows import WorkflowRun

if TYPE_CHECKING:
    from polars import DataFrame

    from harness.records.ahead import Ahead
    from harness.records.columns import Frames

RecordT = TypeVar("RecordT", bound=Struct)

FORMAT = 2
END_OF_CALENDAR = datetime.max.replace(tzinfo=UTC).timestamp()


class NotARun(Exception):
    """This directory holds no run, or one that cannot be read: the message says which file and what is wrong."""


class NoPlaceForRuns(Exception):
    """The directory of a new run cannot be made; the message says which, and why."""


class RunInfo(Struct, frozen=True, kw_only=True):
    """run.json: what was run. It is written first, and once more at the end."""

    format: int = FORMAT
    id: str
    kind: str
    """scenario, load, capacity, soak, chaos, demo or quality: decides which objectives apply."""
    title: str
    target: str
    seed: int
    command: str
    """How to do it again."""
    started: float
    ended: float | None = None
    """None while it runs, and for ever if it was cut off: such a run is partial."""
    records: dict[str, int] = {}
    """How many lines each file has, once the run has ended: fewer are a run that was cut afterwards."""
    load: LoadInfo | None = None
    """What was put under load, and how; None where nothing was."""

    def __post_init__(self) -> None:
        """Refuse a moment that no calendar has. Raises ValueError."""
        for moment in (self.started, self.ended):
            if moment is not None and not 0 <= moment < END_OF_CALENDAR:
                message = f"{moment} is no moment"
                raise ValueError(message)

    @property
    def partial(self) -> bool:
        return self.ended is None

    @property
    def loaded(self) -> frozenset[str]:
        """The scenarios under load."""
        return frozenset(self.load.shares) if self.load else frozenset()

    @property
    def ends(self) -> Mapping[str, tuple[str, ...]]:
        """For each scenario under load, the closing statuses it allows."""
        return self.load.ends if self.load else {}


class _Format(Struct):
    """As much of run.json as any version of it has."""

    format: int


FILES: dict[type[Struct], str] = {
    Iteration: "iterations.jsonl",
    Operation: "operations.jsonl",
    WorkflowRun: "workflows.jsonl",
    Effect: "effects.jsonl",
    Commit: "journal.jsonl",
    Call: "calls.jsonl",
    Session: "sessions.jsonl",
    Fact: "facts.jsonl",
    FaultWindow: "faults.jsonl",
    Measurement: "measurements.jsonl",
    Sample: "samples.jsonl",
    Step: "steps.jsonl",
    Replay: "replays.jsonl",
    Judgement: "judgements.jsonl",
    Discrepancy: "discrepancies.jsonl",
    Check: "checks.jsonl",
    TestCase: "tests.jsonl",
    FileCoverage: "coverage.jsonl",
}


IDENTITY: dict[type[Struct], tuple[str, ...]] = {
    Operation: ("workflow_id", "kind", "name", "sent"),
    FaultWindow: ("name", "on", "injected"),
}
"""Records that are written again when more is known of them: an answer found out later, who felt a fault."""


class Run:
    """A run being written: each record is a line in the file of its kind, so that a run cut off is readable."""

    def __init__(self, directory: Path, info: RunInfo) -> None:
        self.directory = directory
        self.info = info
        self._encoder = msgspec.json.Encoder()
        self._files: dict[type[Struct], FileIO] = {}

    @classmethod
    def create(cls, results: Path, *, kind: str, title: str, target: str, seed: int, command: str) -> Self:
        """Make a new directory below `results` and write run.json into it."""
        now = datetime.now(tz=UTC)
        directory = _new_directory(results, f"{kind}-{now:%Y%m%d-%H%M%S}")
        info = RunInfo(
            id=directory.name,
            kind=kind,
            title=title,
            target=target,
            seed=seed,
            command=command,
            started=now.timestamp(),
        )
        run = cls(directory, info)
        run._write_info()
        return run

    @classmethod
    def joined(cls, directory: Path) -> Self:
        """A run that another process has made, to write records into as well; its run.json is left to its maker.

        Raises NotARun.
        """
        return cls(directory, Recorded(directory).info)

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    def write(self, record: Struct) -> None:
        """Append one record, at once: what was written survives the end of this process, however it ends."""
        file = self._files.get(type(record))
        if file is None:
            file = self._files[type(record)] = (self.directory / FILES[type(record)]).open("ab", buffering=0)
        file.write(self._encoder.encode(record) + b"\n")

    def write_all(self, records: Iterable[Struct]) -> None:
        for record in records:
            self.write(record)

    def write_fingerprint(self, fingerprint: Fingerprint) -> None:
        self._write_json("fingerprint.json", fingerprint)

    def write_hosted(self, hosted: Hosted) -> None:
        self._write_json("locust.json", hosted)

    def write_experiment(self, experiment: ExperimentInfo) -> None:
        self._write_json("experiment.json", experiment)

    def under_load(self, load: LoadInfo) -> None:
        """Note what is put under load, before it is."""
        self.info = msgspec.structs.replace(self.info, load=load)
        self._write_info()

    def end(self) -> None:
        """Mark the run as whole. A run that never gets here is partial, and says so."""
        ended = datetime.now(tz=UTC).timestamp()
        files = [self.directory / name for name in FILES.values()]
        records = {path.name: sum(block.count(b"\n") for block in blocks(path)) for path in files if path.exists()}
        self.info = msgspec.structs.replace(self.info, ended=ended, records=records)
        self._write_info()

    def close(self) -> None:
        for file in self._files.values():
            file.close()
        self._files.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write_info(self) -> None:
        self._write_json("run.json", self.info)

    def _write_json(self, name: str, record: Struct) -> None:
        part = self.directory / (name + ".part")
        part.write_bytes(msgspec.json.format(self._encoder.encode(record), indent=2) + b"\n")
        part.replace(self.directory / name)


class Recorded:
    """A run read back. Files that were never written read as empty; a last line cut off is left out."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        found = self._read_json("run.json", _Format).format
        if found != FORMAT:
            message = f"{directory} has format {found}; this version reads format {FORMAT}"
            raise NotARun(message)
        self.info = self._read_json("run.json", RunInfo)
        self._frames: dict[type[Struct], Frames] = {}
        self._ahead: dict[type[Struct], Ahead] = {}

    def read_ahead(self, *kinds: type[Struct]) -> None:
        """Begin to read the columns of these, where they are large: whoever asks for `frames` later has them sooner."""
        from harness.records.ahead import begun  # noqa: PLC0415  # polars is for who judges many

        self._ahead = begun({kind: self.directory / FILES[kind] for kind in kinds})

    def read(self, kind: type[RecordT]) -> list[RecordT]:
        """Every record of one kind, in the order it was written; written again, as it was last.

        Raises NotARun if a line other than the last cannot be read.
        """
        records = self._each(kind)
        identity = attrgetter(*IDENTITY[kind]) if kind in IDENTITY else None
        return list({identity(record): record for record in records}.values()) if identity else list(records)

    def _each(self, kind: type[RecordT]) -> Iterator[RecordT]:
        """One record after another, as they were written: what was written again comes again."""
        path, decoder = self.directory / FILES[kind], msgspec.json.Decoder(kind)
        try:
            if not self.info.partial:
                self._check_count(path, sum(bool(line.strip()) for line in lines(path)))
            for number, line in enumerate(lines(path), start=1):
                if not line.strip():
                    continue
                try:
                    record = decoder.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    if self.info.partial and not line.endswith(b"\n"):  # the writer was cut off here
                        return
                    message = f"{path}, line {number}: {error}"
                    raise NotARun(message) from error
                yield record
        except OSError as error:
            message = f"{path} cannot be read: {error.strerror}"
            raise NotARun(message) from error

    def frames(self, kind: type[Struct]) -> "Frames":
        """Every record of one kind as columns, as `read` has them; the file is read once, and its columns are kept.

        Raises NotARun if a line other than the last cannot be read, as far as it is asked for.
        """
        if kind not in self._frames:
            self._frames[kind] = self._scanned(kind)
        return self._frames[kind]

    def frame(self, kind: type[Struct]) -> "DataFrame":
        """The columns of records of this very kind, without those that stand beside them."""
        return self.frames(kind)[kind]

    def _scanned(self, kind: type[Struct]) -> "Frames":
        from harness.records.columns import frames_of, last, scanned  # noqa: PLC0415  # polars is for who judges many

        path = self.directory / FILES[kind]
        if not path.exists():
            self._check_count(path, 0)
            return frames_of(kind, ())
        try:
            found = self._read_ahead(kind) or scanned(path, kind)
        except (msgspec.DecodeError, UnicodeDecodeError, OSError):
            return frames_of(kind, self.read(kind))  # which tells the line, or leaves out one that was cut off
        self._check_count(path, found[kind].height)
        return {**found, kind: last(found[kind], IDENTITY[kind])} if kind in IDENTITY else found

    def _read_ahead(self, kind: type[Struct]) -> "Frames | None":
        ahead = self._ahead.pop(kind, None)
        try:
            return ahead.frames() if ahead else None
        except (BrokenExecutor, OSError):  # it is gone, or its disk is full; the file is still there
            return None

    def _check_count(self, path: Path, found: int) -> None:
        written = self.info.records.get(path.name, 0)
        if not self.info.partial and found != written:
            message = f"{path} has {found} records, and the run wrote {written}: it was changed afterwards"
            raise NotARun(message)

    def fingerprint(self) -> Fingerprint | None:
        if not (self.directory / "fingerprint.json").exists():
            return None
        return self._read_json("fingerprint.json", Fingerprint)

    def hosted(self) -> Hosted | None:
        if not (self.directory / "locust.json").exists():
            return None
        return self._read_json("locust.json", Hosted)

    def experiment(self) -> ExperimentInfo | None:
        if not (self.directory / "experiment.json").exists():
            return None
        return self._read_json("experiment.json", ExperimentInfo)

    def _read_json(self, name: str, kind: type[RecordT]) -> RecordT:
        path = self.directory / name
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except (FileNotFoundError, NotADirectoryError) as error:
            message = f"{self.directory} is not a run: it has no {name}"
            raise NotARun(message) from error
        except OSError as error:
            message = f"{path} cannot be read: {error.strerror}"
            raise NotARun(message) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            message = f"{path}: {error}"
            raise NotARun(message) from error


def _new_directory(results: Path, begins: str) -> Path:
    """A directory of a name that no other run has, with one for logs. Raises NoPlaceForRuns."""
    while True:
        directory = results / f"{begins}-{secrets.token_hex(2)}"
        try:
            results.mkdir(parents=True, exist_ok=True)
            directory.mkdir()
            (directory / "logs").mkdir()
        except FileExistsError:
            if not directory.is_dir():  # it is `results` that is no directory
                message = f"{directory} cannot be made (File exists): runs are kept there"
                raise NoPlaceForRuns(message) from None
        except OSError as error:
            message = f"{directory} cannot be made ({error.strerror}): runs are kept there"
            raise NoPlaceForRuns(message) from error
        else:
            return directory


def latest(results: Path) -> Path:
    """The newest run below `results`. Raises NotARun if there is none."""
    runs = sorted(results.glob("*/run.json"), key=lambda path: path.stat().st_mtime)
    if not runs:
        message = f"{results} holds no run yet: make one with `temper demo` or `temper scenario run NAME`"
        raise NotARun(message)
    return runs[-1].parent
