"""The filter of system calls as the kernel runs it, made of the same `seccomp.json` that Docker is given.

libseccomp, which every engine and many Debian packages bring, knows the numbers of calls on each processor; it is asked
by ctypes, so that no package is needed.
"""

import ctypes
import ctypes.util
import json
import os
import tempfile
from functools import cache
from typing import Any

from tre.errors import Unavailable
from tre.rooms.room import seccomp

ALLOW, ERRNO = 0x7FFF0000, 0x00050000
OPERATIONS = {"SCMP_CMP_NE": 1, "SCMP_CMP_LT": 2, "SCMP_CMP_LE": 3, "SCMP_CMP_EQ": 4, "SCMP_CMP_GE": 5,
              "SCMP_CMP_GT": 6, "SCMP_CMP_MASKED_EQ": 7}  # fmt: skip
UNKNOWN = -1
"""What libseccomp answers of a call that it does not know."""


class _Compared(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operation", ctypes.c_int),
        ("one", ctypes.c_uint64),
        ("two", ctypes.c_uint64),
    )


@cache
def compiled() -> bytes:
    """Return the filter as the kernel takes it."""
    library = _library()
    profile = json.loads(seccomp())
    filtered = library.seccomp_init(ERRNO | int(profile["defaultErrnoRet"]))
    if not filtered:
        raise Unavailable("the filter of system calls cannot be made: see `tre doctor`")
    try:
        for rule in profile["syscalls"]:
            _add(library, filtered, rule)
        with tempfile.TemporaryFile() as file:
            _checked(library.seccomp_export_bpf(ctypes.c_void_p(filtered), file.fileno()))
            return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)
    finally:
        library.seccomp_release(ctypes.c_void_p(filtered))


def _add(library: Any, filtered: int, rule: dict[str, Any]) -> None:  # noqa: ANN401 -- ctypes has no type for it
    action = ALLOW if rule["action"] == "SCMP_ACT_ALLOW" else ERRNO | int(rule["errnoRet"])
    given = [_compared(one) for one in rule.get("args") or ()]
    compared = (_Compared * len(given))(*given)
    for name in rule["names"]:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number != UNKNOWN:  # a name of another processor, or newer than the library: it stays refused
            library.seccomp_rule_add_array(ctypes.c_void_p(filtered), action, number, len(given), compared)


def _compared(one: dict[str, Any]) -> _Compared:
    """Write a condition; a masked one compares what the mask `value` leaves with `valueTwo`."""
    return _Compared(one["index"], OPERATIONS[one["op"]], one["value"], one.get("valueTwo", 0))


def _checked(result: int) -> None:
    if result < 0:
        raise Unavailable(f"the filter of system calls cannot be made ({os.strerror(-result)}): see `tre doctor`")


def _library() -> Any:  # noqa: ANN401 -- ctypes has no type for it
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        raise Unavailable("libseccomp is not there: apt-get install libseccomp2") from None
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = (ctypes.c_uint32,)
    library.seccomp_rule_add_array.argtypes = (
        ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(_Compared),
    )  # fmt: skip
    return library
