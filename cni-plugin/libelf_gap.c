/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debian 13's static libelf (elfutils 0.192) refers to two functions of its own that it does not
 * contain: begin and end of a search tree that is filled by elf_getdata_rawchunk() alone. Nothing
 * here links that, so the tree, which libelf allocates zeroed, stays empty, and there is nothing to
 * do in them. Weak: where that tree is in use, libelf's own come with it and win.
 */
void eu_search_tree_init(void *tree);
void eu_search_tree_fini(void *tree, void (*free_node)(void *));

__attribute__((weak)) void eu_search_tree_init(void *tree)
{
	(void)tree;
}

__attribute__((weak)) void eu_search_tree_fini(void *tree, void (*free_node)(void *))
{
	(void)tree;
	(void)free_node;
}
