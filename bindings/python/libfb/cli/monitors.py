# SPDX-License-Identifier: BSD-3-Clause
"""What machine monitors are to be told of a share."""

from __future__ import annotations

import os
import shlex
from xml.sax.saxutils import quoteattr

#: Bytes of a tag at most: struct virtio_fs_config of the virtio specification.
TAG_MAX = 36

FORM = """\
QEMU (memory must be shared; give it the size of the guest's):
  -object memory-backend-memfd,id=mem,size=2G,share=on -machine memory-backend=mem \\
  -chardev socket,id=fs0,path={path} \\
  -device vhost-user-fs-pci,chardev=fs0,tag={tag},queue-size=1024

libvirt (with <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>):
  <filesystem type='mount'>
    <driver type='virtiofs' queue='1024'/>
    <source socket={xml_path}/>
    <target dir={xml_tag}/>
  </filesystem>

cloud-hypervisor:
  --memory size=2G,shared=on --fs tag={tag},socket={hypervisor_path},num_queues=1,queue_size=1024

In the guest:
  mount -t virtiofs {shell_tag} /mnt"""


def _comma(text: str) -> str:
    """QEMU doubles commas in values."""
    return shlex.quote(text.replace(",", ",,")) if text else "''"


def describe(socket: str, tag: str) -> str:
    """The lines for QEMU, libvirt and cloud-hypervisor, and the guest's mount command."""
    path = os.path.abspath(socket)
    return FORM.format(path=_comma(path), tag=_comma(tag), xml_path=quoteattr(path),
                       xml_tag=quoteattr(tag), shell_tag=shlex.quote(tag),
                       hypervisor_path=shlex.quote(path))
