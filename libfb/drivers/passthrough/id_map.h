/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * User or group ids that the client and the host number differently: the rules of virtiofsd's
 * --translate-uid and --translate-gid. Both ways are independent of each other; what no rule names
 * stays as it is, and so does UINT32_MAX, which stands for "not known".
 */
#ifndef LIBFB_PASSTHROUGH_ID_MAP_H
#define LIBFB_PASSTHROUGH_ID_MAP_H

#include <libfb/types.h>

/* Rules of one map. */
#define FB_ID_MAP_RULES_MAX 4096

struct fb_id_range;

/* The ranges of one way, which do not overlap, in order. */
struct fb_id_ranges {
	struct fb_id_range *ranges;
	size_t count;
};

/* All zero: no map. */
struct fb_id_map {
	struct fb_id_ranges to_host, to_client;
};

/*
 * Make a map of rules, an array that NULL ends; NULL or an empty array is no map. what ("uid",
 * "gid") is for sentences. Returns 0, or -EINVAL or -ENOMEM with one in fb_last_error().
 */
int fb_id_map_init(struct fb_id_map *map, const char *what, const char *const *rules) FB_MUST_CHECK;
void fb_id_map_fini(struct fb_id_map *map);

static inline bool fb_id_map_exists(const struct fb_id_map *map)
{
	return map->to_host.count > 0 || map->to_client.count > 0;
}

/* What the host calls the client's id. Returns 0, or -EPERM for one that is forbidden. */
int fb_id_map_to_host(const struct fb_id_map *map, uint32_t id, uint32_t *ret_id) FB_MUST_CHECK;

/* What the client calls the host's id. */
uint32_t fb_id_map_to_client(const struct fb_id_map *map, uint32_t id);

#endif
