"""Faults of links that let something through: what passes is held up, cut to pieces, or limited."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from chaos.faults.connections import open_through
from chaos.faults.fault import Bite
from chaos.faults.hello import End, Heard, hello, parting
from chaos.faults.links import TRY_SECONDS, LinkPlan
from harness.links import Link, Links, Toxic

Direction = Literal["both", "upstream", "downstream"]


class ToxicPlan(LinkPlan, frozen=True, kw_only=True):
    """What every one of these faults is told; Toxiproxy calls it a toxic."""

    direction: Direction = "both"
    """Upstream is what the link's owner sends, downstream what the service sends."""

    type: ClassVar[str]
    """Toxiproxy's name of it."""

    @property
    def slows(self) -> float | None:
        """As Fault.slows."""
        raise NotImplementedError

    def attributes(self) -> Mapping[str, int]:
        """What Toxiproxy is told, in its own units."""
        raise NotImplementedError

    async def tried(self, link: Link) -> Bite:
        """What becomes of a connection through the link."""
        raise NotImplementedError

    def of(self, links: Links, link: Link) -> Disturbance:
        return Disturbance(self, links, link)

    def toxics(self) -> list[Toxic]:
        """One for each direction."""
        kind, streams = str(self.__struct_config__.tag), ["upstream", "downstream"]
        return [
            Toxic(name=f"{kind}-{stream}", type=self.type, stream=stream, attributes=self.attributes())
            for stream in (streams if self.direction == "both" else [self.direction])
        ]


class BlackholePlan(ToxicPlan, frozen=True, kw_only=True, tag="blackhole"):
    """Connections stay open, new ones are accepted, and nothing passes; what was sent arrives after heal."""

    type = "bandwidth"
    slows = None

    def attributes(self) -> dict[str, int]:
        return {"rate": 0}

    async def tried(self, link: Link) -> Bite:
        heard = await hello(link, TRY_SECONDS)
        return Bite(in_force=heard.end is End.SILENT, evidence=str(heard))


class LatencyPlan(ToxicPlan, frozen=True, kw_only=True, tag="latency"):
    """Everything takes longer to arrive: a round trip by `latency`, or by twice that in both directions."""

    direction: Direction = "downstream"
    latency: float
    """Seconds, to the millisecond."""
    jitter: float = 0.0
    """Seconds by which latency is more or less, by chance."""

    type = "latency"

    @property
    def slows(self) -> float:
        return round((self.latency - self.jitter) * self._ways, 3)

    @property
    def _ways(self) -> int:
        return 2 if self.direction == "both" else 1

    def problems(self, workers: int) -> Iterator[str]:
        yield from super().problems(workers)
        if not self.latency >= 0.001:
            yield f"latency is {self.latency:g} s: expected a millisecond (0.001) or more"
        if not 0 <= self.jitter <= self.latency:
            yield f"jitter is {self.jitter:g} s: expected from 0 to the latency, {self.latency:g} s"

    def attributes(self) -> dict[str, int]:
        return {"latency": round(self.latency * 1000), "jitter": round(self.jitter * 1000)}

    async def tried(self, link: Link) -> Bite:
        heard = await hello(link, (self.latency + self.jitter) * self._ways + TRY_SECONDS)
        late = heard.end is not End.UNREACHABLE and heard.seconds >= self.slows
        return Bite(in_force=late, evidence=str(heard))


class BandwidthPlan(ToxicPlan, frozen=True, kw_only=True, tag="bandwidth"):
    """No more than so much passes in a second, over each connection."""

    kilobytes_a_second: int

    type = "bandwidth"

    @property
    def slows(self) -> float:
        """What a kilobyte takes."""
        return 1 / self.kilobytes_a_second

    def problems(self, workers: int) -> Iterator[str]:
        yield from super().problems(workers)
        if self.kilobytes_a_second < 1:
            yield f"kilobytes_a_second is {self.kilobytes_a_second}: expected 1 or more, or a blackhole"

    def attributes(self) -> dict[str, int]:
        return {"rate": self.kilobytes_a_second}

    async def tried(self, link: Link) -> Bite:
        return _passed(await hello(link), "it is too short to show the limit")


class SlicerPlan(ToxicPlan, frozen=True, kw_only=True, tag="slicer"):
    """What is sent arrives in small pieces, each `delay` after the one before."""

    bytes: int
    """How large a piece is on average."""
    delay: float = 0.0
    """Seconds between pieces, to the millisecond."""

    type = "slicer"

    @property
    def slows(self) -> float:
        """What two pieces take."""
        return self.delay

    def problems(self, workers: int) -> Iterator[str]:
        yield from super().problems(workers)
        if self.bytes < 1:
            yield f"bytes is {self.bytes}: expected 1 or more"
        if not self.delay >= 0:
            yield f"delay is {self.delay:g} s: expected 0 or more"

    def attributes(self) -> dict[str, int]:
        return {"average_size": self.bytes, "size_variation": 0, "delay": round(self.delay * 1_000_000)}

    async def tried(self, link: Link) -> Bite:
        return _passed(await hello(link), "in how many pieces cannot be seen from outside")


