# SPDX-License-Identifier: BSD-3-Clause
"""All that is measured, and the files that it needs."""

from __future__ import annotations

import pathlib

from . import fio, guests, project
from .clients import Task
from .files import KINDS, Files
from .fio import Fio
from .guests import Guest
from .options import Options


def is_wanted(options: Options, name: str) -> bool:
    return not options.work or bool(options.work.search(name))


def files_tasks(options: Options, fsops: pathlib.Path) -> list[Task]:
    found: list[Task] = []
    for threads in options.sizes.threads:
        kinds = [kind for kind in KINDS if is_wanted(options, f"{Files.prefix(threads)}/{kind}")]
        if kinds:
            found.append(Files(fsops, threads, options.sizes.count, kinds))
    return found


def is_quick(task: Fio) -> bool:
    """One client that waits for each buffered request, and one that does not wait for direct ones."""
    return (task.depth > 1) == task.direct


def fio_tasks(options: Options) -> list[Fio]:
    sizes = options.sizes
    found = [Fio(pattern, direct, depth, jobs, sizes.megabytes, sizes.seconds)
             for direct in (False, True) for pattern in fio.PATTERNS
             for depth in sizes.depths for jobs in sizes.jobs]
    return [task for task in found
            if is_wanted(options, task.name) and (not options.quick or is_quick(task))]


def project_tasks(options: Options, work: pathlib.Path) -> list[Task]:
    sizes = options.sizes
    found: list[Task] = [project.Untar(work, sizes.tree), project.GitStatus(sizes.tree),
                         project.Compile(sizes.code)]
    return [task for task in found if any(is_wanted(options, each.name) for each in task.works)]


def mount_tasks(options: Options, work: pathlib.Path, fsops: pathlib.Path) -> list[Task]:
    """For a folder, the source's own too."""
    return [*files_tasks(options, fsops), *fio_tasks(options), *project_tasks(options, work)]


def guest_tasks(options: Options, program: pathlib.Path) -> list[Task]:
    """For a daemon's socket."""
    found: list[Task] = []
    for queues in options.sizes.queues:
        for depth in guests.DEPTHS:
            kinds = [kind for kind in guests.KINDS if is_wanted(options, Guest.name(kind, depth, queues))]
            if kinds:
                found.append(Guest(program, depth, queues, options.sizes.seconds, kinds))
    return found


def prepare(tasks: list[Task], options: Options, work: pathlib.Path, root: pathlib.Path) -> None:
    """What the tasks find in the source."""
    data = [task for task in tasks if isinstance(task, Fio)]
    if data:
        fio.prepare(work / "source", options.sizes.megabytes, max(task.jobs for task in data))
    if any(isinstance(task, (project.Untar, project.GitStatus)) for task in tasks):
        project.prepare_tree(work, options.sizes.tree)
    if any(isinstance(task, project.Compile) for task in tasks):
        project.prepare_code(work, root, options.sizes.code)
