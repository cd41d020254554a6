"""Which spellings of a name a file system takes for one, and in which of them it keeps the name.

Letters may differ in case, and in form (Unicode's composed and decomposed ones). What is stored
about an entry is kept under the name as its file system lists it, so other spellings find it; and
where a file system holds two names apart, they are two.
"""

import errno
import fcntl
import os
import struct
import unicodedata
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Literal

from davkeep.trees.names import folded
from davkeep.trees.place import Identity

_LISTED = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

#: What is made to try that: letters of both cases, one in each form of Unicode, and hidden.
PROBE = ".davkeep.share.\N{LATIN CAPITAL LETTER A WITH DIAERESIS}u\N{COMBINING DIAERESIS}"

#: Where the kernel tells that it knows file systems of which single directories fold; the directory
#: with which that is tried; and ioctl_iflags(2).
_CASEFOLD = ("/sys/fs/ext4/features/casefold", "/sys/fs/f2fs/features/casefold")
_FOLDER = ".davkeep.share.folder"
_GET_FLAGS, _SET_FLAGS, _CASEFOLD_FLAG = 0x80086601, 0x40086602, 0x40000000

#: Directories of which it is remembered whether they fold, where that differs in one file system.
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Spelling:
    """What a file system makes of the spelling of names.

    `folds`: other spellings lead to the same entry. `lowers`: a new name is kept in lower case.
    `form`: a new name is kept in this form of Unicode, None for the one that was given. `differs`:
    some directories fold, and some do not, as ext4 has them (chattr(1), F).
    """

    folds: bool = False
    lowers: bool = False
    form: Literal["NFC", "NFD"] | None = None
    differs: bool = False

    @property
    def changes_names(self) -> bool:
        """Whether a new name may be kept otherwise than it was given."""
        return self.lowers or self.form is not None

    def new(self, name: str) -> str:
        """How a name is kept that is not there yet."""
        if self.lowers:
            name = name.lower()
        return name if self.form is None else unicodedata.normalize(self.form, name)

    def as_text(self) -> str:
        """In words, for the store."""
        told = {"folds": self.folds, "lowers": self.lowers, "differs": self.differs}
        words = [word for word, is_so in told.items() if is_so]
        return " ".join([*words, *([] if self.form is None else [self.form])])

    @classmethod
    def from_text(cls, text: str) -> "Spelling":
        """What such words say; of others nothing is known."""
        words = text.split()
        form: Literal["NFC", "NFD"] | None = "NFC" if "NFC" in words else None
        return cls(
            "folds" in words,
            "lowers" in words,
            "NFD" if "NFD" in words else form,
            "differs" in words,
        )


#: Names are kept as they are given, and each is another one.
EXACT = Spelling()
#: What is known of one that folds, and in which nothing can be made.
FOLDING = Spelling(folds=True)


class Spellings:
    """What is known of the file systems that a share is on; of the root's, it is told by `settle`.

    Of others below it, it is found out when a name in them is looked up first: by a hidden file
    that is made there for a moment, or where that cannot be, by what is there.
    """

    def __init__(self, *, may_write: bool) -> None:
        """``may_write``: whether something may be tried in what is not known."""
        self._may_write = may_write
        #: Devices on which nothing could be tried.
        self._untried: set[int] = set()
        self._by_device: dict[int, Spelling] = {}
        self._by_directory: OrderedDict[Identity, Spelling] = OrderedDict()

    def settle(self, device: int, spelling: Spelling) -> None:
        """Know one of them."""
        self._by_device[device] = spelling

    def forget(self, device: int) -> None:
        """Know nothing of one: it is found out."""
        self._by_device.pop(device, None)

    def of(self, device: int) -> Spelling:
        """What is known of one; EXACT for nothing."""
        return self._by_device.get(device, EXACT)

    def stored(self, fd: int, directory: Identity, name: str) -> str:
        """The name of what ``name`` leads to in an open directory, as that lists it.

        Where there is nothing of that name, as it would be kept. EACCES (403) for bytes that are no
        UTF-8, where names are not just bytes.
        """
        spelling = self._by_device.get(directory[0])
        if spelling == EXACT:
            return name
        _refuse_undecodable(name)
        if spelling is None or spelling.differs:
            spelling = self._learned(fd, directory, name, spelling)
        return listed_as(fd, name, spelling) if spelling.folds else spelling.new(name)

    def _probed(self, fd: int, device: int) -> Spelling | None:
        if not self._may_write or device in self._untried:
            return None
        found = probed(fd)
        if found is None:
            self._untried.add(device)
        return found

    def _learned(self, fd: int, directory: Identity, name: str, known: Spelling | None) -> Spelling:
        """What a lookup tells; only what is certain is remembered."""
        found = self._by_directory.get(directory)
        if found is not None:
            return found
        if known is None:
            found = self._probed(fd, directory[0])
        found = found or _seen(fd, name)
        if found is None:
            return EXACT
        if known is None:
            self.settle(directory[0], found)
        else:
            self._by_directory[directory] = found
            if len(self._by_directory) > _REMEMBERED:
                self._by_directory.popitem(last=False)
        return found