class LimitDataPlan(ToxicPlan, frozen=True, kw_only=True, tag="limit_data"):
    """A connection is closed when so many bytes have passed, in the middle of whatever it was."""

    bytes: int
    """How much passes in each direction, counted from inject on in connections that were open then."""

    type = "limit_data"
    slows = None

    def problems(self, workers: int) -> Iterator[str]:
        yield from super().problems(workers)
        if self.bytes < 1:
            yield f"bytes is {self.bytes}: expected 1 or more"

    def attributes(self) -> dict[str, int]:
        return {"bytes": self.bytes}

    async def tried(self, link: Link) -> Bite:
        heard = await hello(link)
        if heard.end in (End.CLOSED, End.RESET):
            return Bite(in_force=True, evidence=str(heard))
        return _passed(heard, "it is too short to reach the limit")


class SlowClosePlan(ToxicPlan, frozen=True, kw_only=True, tag="slow_close"):
    """When one side closes a connection, the other hears of it only `seconds` later."""

    seconds: float

    type = "slow_close"
    slows = None

    def problems(self, workers: int) -> Iterator[str]:
        yield from super().problems(workers)
        if not self.seconds >= 0.001:
            yield f"seconds is {self.seconds:g}: expected a millisecond (0.001) or more"

    def attributes(self) -> dict[str, int]:
        return {"delay": round(self.seconds * 1000)}

    async def tried(self, link: Link) -> Bite:
        """Tried for a second at most, however long the closing would take."""
        least = min(self.seconds, TRY_SECONDS)
        waited = await parting(link, least)
        if waited is None:
            return Bite(in_force=False, evidence="a hello through it was not answered")
        open_still = f"a connection that was closed at this end stayed open at the other for {waited:.2f} s"
        return Bite(in_force=waited >= least, evidence=open_still)

    def of(self, links: Links, link: Link) -> Disturbance:
        return SlowClose(self, links, link)


def _passed(heard: Heard, though: str) -> Bite:
    """What can be seen of a fault that only matters with more traffic than a hello."""
    return Bite(in_force=heard.end is End.ANSWERED, evidence=f"{heard}; {though}")


@dataclass
class Disturbance:
    """One link with toxics of its own on it, which are taken away again; those of others stay."""

    plan: ToxicPlan
    links: Links
    link: Link
    used: bool = False
    """Whether somebody had a connection open through the link."""

    @property
    def name(self) -> str:
        return str(self.plan.__struct_config__.tag)

    @property
    def on(self) -> str:
        return self.link.name

    @property
    def slows(self) -> float | None:
        return self.plan.slows

    async def inject(self) -> None:
        self.used = bool(await self._open())
        for toxic in self.plan.toxics():
            await self.links.add_toxic(self.link, toxic)

    async def bite(self) -> Bite:
        """Ask the proxy what it does, and try a connection through it."""
        opened = await self._open()
        self.used = self.used or bool(opened)
        shown = {toxic.name: toxic.attributes for toxic in (await self.links.state(self.link)).toxics}
        for toxic in self.plan.toxics():
            if toxic.name not in shown:
                return Bite(in_force=False, evidence=f"the proxy shows no {toxic.type} {toxic.stream}")
        tried = await self.plan.tried(self.link)
        told = ", ".join(f"{key} {value}" for key, value in self.plan.attributes().items())
        said = f"the proxy shows {self.plan.type} ({told}, {self.plan.direction}), {len(opened)} open"
        return Bite(in_force=tried.in_force, evidence=f"{said}; {tried.evidence}")

    async def heal(self) -> None:
        for toxic in self.plan.toxics():
            await self.links.remove_toxic(self.link, toxic.name)
        self.used = self.used or bool(await self._open())

    async def met(self) -> tuple[str, ...] | None:
        """Operations and histories tell, of a link that was used; one that nobody used was met by nobody."""
        return None if self.used else ()

    async def _open(self) -> set[int]:
        return await asyncio.to_thread(open_through, self.link)


@dataclass
class SlowClose(Disturbance):
    """No attempt and no call fails by a slow close, so the connections are counted that were closed meanwhile."""

    before: set[int] = field(default_factory=set)
    closed: set[int] = field(default_factory=set)

    async def inject(self) -> None:
        await super().inject()
        self.before, self.closed = await self._open(), set()

    async def heal(self) -> None:
        self.closed |= self.before - await self._open()
        self.before = set()
        await super().heal()

    async def met(self) -> tuple[str, ...]:
        """Connections that were open at inject and closed at heal."""
        return tuple(f"{self.on}: connection from port {port}" for port in sorted(self.closed))
