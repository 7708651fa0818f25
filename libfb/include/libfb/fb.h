/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libfb: file-system servers that speak FUSE.
 *
 * The tour:
 *   types.h        limits, flags and small structs
 *   driver.h       what a file system implements
 *   io.h           where bulk data comes from and goes to
 *   session.h      one driver served to one client
 *   dev_fuse.h     … to the local kernel, as a mount
 *   virtio_fs.h    … to a virtual machine
 *   loopback.h     … to a test in the same process
 *   passthrough.h  a driver that shows a host directory
 *   path.h         a driver for file systems that are written by path
 *   listing.h      a directory listing gathered at once
 *   log.h          messages and the last error
 */
#ifndef LIBFB_FB_H
#define LIBFB_FB_H

#include <libfb/dev_fuse.h>
#include <libfb/driver.h>
#include <libfb/io.h>
#include <libfb/listing.h>
#include <libfb/log.h>
#include <libfb/loopback.h>
#include <libfb/passthrough.h>
#include <libfb/path.h>
#include <libfb/session.h>
#include <libfb/types.h>
#include <libfb/virtio_fs.h>

#endif
