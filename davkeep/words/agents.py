"""The User-Agent field (RFC 9110 10.1.5): its products, and which of them are meant."""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self, TypeAlias

#: The leading numbers of a version; () where there are none, which counts as the oldest.
Version: TypeAlias = tuple[int, ...]

#: RFC 9110 5.6.2.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NUMBERS = re.compile(r"v?([0-9]{1,9}(?:\.[0-9]{1,9})*)", re.IGNORECASE)
_BOUND = re.compile(r"(<=|>=|==|<|>)\s*([0-9]{1,9}(?:\.[0-9]{1,9})*)")

_COMPARE: Mapping[str, Callable[[Version, Version], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
}


class Product(NamedTuple):
    """One product of the field; its name in lower case."""

    name: str
    version: Version = ()


def products_of(user_agent: str) -> tuple[Product, ...]:
    """The products of a User-Agent field in their order, without what stands in comments."""
    words = " ".join(_outside_comments(user_agent)).split()
    return tuple(_product(word) for word in words)


def _outside_comments(text: str) -> Iterator[str]:
    """The pieces outside parentheses; a comment that is never closed hides what follows."""
    depth = 0
    for piece in re.split(r"([()])", text):
        if piece == "(":
            depth += 1
        elif piece == ")":
            depth = max(depth - 1, 0)
        elif depth == 0:
            yield piece


def _product(word: str) -> Product:
    name, _, version = word.partition("/")
    numbers = _NUMBERS.match(version)
    return Product(name.lower(), _version(numbers[1]) if numbers else ())


def _version(digits: str) -> Version:
    return tuple(int(part) for part in digits.split("."))


@dataclass(frozen=True)
class Versions:
    """A range of versions. Each bound counts as far as it is written: 1.69.3 is `<=1.69`."""

    #: As (comparison, version); all of them hold.
    bounds: tuple[tuple[str, Version], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """From text such as `>=0.33, <1`; blank text means every version. Raises ValueError."""
        parts = [part.strip() for part in text.split(",")] if text.strip() else []
        found = [_BOUND.fullmatch(part) for part in parts]
        if not all(found):
            raise ValueError(f"{text!r} is no range of versions such as '>=0.33, <1'")
        return cls(tuple((match[1], _version(match[2])) for match in found if match))

    def __contains__(self, version: Version) -> bool:
        """Whether a version is in the range."""
        return all(
            _COMPARE[how]((version + (0,) * len(bound))[: len(bound)], bound)
            for how, bound in self.bounds
        )

    def __str__(self) -> str:
        """As it is written."""
        return ", ".join(f"{how}{'.'.join(map(str, bound))}" for how, bound in self.bounds)


@dataclass(frozen=True)
class Agent:
    """Which User-Agent fields are meant: those that name a product, compared without case."""

    #: The product's name without its version; several words are products that follow each other.
    product: str
    #: The versions of the last of them; an unknown one counts as the oldest.
    versions: Versions = Versions()
    #: Another product that has to be named as well; "": none.
    program: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError for a name that no product can have."""
        words = self.product.split()
        if not words or not all(_TOKEN.fullmatch(word) for word in words):
            raise ValueError(f"{self.product!r} is no name of a product")

    @classmethod
    def of(cls, product: str, versions: str = "", program: str = "") -> Self:
        """With the range of versions as text. Raises ValueError."""
        return cls(product, Versions.parse(versions), program)

    def matches(self, products: tuple[Product, ...]) -> bool:
        """Whether a field with these products is meant."""
        names = [product.name for product in products]
        if self.program and self.program.lower() not in names:
            return False
        words = self.product.lower().split()
        ends = range(len(words), len(names) + 1)
        return any(
            names[end - len(words) : end] == words and products[end - 1].version in self.versions
            for end in ends
        )

    def __str__(self) -> str:
        """For people to read, e.g. `neon >=0.33 with davfs2`."""
        beside = f"with {self.program}" if self.program else ""
        return " ".join(filter(None, (self.product, str(self.versions), beside)))
