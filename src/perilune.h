// SPDX-License-Identifier: MIT
// The public interface in C: plugins for the hot points, and the runtime inside another program.
// Needs no other header of Perilune. The same in C++.
//
// ---- Plugins ------------------------------------------------------------------------------------
//
// A plugin is a shared object that defines one symbol, `perilune_plugin`:
//
//   #include <perilune.h>
//   static const peri_compression_ops rle = {.name = "rle", .id = 120, ...};
//   PERI_EXPORT const peri_plugin perilune_plugin = {
//       PERI_PLUGIN_HEAD, .point = "compression", .name = "rle", .compression = &rle};
//
// It is found by name when first used (`refer { compression = 'rle' }`, or `perilune.compression
// 'rle'` in a script that only serves): `perilune/protocol/compression/rle.so` in a folder where Lua
// looks for C modules (the script's, its .rocks, LUA_CPATH, ~/.luarocks, the installation). It links
// against nothing of Perilune: what it needs comes as a table of functions, `peri_plugin_host`.
//
// The object is loaded once per process and never unloaded. `abi` is compared before anything else
// of it is looked at and before any of its functions runs. Everything that the tables point to must
// stay as it is for good (static const).
//
// Threads: `init` runs once, on the thread that loads, under a lock: it must not load another
// plugin. All other functions are called by any worker at any time, several at once: keep no state
// but constants and what lies in the memory a call hands in. None of them may block or wait.
//
// Results: 0 (or a positive count), or a negative PERI_PLUGIN_* code. Input comes from peers: every
// byte of it may be wrong, and nothing may be read outside of it.
//
// ---- Units and ownership ------------------------------------------------------------------------
//
// Sizes are bytes, times milliseconds. `peri_bytes` are borrowed until the function returns. A
// `peri_buf` belongs to the caller: append only, by peri_append or by peri_room and then `len`;
// never free it or shrink it below its length at entry.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

// Raised when anything below changes for those who were compiled with it. Members are added only at
// the end of peri_plugin_host, which does not raise it.
#define PERI_ABI 3
#define PERI_EXPORT __attribute__((visibility("default")))

enum {
  PERI_PLUGIN_BAD_REQUEST = -3,  // the input is malformed
  PERI_PLUGIN_INTERNAL = -13,    // something that should not happen
  PERI_PLUGIN_TOO_BIG = -24,     // a limit was reached
  PERI_PLUGIN_NO_MEMORY = -25,
};

// Levels of the log.
enum { PERI_PLUGIN_DEBUG, PERI_PLUGIN_INFO, PERI_PLUGIN_WARN, PERI_PLUGIN_ERROR };

// ---- bytes --------------------------------------------------------------------------------------

// A growable byte buffer with one owner.
typedef struct peri_buf {
  uint8_t *data;  // owned; NULL while cap is 0
  size_t len;     // bytes that are valid
  size_t cap;     // bytes
} peri_buf;

// Borrowed bytes: `ptr` may be NULL when len is 0. Who keeps them alive is said where they appear.
typedef struct peri_bytes {
  const uint8_t *ptr;
  size_t len;
} peri_bytes;

// An error with prose, filled by host->fail.
typedef struct peri_err peri_err;

// What Perilune gives to a plugin; valid for good.
typedef struct peri_plugin_host {
  uint32_t size;        // bytes of this table: later members are there when it is large enough
  uint32_t abi;         // PERI_ABI of this Perilune
  const char *version;  // "0.1.0"
  // Makes room for `extra` more bytes (may move `data`). Ends the process when out of memory.
  void (*grow)(peri_buf *buf, size_t extra);
  // Sets `err` (may be NULL) to a sentence and returns `code`, so that a failure is one statement.
  int (*fail)(peri_err *err, int code, const char *format, ...)
#ifdef __GNUC__
      __attribute__((format(printf, 3, 4)))
#endif
      ;
  // Writes one line to the log; never blocks. `tag` is upper case, such as "PLUGIN-RLE".
  void (*log)(int level, const char *tag, const char *text);
} peri_plugin_host;

// Room for `extra` bytes behind `buf->len`; what was written is added to `len` by the caller.
static inline uint8_t *peri_room(const peri_plugin_host *host, peri_buf *buf, size_t extra) {
  if (buf->cap - buf->len < extra) {
    host->grow(buf, extra);
  }
  return buf->data + buf->len;
}

static inline void peri_append(const peri_plugin_host *host, peri_buf *buf, const void *bytes,
                               size_t len) {
  if (len != 0) {
    memcpy(peri_room(host, buf, len), bytes, len);
    buf->len += len;
  }
}

// ---- values -------------------------------------------------------------------------------------

// The one way a structured value travels: as a sequence of calls on a sink. A decoder reads bytes
// and calls a sink; an encoder is a sink that writes bytes.
//
// Every member returns 0 or a negative code; the first failure ends the walk and is returned to
// whoever drives it. Calls are strictly nested. In a map, `key` comes before each value. Strings are
// borrowed until the call returns. A producer that does not know a count says PERI_COUNT_UNKNOWN; a
// count that is given is exact. A map's key is a map or a list only where the format has such keys;
// sinks may refuse it. No blocking, no allocation that a peer sizes beyond the limits. A sink may leave by longjmp, so a producer owns
// nothing that it would have to free.
#define PERI_COUNT_UNKNOWN SIZE_MAX

