// SPDX-License-Identifier: MIT
#include "process/folder.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { PENDING_MAX = 64 };  // names kept apart per turn; more become "look at everything"

typedef struct folder {
  uv_fs_event_t event;
  peri_list link;     // in worker->folders
  peri_list pending;  // changes queued, not yet started
  int pending_count;
  int number;
  int ref;
  peri_worker *worker;
  bool closed;  // the handle is gone; the record ends with its last change
} folder;

typedef struct change {
  peri_task task;
  peri_list link;  // in folder->pending
  folder *of;
  char name[];
} change;

static void end_if_done(folder *it) {
  if (it->closed && it->pending_count == 0) {
    free(it);
  }
}

static int push_change(peri_task *task, lua_State *L) {
  lua_pushstring(L, peri_container(task, change, task)->name);
  return 1;
}

static void free_change(peri_task *task) {
  change *it = peri_container(task, change, task);
  folder *of = it->of;
  peri_list_remove(&it->link);
  of->pending_count--;
  free(it);
  end_if_done(of);
}

static bool is_pending(folder *it, const char *name) {
  for (peri_list *n = it->pending.next; n != &it->pending; n = n->next) {
    if (strcmp(peri_container(n, change, link)->name, name) == 0) {
      return true;
    }
  }
  return false;
}

static void on_event(uv_fs_event_t *event, const char *name, int events, int status) {
  (void)events;
  folder *it = event->data;
  if (status != 0 || name == NULL || it->pending_count >= PENDING_MAX) {
    name = "";
  }
  if (is_pending(it, name)) {
    return;
  }
  size_t len = strlen(name);
  change *news = peri_malloc(sizeof *news + len + 1);
  *news = (change){.task = {.fn = it->ref, .push = push_change, .free = free_change}, .of = it};
  memcpy(news->name, name, len + 1);
  peri_list_push(&it->pending, &news->link);
  it->pending_count++;
  peri_vm_task(it->worker->vm, &news->task);
}

static void on_closed(uv_handle_t *handle) {
  folder *it = handle->data;
  it->closed = true;
  end_if_done(it);
}

int peri_folder_watch(peri_worker *worker, const char *path, int ref, peri_err *err) {
  static _Atomic int last;
  folder *it = peri_calloc(1, sizeof *it);
  it->worker = worker;
  it->ref = ref;
  it->number = atomic_fetch_add(&last, 1) + 1;
  it->event.data = it;
  peri_list_init(&it->pending);
  peri_list_push(&worker->folders, &it->link);
  int code = uv_fs_event_init(&worker->loop.uv, &it->event);
  code = code != 0 ? code : uv_fs_event_start(&it->event, on_event, path, 0);
  if (code != 0) {
    peri_folder_unwatch(worker, it->number);
    return peri_fail(err, PERI_ESYSTEM, "cannot watch %s: %s", path, uv_strerror(code));
  }
  return it->number;
}

static void end_watch(folder *it) {
  peri_list_remove(&it->link);
  // Changes already queued still call the function; its reference goes after them.
  peri_vm_unref_later(it->worker->vm, it->ref);
  uv_close((uv_handle_t *)&it->event, on_closed);
}

void peri_folder_unwatch(peri_worker *worker, int number) {
  for (peri_list *n = worker->folders.next; n != &worker->folders; n = n->next) {
    folder *it = peri_container(n, folder, link);
    if (it->number == number) {
      end_watch(it);
      return;
    }
  }
}

void peri_folder_close_all(peri_worker *worker) {
  while (!peri_list_empty(&worker->folders)) {
    end_watch(peri_container(worker->folders.next, folder, link));
  }
}
