"""System calls that Python does not offer, reached through the C library."""

import ctypes
import os
from collections.abc import Callable
from typing import Any

_libc = ctypes.CDLL(None, use_errno=True)


def libc_function(name: str, *argument_types: Any) -> Callable[..., int] | None:
    """Return the C function ``name``, which answers an int; None where the library lacks it."""
    try:
        function = _libc[name]
    except AttributeError:
        return None
    function.argtypes = argument_types
    function.restype = ctypes.c_int
    return function


def checked(answer: int) -> None:
    """Raise the OSError of the last call if it answered below zero."""
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