// The type on the wire of a scalar, where it is more than the scalar tells.
typedef enum peri_cast {
  PERI_CAST_NONE,
  PERI_CAST_INT,
  PERI_CAST_LONG,
  PERI_CAST_DOUBLE,
  PERI_CAST_FLOAT,
  PERI_CAST_SHORT,
  PERI_CAST_BYTE,
  PERI_CAST_CHAR,     // a string of one UTF-16 unit
  PERI_CAST_DATE,     // an integer: milliseconds since 1970
  PERI_CAST_DECIMAL,  // a string of digits
  PERI_CAST_BIGINT,   // a string of digits
  PERI_CASTS,
} peri_cast;

// A class and the fields of its objects. Who has met it before need not look at the names again.
typedef struct peri_shape {
  uint64_t id;      // of this content in the process, for good; never 0
  peri_bytes name;  // of the class, not empty
  uint32_t count;   // of fields
  const peri_bytes *fields;
} peri_shape;

// For formats like Hessian. Each member may be NULL: the producer then goes on without it, or, where
// nothing would be left of the value, fails.
typedef struct peri_sink_graph {
  // Announces the type of the scalar that follows.
  int (*cast)(void *sink, peri_cast cast);
  // After `type`: the map that follows is a map of that class, not an object with fields. Without
  // one: it is a map whose keys may be any scalar.
  int (*dictionary)(void *sink);
  // After `type`, before `map_begin` of an object: its fields, in the order of the values to come.
  // `key` is then not called for them.
  int (*field)(void *sink, const char *name, size_t len);
  // Asks before each list or map, and before its `type`, which value it is. 1: the sink has written
  // a reference to the earlier one, and the value is not walked again; 0: it is new. `identity` is
  // only compared.
  int (*seen)(void *sink, const void *identity);
  // The list or map that follows has this number; `ref` may name it, also from within.
  int (*label)(void *sink, uint32_t number);
  // A value: the list or map with this number, once more.
  int (*ref)(void *sink, uint32_t number);
  // In place of `type`, `map_begin` and the keys of an object: the values of its fields follow in
  // order, then `map_end`. `shape` is borrowed until the call returns. 1: taken; 0: the sink wants
  // the usual calls.
  int (*object)(void *sink, const peri_shape *shape);
} peri_sink_graph;

typedef struct peri_sink_ops {
  int (*null)(void *sink);
  int (*boolean)(void *sink, bool value);
  int (*integer)(void *sink, int64_t value);
  int (*uinteger)(void *sink, uint64_t value);  // only for values above INT64_MAX
  int (*number)(void *sink, double value);
  int (*string)(void *sink, const char *text, size_t len);    // UTF-8, checked by decoders
  int (*bytes)(void *sink, const uint8_t *data, size_t len);  // binary
  int (*list_begin)(void *sink, size_t count);
  int (*list_end)(void *sink);
  int (*map_begin)(void *sink, size_t count);
  int (*key)(void *sink, const char *text, size_t len);  // string keys, the common case
  // Announces that the next value is a key, for formats whose keys may be any scalar.
  int (*any_key)(void *sink);
  int (*map_end)(void *sink);
  // Names the class of the map or list that follows; formats without classes ignore it. 1 asks the
  // producer to name the fields (graph->field) when what follows is an object.
  int (*type)(void *sink, const char *name, size_t len);
  // What only formats of typed objects and graphs have; NULL otherwise.
  const peri_sink_graph *graph;
} peri_sink_ops;

typedef struct peri_sink {
  const peri_sink_ops *ops;
  void *self;
} peri_sink;

// What a decoder may build. Checked before memory is spent; exceeding one is TOO_BIG.
typedef struct peri_value_limits {
  uint32_t depth;     // nested lists and maps
  uint32_t elements;  // list elements and map entries of one value, in total
  uint32_t refs;      // back references, for formats that have them
  uint32_t string;    // bytes of one string
  bool exact;         // numbers that a double does not hold as they are written become decimals
} peri_value_limits;

// ---- the points ---------------------------------------------------------------------------------

// Ids travel in frames: both ends must mean the same by one. From PERI_PRIVATE_ID on they are
// offered to Perilune peers only; plugins take theirs from 112 to 127.
#define PERI_PRIVATE_ID 110

// Compression of bodies. On failure `out->len` is what it was at entry.
typedef struct peri_compression_ops {
  const char *name;  // lower case letters, digits and _; as the plugin's
  uint8_t id;
  // Appends the compressed form of `in` to `out`.
  int (*compress)(peri_bytes in, peri_buf *out);
  // Appends the plain form. Never writes more than `max` bytes and never makes room for more than it
  // is about to write: a bomb is TOO_BIG, damaged or truncated input BAD_REQUEST.
  int (*decompress)(peri_bytes in, size_t max, peri_buf *out);
} peri_compression_ops;

