// SPDX-License-Identifier: MIT
// The ABI number is looked at before anything else of an object, and as a value: no function of a
// plugin that was made for another ABI ever runs.
#include "protocol/plugin.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "protocol/compression.h"
#include "protocol/serializer.h"

_Static_assert((int)PERI_PLUGIN_BAD_REQUEST == (int)PERI_EBAD_REQUEST &&
                   (int)PERI_PLUGIN_INTERNAL == (int)PERI_EINTERNAL &&
                   (int)PERI_PLUGIN_TOO_BIG == (int)PERI_ETOO_BIG &&
                   (int)PERI_PLUGIN_NO_MEMORY == (int)PERI_ENO_MEMORY,
               "the public header has these numbers, too");

enum { LOADED_MAX = 128 };

static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;
static const peri_plugin *loaded[LOADED_MAX];
static int loaded_count;

static void write_log(int level, const char *tag, const char *text) {
  bool known = level >= PERI_PLUGIN_DEBUG && level <= PERI_PLUGIN_ERROR;
  peri_log(known ? (peri_log_level)level : PERI_LOG_ERROR, tag, "%s", text);
}

static const peri_plugin_host host = {
    .size = sizeof(peri_plugin_host),
    .abi = PERI_ABI,
    .version = PERI_VERSION,
    .grow = peri_buf_grow,
    .fail = peri_fail,
    .log = write_log,
};

// A plugin and how messages call it.
typedef struct subject {
  const peri_plugin *plugin;
  const char *path, *point, *name;
  peri_err *err;
} subject;

static int refuse(const subject *it, const char *why) {
  return peri_fail(it->err, PERI_ECONFIG, "%s '%s': %s: %s", it->point, it->name, it->path, why);
}

static int taken(const subject *it, const char *what, unsigned id, const char *other) {
  return peri_fail(it->err, PERI_EALREADY_EXISTS, "%s '%s': %s %u is that of '%s'", it->point,
                   it->name, what, id, other);
}

static bool id_is_private(unsigned id) {
  return id > PERI_PRIVATE_ID + 1 && id <= 127;
}

static int add_compression(const subject *it) {
  const peri_compression_ops *ops = it->plugin->compression;
  if (ops == NULL || ops->name == NULL || ops->compress == NULL || ops->decompress == NULL) {
    return refuse(it, "its `compression` misses a member; see peri_compression_ops");
  } else if (strcmp(ops->name, it->name) != 0) {
    return refuse(it, "its `compression` has another name than the plugin");
  } else if (!id_is_private(ops->id)) {
    return refuse(it, "its id must be from 112 to 127");
  }
  const peri_compression *other = peri_compression_by_id(ops->id);
  if (other != NULL) {
    return taken(it, "id", ops->id, other->name);
  }
  int rc = peri_compression_add(ops);
  return rc == 0 ? 0 : peri_fail(it->err, rc, "compression '%s': %s", it->name, peri_code_text(rc));
}

static int add_serializer(const subject *it) {
  const peri_serializer_ops *ops = it->plugin->serializer;
  if (ops == NULL || ops->name == NULL || ops->encoder_init == NULL ||
      ops->encoder_finish == NULL || ops->decode == NULL) {
    return refuse(it, "its `serializer` misses a member; see peri_serializer_ops");
  } else if (!id_is_private(ops->id)) {
    return refuse(it, "its id must be from 112 to 127");
  }
  const peri_serializer *other = peri_serializer_by_id(ops->id);
  if (other != NULL && strcmp(other->name, ops->name) != 0) {
    return taken(it, "id", ops->id, other->name);
  }
  peri_serializer *row = peri_calloc(1, sizeof *row);
  *row = (peri_serializer){.name = ops->name,
                           .provider = ops->provider != NULL ? ops->provider : "",
                           .id = ops->id,
                           .self_typed = true,
                           .encoder_init = ops->encoder_init,
                           .encoder_finish = ops->encoder_finish,
                           .decode = ops->decode};
  int rc = peri_serializer_add(row);
  return rc == 0 ? 0 : peri_fail(it->err, rc, "serializer '%s': %s", it->name, peri_code_text(rc));
}

static const struct {
  const char *point;
  int (*add)(const subject *it);
} points[] = {{"compression", add_compression}, {"serializer", add_serializer}};

enum { POINTS = sizeof points / sizeof points[0] };

static int check_head(const subject *it) {
  const peri_plugin *plugin = it->plugin;
  if (plugin->abi != PERI_ABI) {
    return peri_fail(it->err, PERI_ECONFIG,
                     "%s '%s': made for ABI %u, this perilune has ABI %d; compile it anew against "
                     "its perilune.h (%s)",
                     it->point, it->name, plugin->abi, PERI_ABI, it->path);
  } else if (plugin->size < sizeof *plugin || plugin->point == NULL || plugin->name == NULL) {
    return refuse(it, "its perilune_plugin is not filled; begin it with PERI_PLUGIN_HEAD");
  } else if (strcmp(plugin->point, it->point) != 0) {
    return peri_fail(it->err, PERI_ECONFIG, "%s '%s': %s: is a plugin for the point '%.32s'",
                     it->point, it->name, it->path, plugin->point);
  } else if (strcmp(plugin->name, it->name) != 0) {
    return peri_fail(it->err, PERI_ECONFIG, "%s '%s': %s: calls itself '%.32s'", it->point,
                     it->name, it->path, plugin->name);
  }
  return 0;
}

static bool is_loaded(const peri_plugin *plugin) {
  for (int i = 0; i < loaded_count; i++) {
    if (loaded[i] == plugin) {
      return true;
    }
  }
  return false;
}

static int add_to_point(const subject *it) {
  for (int i = 0; i < POINTS; i++) {
    if (strcmp(points[i].point, it->point) == 0) {
      return points[i].add(it);
    }
  }
  return refuse(it, "plugins of this point are written in Lua; C has compression and serializer");
}

static int add(const subject *it) {
  if (is_loaded(it->plugin)) {
    return 0;
  } else if (loaded_count == LOADED_MAX) {
    return refuse(it, "too many C plugins");
  }
  int rc = it->plugin->init != NULL ? it->plugin->init(&host, it->err) : 0;
  if (rc < 0) {
    return rc;
  }
  rc = add_to_point(it);
  if (rc == 0) {
    loaded[loaded_count++] = it->plugin;
  }
  return rc;
}

static int open_object(subject *it) {
  void *object = dlopen(it->path, RTLD_NOW | RTLD_LOCAL);
  if (object == NULL) {
    const char *why = dlerror();
    return peri_fail(it->err, PERI_ECONFIG, "%s '%s': cannot be loaded: %s", it->point, it->name,
                     why != NULL ? why : it->path);
  }
  it->plugin = dlsym(object, "perilune_plugin");
  if (it->plugin == NULL) {
    return refuse(it, "has no symbol perilune_plugin, so it is no plugin; see perilune.h");
  }
  return 0;
}

int peri_plugin_load(const char *path, const char *point, const char *name, peri_err *err) {
  subject it = {.path = path, .point = point, .name = name, .err = err};
  if (err != NULL) {
    *err = (peri_err){.code = 0};
  }
  pthread_mutex_lock(&loading);
  int rc = open_object(&it);
  if (it.plugin != NULL) {
    rc = check_head(&it);
    rc = rc == 0 ? add(&it) : rc;
  }
  pthread_mutex_unlock(&loading);
  if (rc < 0 && err != NULL && err->text[0] == '\0') {
    peri_fail(err, rc, "%s '%s': its init() failed: %s", point, name, peri_code_text(rc));
  }
  return rc < 0 ? rc : 0;
}
