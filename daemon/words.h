/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A list of words: options after -o, texts that must live on.
 */
#ifndef FBFSD_WORDS_H
#define FBFSD_WORDS_H

#include <libfb/types.h>

struct words {
	char **word; /* NULL behind the last; NULL when there is none */
	size_t count;
};

/* Free all words. */
void words_fini(struct words *words);

/* Append a word and take it; it is freed also on failure. Returns 0 or -ENOMEM. */
int words_take(struct words *words, char *word) FB_MUST_CHECK;

/* Append a copy of the word. Returns 0 or -ENOMEM. */
int words_add(struct words *words, const char *word) FB_MUST_CHECK;

/*
 * Split a list as it stands after -o. ",," and "\," are a comma in a word, empty words are left
 * out. Returns 0 or -ENOMEM.
 */
int words_split(struct words *words, const char *list) FB_MUST_CHECK;

/* Join with commas; those in a word become "\,". Returns a string to free, NULL when out of memory. */
char *words_join(const struct words *words) FB_MUST_CHECK;

#endif
