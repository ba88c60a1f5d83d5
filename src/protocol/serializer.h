// SPDX-License-Identifier: MIT
// A serializer turns values into bytes and back. Built-in ones are ops tables in a registry; a Lua
// serializer registers itself here too, under an id of its own, and is reached through `lua_ref`.
//
// A call's arguments travel as one list value, its result as one value. `raw` is the exception: one
// byte string, as it is.
#pragma once
#include "base/err.h"
#include "protocol/sink.h"

enum {
  PERI_SER_NONE = 0,
  PERI_SER_HESSIAN = 2,
  PERI_SER_JAVA = 3,
  PERI_SER_PROTOBUF = 12,
  PERI_SER_JSON = 13,
  PERI_SER_PROTOSTUFF = 14,
  PERI_SER_HESSIAN_DUBBO = 32,
  PERI_SER_RAW = 110,                  // private: only between two Perilune peers
  PERI_SER_MSGPACK = 111,              // private
  PERI_SER_DUBBO = 250,                // private: whole bodies of Dubbo's requests; never on a wire
  PERI_SER_DUBBO_JSON = 251,           // private: JSON of Dubbo's fastjson; never on a wire
  PERI_SER_DUBBO_GENERIC = 252,        // private: like DUBBO, of a consumer that knows no class
  PERI_SER_DUBBO_GENERIC_ALONE = 253,  // private: a value for such a consumer that stands alone
  PERI_SER_DUBBO_JSON_GENERIC = 254,   // private: like DUBBO_JSON, of such a consumer
};

// What JoyRPC puts around arguments inside the serialized body of a request. All borrowed from the
// bytes that were read. `args` is what `decode` turns into the list of arguments.
typedef struct peri_envelope {
  peri_bytes iface, alias, method;
  peri_bytes args;          // one encoded list; empty = no arguments
  peri_bytes args_type;     // one encoded list of strings; empty = absent
  peri_bytes attachments;   // one encoded map; empty = absent
  uint8_t attachments_ser;  // in which serialization those that were read are; 0 = the body's
} peri_envelope;

// The same for a response: either a result or an error.
typedef struct peri_reply_envelope {
  bool failed;
  bool thrown;  // writing, when failed: the exception's value follows, instead of what code says
  int code;     // PERI_E* when failed
  bool retry;   // the sender says that the call may be tried again
  peri_bytes type;     // class of the result or of the exception; empty = unknown
  size_t value_at;     // ending: where in `out` the value begins
  peri_bytes message;  // text of the error, plain UTF-8
  peri_bytes result;   // one encoded value; empty = null; when failed: the exception, if it is one
} peri_reply_envelope;

// Memory for any encoder's state; large, so it belongs on the stack of whoever encodes.
typedef union peri_encoder {
  uint64_t align;
  unsigned char memory[PERI_ENCODER_SIZE];
} peri_encoder;

typedef struct peri_serializer {
  const char *name;       // "json"; unique among one id
  const char *wire_name;  // what JoyRPC calls it when negotiating; NULL = `name`
  const char *provider;   // "" or what tells two implementations of a name apart ("cjson")
  uint8_t id;             // on the wire
  bool linked;            // what stands in an envelope leans on what stands before it in the body
  bool inner;             // only events of one protocol name it: it is never negotiated
  uint8_t alone;          // id of that for values which stand alone, 0 = itself: those that another
                          // thread writes, and calls of the functions that came in it
  bool self_typed;        // JoyRPC leaves interface and alias out on a session only for these
  bool untyped;           // its values come without their classes all the same

  // A sink that appends one value to `out`. `encoder` is memory for its state, in any condition,
  // PERI_ENCODER_SIZE bytes large and aligned like peri_encoder. A refused value leaves its reason
  // in `err` (may be NULL; kept, like `out`, until the encoder is done). After the last call,
  // `finish` checks that exactly one value was written. On any failure the caller truncates `out`;
  // the encoder touches nothing before its start. Depth is limited; counting elements is the
  // producer's work. An encoder owns nothing, so there is nothing to free.
  void (*encoder_init)(void *encoder, peri_buf *out, const peri_value_limits *limits, peri_err *err,
                       peri_sink *sink);
  int (*encoder_finish)(void *encoder);
  // Told before the encoder of a call's arguments begins at the end of `out`; NULL where they are a
  // list like others.
  void (*expect_args)(const peri_buf *out);

  // Reads exactly one value from `in` and feeds it to `sink`. Bytes left over are PERI_EBAD_REQUEST
  // unless `used` is given, which then receives the count of bytes read. Malformed input is
  // PERI_EBAD_REQUEST with a text that names the offset. Never reads outside `in`. When the sink
  // fails, its code is returned and the text it left in `err` (if any) stays.
  int (*decode)(peri_bytes in, const peri_value_limits *limits, peri_sink *sink, size_t *used,
                peri_err *err);

  // The same for an object whose class the bytes do not tell; NULL where `decode` reads it as well.
  // PERI_EBAD_REQUEST for a class that nobody declared.
  int (*decode_object)(peri_bytes in, peri_bytes class_name, const peri_value_limits *limits,
                       peri_sink *sink, peri_err *err);

  // JoyRPC's envelopes; NULL where the serialization is only spoken with the native head.
  // read_*: slices `body`; borrowed from it; nothing is built. Limits on depth apply.
  // `scratch` receives text that had to be unescaped (interface, alias, method with escapes).
  int (*read_request)(peri_bytes body, const peri_value_limits *limits, peri_buf *scratch,
                      peri_envelope *out, peri_err *err);
  int (*read_reply)(peri_bytes body, const peri_value_limits *limits, peri_buf *scratch,
                    peri_reply_envelope *out, peri_err *err);
  // begin/end: what stands before and after the one value (argument list or result) that the
  // caller writes in between with an encoder. Attachments and args_type are given as one value
  // encoded in msgpack. A failed reply has no value in between: begin_reply writes all of it,
  // unless the exception is given as a value (`thrown`, only for linked ones).
  // end_reply turns a result that was null into the form that peers expect for "nothing", so `out`
  // must not have been touched before the end of what begin_reply wrote.
  int (*begin_request)(peri_buf *out, const peri_envelope *envelope);
  int (*end_request)(peri_buf *out, const peri_envelope *envelope);
  int (*begin_reply)(peri_buf *out, const peri_reply_envelope *envelope);
  int (*end_reply)(peri_buf *out, const peri_reply_envelope *envelope);

  int lua_ref;  // key of the Lua plugin in each VM (lua/value_plugin.c), 0 for C ones
} peri_serializer;

// Adds to this process' registry; keeps the pointer for good. Any thread. json, msgpack and raw are
// there from the start. The first registered for a name or id is the default. Returns 0,
// PERI_EALREADY_EXISTS for a name with the same provider, or PERI_ELIMITED when the table is full.
int peri_serializer_add(const peri_serializer *serializer);
// NULL when unknown. `name` may be "json@cjson", or a name on the wire.
const peri_serializer *peri_serializer_by_name(const char *name);
const peri_serializer *peri_serializer_by_id(uint8_t id);
static inline const char *peri_serializer_wire_name(const peri_serializer *serializer) {
  return serializer->wire_name != NULL ? serializer->wire_name : serializer->name;
}
// The n-th registered, for listings; NULL past the end.
const peri_serializer *peri_serializer_at(size_t n);

// Decodes with one serializer and encodes with another, no value in between. Appends to `out`,
// which is cut back on failure.
int peri_serializer_transcode(const peri_serializer *from, peri_bytes in, const peri_serializer *to,
                              const peri_value_limits *limits, peri_buf *out, peri_err *err);
