"""What Python has no word for: mounts of a process's own, loop devices, a pretended reboot."""

import ctypes
import errno
import fcntl
import os
import stat
import struct
from pathlib import Path

#: unshare(2) and mount(2).
_NEW_NAMESPACE = 0x00020000
_BIND, _PRIVATE, _ALL_BELOW, _NO_ATIME = 0x1000, 1 << 18, 0x4000, 0x400

#: loop(4): numbers come from the control device; a device is freed with its last user.
_GET_FREE = 0x4C82
_CONFIGURE = 0x4C0A
_AUTOCLEAR = 4
#: fd, block size; of the rest only the flags are said, at their place.
_CONFIG = struct.Struct("=II 52x I 240x")
_MAJOR = 7

#: ioctl of /dev/btrfs-control that forgets a device which is not mounted.
_BTRFS_FORGET = 0x50009405
_BTRFS_ARGUMENTS = struct.Struct("=q4088s")

#: Where a process reads in which boot of the machine it runs.
BOOT_ID = "/proc/sys/kernel/random/boot_id"

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(source: str, target: str | Path, kind: str, options: str, flags: int = 0) -> None:
    """mount(2)."""
    texts = [os.fsencode(text) for text in (source, target, kind)]
    _checked(_libc.mount(*texts, ctypes.c_ulong(flags), options.encode()), f"mount {target}")


def unmount(target: str | Path) -> None:
    """umount(2)."""
    _checked(_libc.umount2(os.fsencode(target), 0), f"umount {target}")


def have_mounts_of_our_own() -> None:
    """What this process mounts from now on goes with it and its children, however they end."""
    _checked(_libc.unshare(_NEW_NAMESPACE), "unshare")
    mount("none", "/", "", "", _ALL_BELOW | _PRIVATE)


def pretend_boot(file: Path) -> None:
    """Let the machine have been booted anew, for this process and its children."""
    mount(str(file), BOOT_ID, "", "", _BIND)


def attach(path: Path) -> tuple[str, int]:
    """A loop device for a file, with sectors of 512 bytes; it is freed with its last user.

    Returns its path and a descriptor that has to stay open until it is mounted.
    """
    with open(path, "r+b") as file, open("/dev/loop-control", "rb") as control:
        while True:
            device = _node(fcntl.ioctl(control, _GET_FREE))
            fd = os.open(device, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.ioctl(fd, _CONFIGURE, _CONFIG.pack(file.fileno(), 512, _AUTOCLEAR))
            except OSError as error:
                os.close(fd)
                if error.errno != errno.EBUSY:
                    raise
                continue
            return device, fd


def _node(number: int) -> str:
    """The device file, which has to be made where /dev does not follow the kernel (containers)."""
    device = f"/dev/loop{number}"
    if not os.path.exists(device):
        os.mknod(device, stat.S_IFBLK | 0o660, os.makedev(_MAJOR, number))
    return device


def mount_file(path: Path, target: Path, kind: str, options: str) -> str:
    """Mount the file system in a file; return the device."""
    device, fd = attach(path)
    try:
        mount(device, target, kind, options, _NO_ATIME)
    finally:
        os.close(fd)
    return device


def forget_btrfs(device: str) -> None:
    """Let btrfs not remember what was on a device: the next one has the same identity."""
    # So long an argument has to be a buffer.
    arguments = bytearray(_BTRFS_ARGUMENTS.pack(0, device.encode()))
    with open("/dev/btrfs-control", "rb") as control:
        try:
            fcntl.ioctl(control, _BTRFS_FORGET, arguments)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
