# SPDX-License-Identifier: BSD-3-Clause
# What SWIG makes of libfb's headers (bindings/python/fb.i). Functions raise OSError where those in
# C return -errno; what C puts into a ret_… is the result. A session is the handle that
# session_new() made.

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ._fbc import Handle, Request
from ._results import Conn

_Path = str | bytes
_Buffer = bytes | bytearray | memoryview

# ---- structs: zero means the default everywhere ----

class _Struct:
    thisown: Any
    def __init__(self) -> None: ...

class session_options(_Struct):
    workers: int
    max_workers: int
    max_write: int
    max_pending: int
    max_background: int
    request_timeout_s: int
    read_only: bool
    want: int
    avoid: int
    own_threads: bool

class session_stats(_Struct):
    malformed: int
    undelivered: int
    interrupts: int
    notifications: int
    notification_errors: int
    workers: int
    workers_peak: int
    pending: int
    @property
    def transport(self) -> str | None: ...

class mount_options(_Struct):
    source: str | None
    subtype: str | None
    options: str | None
    auto_unmount: bool
    replace_stale: bool
    transport: int
    yields: bool

class virtio_fs_options(_Struct):
    tag: str | None
    request_queues: int

class passthrough_options(_Struct):
    cache: int
    handles: int
    entry_timeout_ns: int
    attr_timeout_ns: int
    negative_timeout_ns: int
    dir_entry_timeout_ns: int
    dir_attr_timeout_ns: int
    read_only: bool
    writeback: bool
    xattr: int
    posix_acl: int
    posix_lock: int
    flock: int
    readdir: int
    readdirplus: int
    killpriv: int
    kernel_passthrough: int
    direct_io: int
    allow_mmap: int
    noatime: int
    set_inode_flags: bool
    announce_submounts: bool
    caller_credentials: bool
    security_label: bool
    stateless_open: bool
    stateless_opendir: bool
    seal_size: bool
    max_descriptors: int
    proc_fd: int
    xattr_map: str | None
    migration_mode: int
    migration_verify_handles: bool
    migration_confirm_paths: bool
    migration_on_error: int
    def pointer(self) -> int: ...

# ---- device numbers, messages ----

def rdev_pack(major: int, minor: int) -> int: ...
def rdev_major(rdev: int) -> int: ...
def rdev_minor(rdev: int) -> int: ...
def log_set_level(level: int) -> None: ...
def log_to(callable: Callable[[int, str], object] | None) -> None: ...
def last_error() -> str: ...

# ---- sessions ----

def session_new(
    object: object,
    server: object,
    layer: int,
    methods: Mapping[str, int],
    config: Mapping[str, Any],
    options: session_options,
    source: tuple[_Path, int] | None,
) -> Handle: ...
def session_close(handle: Handle) -> None: ...
def session_forget(handle: Handle) -> None: ...
def session_replace(handle: Handle, object: object, methods: Mapping[str, int]) -> None: ...
def session_start(session: Handle) -> int: ...
def session_wait(session: Handle) -> int: ...
def session_stop(session: Handle) -> None: ...
def session_work(session: Handle) -> int: ...
def session_ready_fd(session: Handle) -> int: ...
def session_work_ready(session: Handle, most: int) -> int: ...
def session_wait_ready(session: Handle, timeout_ms: int) -> int: ...
def session_find(handle: Handle, node: Any) -> int | None: ...
def session_held(handle: Handle) -> tuple[int, int, int]: ...
def session_set_trace(handle: Handle, callable: Callable[[str], object] | None) -> None: ...
def session_statistics(handle: Handle) -> dict[str, dict[str, Any]]: ...
def session_agreed(handle: Handle) -> Conn: ...
def session_stats_all(session: Handle, ret_stats: session_stats) -> None: ...
def wake_signal() -> int: ...
def request_current() -> Request: ...
def lower_call(op: str, args: tuple[Any, ...]) -> Any: ...
def register_known(known: Mapping[str, Any]) -> None: ...

