"""Makes a function one whose results are kept."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar, get_type_hints

from system.cache import keys
from system.cache.entry import Kind, Lifetime, Lookup

if TYPE_CHECKING:
    from system.cache.cache import Cache

P = ParamSpec("P")
T = TypeVar("T")


class Cached(Generic[P, T]):
    """A function, or bound method, whose results are kept; called as the function itself is."""

    def __init__(
        self, function: Callable[P, Awaitable[T]], cache: Cache, key: str, lifetime: Lifetime, tags: Sequence[str]
    ) -> None:
        self._function = function
        self._signature = inspect.signature(function)
        for template in (key, *tags):
            keys.check(template, self._signature)
        self._cache = cache
        self._key = key
        self._lifetime = lifetime
        self._tags = tuple(tags)
        self._kind = Kind[T].of(_returned_by(function))
        functools.update_wrapper(self, function)

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what the function returned for these arguments, or call it."""
        return await self._cache.get(self.lookup(*args, **kwargs))

    def lookup(self, *args: P.args, **kwargs: P.kwargs) -> Lookup[T]:
        """Return the call as a value, to warm the cache with."""
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return Lookup(
            key=keys.fill(self._key, bound.arguments),
            tags=tuple(keys.fill(tag, bound.arguments) for tag in self._tags),
            lifetime=self._lifetime,
            kind=self._kind,
            load=functools.partial(self._function, *args, **kwargs),
        )


def _returned_by(function: Callable[..., object]) -> object:
    hints = get_type_hints(function)
    if "return" not in hints:
        raise TypeError(f"{function} does not say what it returns: annotate it, values are read back as that type")
    return hints["return"]
