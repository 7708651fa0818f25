/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names of extended attributes that the client and the host call differently: the rules of
 * virtiofsd's --xattrmap (its doc/xattr-mapping.md). The first rule that matches a name decides.
 */
#ifndef LIBFB_PASSTHROUGH_XATTR_MAP_H
#define LIBFB_PASSTHROUGH_XATTR_MAP_H

#include <libfb/types.h>

#include <limits.h>

/* Room for a name with its end. */
#define FB_XATTR_NAME_ROOM (XATTR_NAME_MAX + 1)

/* Rules of one map: each is looked at for each name. */
#define FB_XATTR_MAP_RULES_MAX 256

struct fb_xattr_map;

/*
 * Make a map of rules, which are copied. One that leaves a name without a rule is refused. Returns 0
 * and a map, or -EINVAL or -ENOMEM with a sentence in fb_last_error().
 */
int fb_xattr_map_new(const char *rules, struct fb_xattr_map **ret_map) FB_MUST_CHECK;

/* NULL is ignored. */
void fb_xattr_map_free(struct fb_xattr_map *map);

/*
 * What the host calls the attribute that the client calls name; without a map (NULL) the same. The
 * answer is name itself or stands in room. Returns 0, -EPERM (reading: answer -ENODATA) or
 * -EOPNOTSUPP as the rules say, or -ERANGE when the host's name would be too long.
 */
int fb_xattr_map_to_host(const struct fb_xattr_map *map, const char *name,
			 char room[static FB_XATTR_NAME_ROOM], const char **ret_name) FB_MUST_CHECK;

/*
 * What the client is told of a name that the host lists: name itself or the end of it. Returns NULL
 * for a name that is hidden.
 */
const char *fb_xattr_map_to_client(const struct fb_xattr_map *map, const char *name);

/* Say whether name is the same on both sides. */
bool fb_xattr_map_keeps(const struct fb_xattr_map *map, const char *name);

/*
 * Say whether a name that only privileged programs of the client may set is kept by the host below
 * "user.", where every program may write, without a rule that keeps the client from using the
 * host's name directly. Then room is the beginning of such names.
 */
bool fb_xattr_map_forgeable(const struct fb_xattr_map *map, char room[static FB_XATTR_NAME_ROOM]);

#endif
