# SPDX-License-Identifier: BSD-3-Clause
"""What can be typed."""

from __future__ import annotations

import argparse
import ast
import grp
import importlib.metadata
from typing import Any

from .._mount import TRANSPORTS

DESCRIPTION = """\
Serve a file system that is a Python class: mount it here, or share it with virtual machines.

TARGET says which class: module:Class (imported as by python3 -m), or file.py:Class. With only one
class that is a file system :Class can be left out; a function that returns one, or a finished
object, will do as well."""

EPILOG = """\
examples:
  python3 -m libfb notes.py:Notes /mnt/notes
  python3 -m libfb notes:Notes /mnt/notes -o allow_other --arg size=100 --reload --trace
  python3 -m libfb libfb:Passthrough /mnt/usr --arg source=/usr -o ro
  python3 -m libfb notes.py:Notes --vhost-user /run/notes.sock --tag notes
  python3 -m libfb notes.py:Notes --vhost-user /run/notes.sock --qemu-args

One line on standard output says when it is ready, and so does sd_notify(3). SIGTERM and Ctrl-C end
it. SIGUSR1 prints figures and latencies by operation, SIGUSR2 the stacks of all threads; both go to
standard error.

Exit codes: 0 after an unmount or SIGTERM, 130 after Ctrl-C, 1 for errors, 2 for wrong usage; what a
handler gives to sys.exit()."""


def literal(text: str) -> Any:
    """A value from the command line: numbers, quoted strings, lists and so on as Python writes them,
    true and false, else the text itself."""
    if text in ("true", "false"):
        return text == "true"
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def _argument(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form name=value")
    return name, literal(value)


def _workers(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 1024")
    return int(text)


def _group(text: str) -> int:
    if text.isdecimal():
        return int(text)
    try:
        return grp.getgrnam(text).gr_gid
    except KeyError:
        raise argparse.ArgumentTypeError(f"there is no group {text!r}") from None


def _version() -> str:
    try:
        return f"libfb {importlib.metadata.version('libfb')}"
    except importlib.metadata.PackageNotFoundError:
        return "libfb (not installed as a package)"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m libfb", description=DESCRIPTION, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("target", metavar="TARGET", help="module:Class or file.py:Class")
    add("mountpoint", metavar="MOUNTPOINT", nargs="?", help="directory to mount it on")
    add("--arg", metavar="K=V", action="append", default=[], type=_argument,
        help="argument of the constructor: a Python literal, true, false, or else text; repeatable")
    add("--workers", metavar="N", type=_workers, default=1,
        help="threads that call handlers (1); more only help handlers that wait")
    add("--version", action="version", version=_version())
    _add_places(parser)
    _add_ways(parser)
    return parser


def _add_places(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("mounts").add_argument
    add("-o", metavar="K=V", dest="mount_options", action="append", default=[],
        help="mount options, as after mount -o: ro, allow_other, …; repeatable")
    add("--replace", action="store_true",
        help="first clear what a dead server left at the mountpoint")
    add("--transport", metavar="NAME", choices=tuple(TRANSPORTS), default="auto",
        help="how requests come from the kernel: io-uring (Linux 6.14, where root has enabled it, with "
             "one worker), dev-fuse, or auto, which is io-uring where that can be")
    add = parser.add_argument_group("virtual machines").add_argument
    add("--vhost-user", metavar="SOCKET", help="serve machine monitors that connect to this socket")
    add("--tag", help="name by which guests mount it; the default is the name of the class")
    add("--group", metavar="GROUP", type=_group, default=-1,
        help="group whose members may connect, too")
    add("--once", action="store_true", help="end when the first machine has gone")
    add("--qemu-args", action="store_true",
        help="print what QEMU, libvirt and cloud-hypervisor are to be told, and do nothing else")


def _add_ways(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("ways to run")
    way = group.add_mutually_exclusive_group()
    way.add_argument("-f", "--foreground", action="store_true", help="stay here (default)")
    way.add_argument("--daemon", action="store_true",
                     help="go to the background once it serves; works in / from then on")
    add = group.add_argument
    add("--trace", action="store_true", help="print each request and its answer")
    add("--debug", action="store_true", help="print what the library has to say, and all tracebacks")
    add("--pdb", action="store_true",
        help="look around with pdb where a handler has failed unexpectedly; its caller waits")
    add("--reload", action="store_true",
        help="watch the source files, and go on with the new code when they change: a method "
             "__reload__(old) of the class gets the old object, else objects change their class. New "
             "operations need a new mount; guests see changes as their timeouts end")


def help_text() -> str:
    """What --help prints."""
    return _parser().format_help()


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line. SystemExit with code 2 and a message when it makes no sense."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if (options.mountpoint is None) == (options.vhost_user is None):
        parser.error("give one place: a MOUNTPOINT, or --vhost-user SOCKET")
    if options.vhost_user is None:
        for name in ("tag", "once", "qemu_args"):
            if getattr(options, name):
                parser.error(f"--{name.replace('_', '-')} is for --vhost-user")
        if options.group >= 0:
            parser.error("--group is for --vhost-user")
    elif options.mount_options or options.replace or options.transport != "auto":
        parser.error("-o, --replace and --transport are for mounts")
    if options.daemon and (options.pdb or options.trace):
        parser.error("--pdb and --trace need the foreground: --daemon has no terminal")
    return options