// Memory for an encoder's state; `encoder` points to as much, aligned for uint64_t.
#define PERI_ENCODER_SIZE 4096u

// Serialization of arguments (one list) and results (one value). Spoken with the native head only.
typedef struct peri_serializer_ops {
  const char *name;
  const char *provider;  // NULL, or what tells two implementations of a name apart ("cbor@tiny")
  uint8_t id;
  // Makes `sink` a sink that appends one value to `out`. `encoder` is memory for its state, in any
  // condition. A refused value leaves its reason in `err` (may be NULL; kept, like `out`, until the
  // encoder is done). Depth is limited; counting elements is the producer's work. An encoder owns
  // nothing: it may be dropped at any point.
  void (*encoder_init)(void *encoder, peri_buf *out, const peri_value_limits *limits, peri_err *err,
                       peri_sink *sink);
  // After the last value: checks that exactly one was written.
  int (*encoder_finish)(void *encoder);
  // Reads exactly one value from `in` and feeds it to `sink`. Bytes left over are BAD_REQUEST unless
  // `used` is given, which then receives the count of bytes read. Malformed input is BAD_REQUEST
  // with a text that names the offset. When the sink fails, its code is returned as it is.
  int (*decode)(peri_bytes in, const peri_value_limits *limits, peri_sink *sink, size_t *used,
                peri_err *err);
} peri_serializer_ops;

// What the symbol `perilune_plugin` is.
typedef struct peri_plugin {
  uint32_t abi;         // PERI_ABI it was compiled with
  uint32_t size;        // of this struct when it was compiled
  const char *point;    // "compression" or "serializer"
  const char *name;     // the name of the file
  const char *version;  // of the plugin, for listings; may be NULL
  // Called once before anything else; keeps `host`. A negative result refuses to be loaded, with the
  // sentence of host->fail(err, ...). May be NULL where `host` is not needed.
  int (*init)(const peri_plugin_host *host, peri_err *err);
  // One of them, as `point` says.
  const peri_compression_ops *compression;
  const peri_serializer_ops *serializer;
} peri_plugin;

#define PERI_PLUGIN_HEAD .abi = PERI_ABI, .size = (uint32_t)sizeof(peri_plugin)

// ---- the runtime inside another program -----------------------------------------------------------

// Link with libperilune (pkg-config perilune; CMake perilune::perilune). It must be linked, not
// opened with RTLD_LOCAL: scripts reach the core's functions by their names.
//
//   peri_runtime_options options = {.size = sizeof options, .script = "app.lua"};
//   peri_runtime *runtime = peri_runtime_new(&options, message, sizeof message);
//   int code = peri_runtime_run(runtime);    // on a thread of the program's choice; blocks
//   peri_runtime_free(runtime);
//
// A process has one runtime at a time. It handles no signals, never ends the program, and starts its
// threads with all signals blocked. Its log goes to stderr.
typedef struct peri_embed peri_runtime;

typedef struct peri_runtime_options {
  uint32_t size;                // sizeof(peri_runtime_options)
  const char *script;           // the entrypoint
  const char *const *args;      // its arguments, ended by NULL; NULL = none
  const char *const *settings;  // "workers=2", "queue_age=50" ..., ended by NULL; NULL = none. The
                                // names of `perilune run --help`; PERILUNE_* counts below them
  const char *library;          // folder of the Lua half; NULL = found beside libperilune
} peri_runtime_options;

// Copies everything. NULL with a sentence in `message` (may be NULL) when the options are wrong.
PERI_EXPORT peri_runtime *peri_runtime_new(const peri_runtime_options *options, char *message,
                                           size_t size);
// Loads the script, serves, and returns once it was stopped or, without listeners, its
// perilune.main returned. Returns the exit code; 1 also when the script does not load, and then
// peri_runtime_message says why. Once per runtime.
PERI_EXPORT int peri_runtime_run(peri_runtime *runtime);
// "" or why it did not start. Borrowed. After run.
PERI_EXPORT const char *peri_runtime_message(const peri_runtime *runtime);
// Any thread. Waits until it serves: 0, or a negative code when it ended or the time passed.
PERI_EXPORT int peri_runtime_wait(peri_runtime *runtime, uint32_t timeout_ms);
// Any thread, at any time, more than once: drains like SIGTERM does, and makes run return.
PERI_EXPORT void peri_runtime_stop(peri_runtime *runtime);
// Any thread of the program but not the runtime's own, while it serves: calls the Lua function that
// the script gave to perilune.expose(name, fn) and waits for its end. `result` (an empty peri_buf;
// release with free(result->data)) receives what the function returned, or the text of the error.
// 0, or a negative code as numbered in the error table of the documentation.
PERI_EXPORT int peri_runtime_call(peri_runtime *runtime, const char *name, peri_bytes argument,
                                  uint32_t timeout_ms, peri_buf *result);
// After run has returned, or was never called.
PERI_EXPORT void peri_runtime_free(peri_runtime *runtime);

#ifdef __cplusplus
}
#endif