def probed(fd: int) -> Spelling | None:
    """What a file system makes of a name that is made, and removed again, in a directory; None if
    nothing can be made there.
    """
    how = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        made = os.open(PROBE, how, 0o600, dir_fd=fd)
    except OSError:
        return None
    try:
        return tried(fd, PROBE)
    finally:
        os.close(made)
        with suppress(OSError):
            os.unlink(PROBE, dir_fd=fd)


def _refuse_undecodable(name: str) -> None:
    """Where names are text, bytes that are none may come to mean any name, also a reserved one."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise PermissionError(errno.EACCES, "The name is no UTF-8") from None


def _seen(fd: int, name: str) -> Spelling | None:
    """Whether names are folded in a directory, told by one that is there; None if it is no help."""
    others = respelled(name)
    if not others or not _is_there(fd, name):
        return None
    return FOLDING if is_found_otherwise(fd, others) else EXACT


def respelled(name: str) -> list[str]:
    """Other spellings of a name: in the other case, and in the other form."""
    forms = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
    return sorted({name.swapcase(), *forms} - {name})


def is_found_otherwise(fd: int, others: Iterable[str]) -> bool:
    """Whether one of these spellings leads somewhere, though no name is spelled like that."""
    found = [other for other in others if _is_there(fd, other)]
    return bool(found) and not set(found).issubset(_names_in(fd))


def listed_as(fd: int, name: str, spelling: Spelling) -> str:
    """The name of what ``name`` leads to, where names are folded, as the directory lists it."""
    try:
        status = os.lstat(name, dir_fd=fd)
    except OSError:
        return spelling.new(name)
    names = _names_in(fd)
    if not names or name in names:
        return name
    alike = [each for each in names if folded(each) == folded(name)]
    if len(alike) == 1:
        return alike[0]
    # It folds otherwise than Unicode does: what is the same entry tells it.
    for each in alike or names:
        with suppress(OSError):
            if os.path.samestat(status, os.lstat(each, dir_fd=fd)):
                return each
    return name


def _is_there(fd: int, name: str) -> bool:
    try:
        os.lstat(name, dir_fd=fd)
    except (OSError, ValueError):
        return False
    return True


def _names_in(fd: int) -> set[str]:
    """What a directory lists; nothing for one that may not be read."""
    try:
        readable = os.open(".", _LISTED, dir_fd=fd)
    except OSError:
        return set()
    try:
        return set(os.listdir(readable))
    finally:
        os.close(readable)


def tried(fd: int, name: str) -> Spelling:
    """What a file system makes of a name, PROBE if it can be, that was made in a directory."""
    hidden = [each for each in _names_in(fd) if folded(each) == folded(name)]
    kept = name if name in hidden or not hidden else hidden[0]
    forms: list[Literal["NFC", "NFD"]] = [] if kept.isascii() else ["NFC", "NFD"]
    return Spelling(
        folds=kept != name or is_found_otherwise(fd, respelled(name)),
        lowers=kept == kept.lower() != name,
        form=next((each for each in forms if unicodedata.is_normalized(each, kept)), None),
        differs=_takes_casefold(fd),
    )


def _takes_casefold(fd: int) -> bool:
    """Whether single directories can be told to fold: ioctl_iflags(2), tried with a new one."""
    if not any(os.path.exists(each) for each in _CASEFOLD):
        return False
    with suppress(OSError), ExitStack() as undo:
        os.mkdir(_FOLDER, dir_fd=fd)
        undo.callback(os.rmdir, _FOLDER, dir_fd=fd)
        folder = os.open(_FOLDER, _LISTED, dir_fd=fd)
        undo.callback(os.close, folder)
        flags = bytearray(struct.calcsize("l"))
        fcntl.ioctl(folder, _GET_FLAGS, flags)
        (known,) = struct.unpack("l", flags)
        fcntl.ioctl(folder, _SET_FLAGS, struct.pack("l", known | _CASEFOLD_FLAG))
        return True
    return False
