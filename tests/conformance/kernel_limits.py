# SPDX-License-Identifier: BSD-3-Clause
"""Checks that no FUSE server can pass, by what was asked for, and why."""

KERNEL_LIMITS = {
    "writeback": {
        # The kernel keeps the number of blocks that it was told before the pages were written out.
        "truncate.frees_blocks",
        "orphan.space_is_accounted_until_closed",
        "stat.blocks_count_data",
        "fallocate.punched_hole_frees_blocks",
    },
    "locks of a guest": {
        # Linux does not pass interrupts on over virtio-fs: who waits for a shared lock can not even be killed.
        "lock.waiter_interrupted",
        "lock.waiter_killed_leaves_nothing",
    },
    "no_default_permissions": {
        # The kernel opens FIFOs and sockets by itself, and asks of programs only whether anybody may run them.
        "special.fifo_permissions",
        "special.socket_mode_and_permissions",
        "exec.needs_execute_bit_of_own_class",
    },
}