# ---- notifications ----

def notify_poll(session: Handle, kh: int) -> int: ...
def notify_inval_node(session: Handle, node: int, off: int, len: int) -> int: ...
def notify_inval_entry(session: Handle, parent: int, name: _Path, expire_only: bool) -> int: ...
def notify_delete(session: Handle, parent: int, child: int, name: _Path) -> int: ...
def notify_store(session: Handle, node: int, off: int, data: _Buffer) -> int: ...
def session_retrieve(
    handle: Handle,
    node: int,
    off: int,
    size: int,
    callable: Callable[[bytes | None, int], object],
) -> None: ...
def session_prune(handle: Handle, nodes: Sequence[int]) -> None: ...
def notify_resend(session: Handle) -> int: ...
def notify_inc_epoch(session: Handle) -> int: ...
def notify_flush(session: Handle) -> int: ...

# ---- transports ----

def mount(session: Handle, mountpoint: _Path, options: mount_options) -> int: ...
def unmount(mountpoint: _Path) -> int: ...
def virtio_fs_attach(session: Handle, fd: int, options: virtio_fs_options) -> int: ...
def virtio_fs_listen(path: _Path, group: int) -> int: ...
def virtio_fs_accept(listen_fd: int) -> int: ...
def loopback_open(handle: Handle, minor: int, offered: int, no_init: bool) -> None: ...
def loopback_close(handle: Handle) -> None: ...
def loopback_send(handle: Handle, message: _Buffer, size: int) -> bytes: ...
def loopback_submit(handle: Handle, message: _Buffer) -> int: ...
def loopback_receive(handle: Handle, ticket: int, size: int, timeout_ms: int) -> bytes: ...
def loopback_notification(handle: Handle, size: int, timeout_ms: int) -> bytes: ...
def loopback_drop_answers(handle: Handle, count: int, error: int) -> None: ...

# ---- constants ----

