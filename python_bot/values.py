"""Dataclasses that share their methods. The ones of `dataclasses` are written and compiled anew for every class, 9 kB
each; an instance has 175 classes and a server 500 instances. To a type checker these are those.
"""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    import dataclasses

    def dataclass(*, frozen: bool = False, slots: bool = False, eq: bool = True):
        """`dataclasses.dataclass`, as far as it is used here."""

        def made(plain: type) -> type:
            cls = dataclasses.dataclass(frozen=frozen, slots=slots, eq=False, repr=False)(plain)
            own = plain.__dict__
            if "__repr__" not in own:
                cls.__repr__ = _told
            if eq and "__eq__" not in own:
                cls.__eq__ = _is_same
                cls.__hash__ = _hash if frozen else None
            if frozen:
                cls.__setattr__ = cls.__delattr__ = _refuse
            return cls

        return made


__all__ = ["dataclass"]


def _told(self: Any) -> str:
    told = ", ".join(f"{field.name}={getattr(self, field.name)!r}" for field in fields(self) if field.repr)
    return f"{type(self).__qualname__}({told})"


def _compared(value: Any) -> tuple[Any, ...]:
    return tuple(getattr(value, field.name) for field in fields(value) if field.compare)


def _is_same(self: Any, other: object) -> Any:
    return _compared(self) == _compared(other) if other.__class__ is self.__class__ else NotImplemented


def _hash(self: Any) -> int:
    return hash(_compared(self))


def _refuse(self: Any, name: str, *_: object) -> None:
    raise FrozenInstanceError(f"cannot change {name!r} of {type(self).__qualname__}")
