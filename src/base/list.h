// SPDX-License-Identifier: MIT
// Intrusive doubly linked list. The head is a node that points at itself when the list is empty; a
// node that is in no list points at itself too, so that removing twice is harmless.
#pragma once
#include <stdbool.h>
#include <stddef.h>

typedef struct peri_list {
  struct peri_list *next;
  struct peri_list *prev;
} peri_list;

// The structure that embeds `node` as its member `member`.
#define peri_container(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void peri_list_init(peri_list *list) {
  list->next = list->prev = list;
}

static inline bool peri_list_empty(const peri_list *list) {
  return list->next == list;
}

static inline void peri_list_push(peri_list *head, peri_list *node) {
  node->prev = head->prev;
  node->next = head;
  head->prev->next = node;
  head->prev = node;
}

static inline void peri_list_remove(peri_list *node) {
  node->prev->next = node->next;
  node->next->prev = node->prev;
  peri_list_init(node);
}

// Removes and returns the first node, or NULL when the list is empty.
static inline peri_list *peri_list_pop(peri_list *head) {
  peri_list *node = head->next;
  if (node == head) {
    return NULL;
  }
  peri_list_remove(node);
  return node;
}

// Moves all nodes of `from` to the end of `head`.
static inline void peri_list_splice(peri_list *head, peri_list *from) {
  if (peri_list_empty(from)) {
    return;
  }
  from->next->prev = head->prev;
  head->prev->next = from->next;
  from->prev->next = head;
  head->prev = from->prev;
  peri_list_init(from);
}