ROOT_NODE: Final[int]
PENDING: Final[int]
NAME_MAX: Final[int]
XATTR_MAX: Final[int]
INIT_ASYNC_READ: Final[int]
INIT_POSIX_LOCKS: Final[int]
INIT_FILE_OPS: Final[int]
INIT_ATOMIC_O_TRUNC: Final[int]
INIT_EXPORT_SUPPORT: Final[int]
INIT_BIG_WRITES: Final[int]
INIT_DONT_MASK: Final[int]
INIT_SPLICE_WRITE: Final[int]
INIT_SPLICE_MOVE: Final[int]
INIT_SPLICE_READ: Final[int]
INIT_FLOCK_LOCKS: Final[int]
INIT_HAS_IOCTL_DIR: Final[int]
INIT_AUTO_INVAL_DATA: Final[int]
INIT_DO_READDIRPLUS: Final[int]
INIT_READDIRPLUS_AUTO: Final[int]
INIT_ASYNC_DIO: Final[int]
INIT_WRITEBACK_CACHE: Final[int]
INIT_NO_OPEN_SUPPORT: Final[int]
INIT_PARALLEL_DIROPS: Final[int]
INIT_HANDLE_KILLPRIV: Final[int]
INIT_POSIX_ACL: Final[int]
INIT_ABORT_ERROR: Final[int]
INIT_MAX_PAGES: Final[int]
INIT_CACHE_SYMLINKS: Final[int]
INIT_NO_OPENDIR_SUPPORT: Final[int]
INIT_EXPLICIT_INVAL_DATA: Final[int]
INIT_MAP_ALIGNMENT: Final[int]
INIT_SUBMOUNTS: Final[int]
INIT_HANDLE_KILLPRIV_V2: Final[int]
INIT_SETXATTR_EXT: Final[int]
INIT_INIT_EXT: Final[int]
INIT_RESERVED: Final[int]
INIT_SECURITY_CTX: Final[int]
INIT_HAS_INODE_DAX: Final[int]
INIT_CREATE_SUPP_GROUP: Final[int]
INIT_HAS_EXPIRE_ONLY: Final[int]
INIT_DIRECT_IO_ALLOW_MMAP: Final[int]
INIT_PASSTHROUGH: Final[int]
INIT_NO_EXPORT_SUPPORT: Final[int]
INIT_HAS_RESEND: Final[int]
INIT_ALLOW_IDMAP: Final[int]
INIT_OVER_IO_URING: Final[int]
INIT_REQUEST_TIMEOUT: Final[int]
FOPEN_DIRECT_IO: Final[int]
FOPEN_KEEP_CACHE: Final[int]
FOPEN_NONSEEKABLE: Final[int]
FOPEN_CACHE_DIR: Final[int]
FOPEN_STREAM: Final[int]
FOPEN_NOFLUSH: Final[int]
FOPEN_PARALLEL_DIRECT_WRITES: Final[int]
FOPEN_PASSTHROUGH: Final[int]
OPEN_KILL_SUIDGID: Final[int]
ATTR_SUBMOUNT: Final[int]
ATTR_DAX: Final[int]
SETATTR_MODE: Final[int]
SETATTR_UID: Final[int]
SETATTR_GID: Final[int]
SETATTR_SIZE: Final[int]
SETATTR_ATIME: Final[int]
SETATTR_MTIME: Final[int]
SETATTR_FH: Final[int]
SETATTR_ATIME_NOW: Final[int]
SETATTR_MTIME_NOW: Final[int]
SETATTR_LOCKOWNER: Final[int]
SETATTR_CTIME: Final[int]
SETATTR_KILL_SUIDGID: Final[int]
WRITE_CACHE: Final[int]
WRITE_LOCKOWNER: Final[int]
WRITE_KILL_SUIDGID: Final[int]
READ_LOCKOWNER: Final[int]
RELEASE_FLUSH: Final[int]
RELEASE_FLOCK_UNLOCK: Final[int]
FSYNC_DATASYNC: Final[int]
LK_FLOCK: Final[int]
LK_WAIT: Final[int]
IOCTL_COMPAT: Final[int]
IOCTL_UNRESTRICTED: Final[int]
IOCTL_RETRY: Final[int]
IOCTL_32BIT: Final[int]
IOCTL_DIR: Final[int]
IOCTL_COMPAT_X32: Final[int]
POLL_SCHEDULE_NOTIFY: Final[int]
RENAME_NOREPLACE: Final[int]
RENAME_EXCHANGE: Final[int]
RENAME_WHITEOUT: Final[int]
XATTR_CREATE: Final[int]
XATTR_REPLACE: Final[int]
XATTR_ACL_KILL_SGID: Final[int]
MAPPING_WRITE: Final[int]
MAPPING_READ: Final[int]
REQ_HOOKS_MAX: Final[int]
STATS_BUCKETS: Final[int]
VIRTIO_FS_TAG_MAX: Final[int]
TRANSPORT_AUTO: Final[int]
TRANSPORT_DEV_FUSE: Final[int]
TRANSPORT_IO_URING: Final[int]
CACHE_AUTO: Final[int]
CACHE_NEVER: Final[int]
CACHE_METADATA: Final[int]
CACHE_ALWAYS: Final[int]
HANDLES_PREFER: Final[int]
HANDLES_NEVER: Final[int]
HANDLES_MANDATORY: Final[int]
MIGRATION_FIND_PATHS: Final[int]
MIGRATION_FILE_HANDLES: Final[int]
MIGRATION_ABORT: Final[int]
MIGRATION_GUEST_ERROR: Final[int]
DEFAULT: Final[int]
ON: Final[int]
OFF: Final[int]
LOG_ERR: Final[int]
LOG_WARNING: Final[int]
LOG_INFO: Final[int]
LOG_DEBUG: Final[int]
