/* SPDX-License-Identifier: BSD-3-Clause */
#include "words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void words_fini(struct words *words)
{
	for (size_t i = 0; i < words->count; i++)
		free(words->word[i]);
	free(words->word);
	*words = (struct words){ 0 };
}

int words_take(struct words *words, char *word)
{
	char **grown = reallocarray(words->word, words->count + 2, sizeof(*grown));

	if (grown)
		words->word = grown;
	if (!grown || !word) {
		free(word);
		return -ENOMEM;
	}
	words->word[words->count++] = word;
	words->word[words->count] = NULL;
	return 0;
}

int words_add(struct words *words, const char *word)
{
	return words_take(words, strdup(word));
}

/* A comma that is meant: doubled as libvirt writes it, or escaped as libfuse does. */
static bool is_literal_comma(const char *at)
{
	return (at[0] == ',' || at[0] == '\\') && at[1] == ',';
}

/* Copy one word of a list. Returns where the next one starts. */
static const char *copy_word(const char *from, char *to)
{
	while (*from) {
		if (is_literal_comma(from))
			from++;
		else if (*from == ',')
			break;
		*to++ = *from++;
	}
	*to = '\0';
	return *from ? from + 1 : from;
}

int words_split(struct words *words, const char *list)
{
	while (*list) {
		char *word = malloc(strlen(list) + 1);

		if (!word)
			return -ENOMEM;
		list = copy_word(list, word);
		if (!*word)
			free(word);
		else if (words_take(words, word) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Copy a word; a comma and a backslash in it get a backslash in front. Returns the end. */
static char *escape(char *to, const char *word)
{
	for (; *word; word++) {
		if (*word == ',' || *word == '\\')
			*to++ = '\\';
		*to++ = *word;
	}
	return to;
}

char *words_join(const struct words *words)
{
	size_t length = 1;
	char *joined, *end;

	for (size_t i = 0; i < words->count; i++)
		length += 2 * strlen(words->word[i]) + 1;
	end = joined = malloc(length);
	if (!joined)
		return NULL;
	for (size_t i = 0; i < words->count; i++) {
		if (i)
			*end++ = ',';
		end = escape(end, words->word[i]);
	}
	*end = '\0';
	return joined;
}
