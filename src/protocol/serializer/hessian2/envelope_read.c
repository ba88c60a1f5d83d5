// SPDX-License-Identifier: MIT
#include "protocol/serializer/hessian2/envelope.h"

#include "protocol/serializer/builtin.h"
#include "protocol/serializer/java_error.h"

static const char request_class[] = "io.joyrpc.protocol.message.Invocation";
static const char reply_class[] = "io.joyrpc.protocol.message.ResponsePayload";

static bool is(peri_bytes name, const char *text) {
  return peri_bytes_equal(name, peri_bytes_of(text));
}

// A definition is 'C' and the name as a string of 32 to 1023 units: 0x30 + len / 256, len % 256.
static bool defines(peri_bytes body, const char *name) {
  size_t len = strlen(name);
  return body.len >= len + 3 && body.ptr[0] == 'C' && body.ptr[1] == 0x30 && body.ptr[2] == len &&
         memcmp(body.ptr + 3, name, len) == 0;
}

bool peri_hessian_is_envelope(peri_bytes body) {
  return defines(body, request_class) || defines(body, reply_class);
}

static int list_elements(peri_hessian_reader *r, peri_sink *sink) {
  size_t count;
  int rc = peri_hessian_read_list(r, NULL, &count);
  rc = rc != 0 ? rc : sink->ops->list_begin(sink->self, count);
  bool open = count == PERI_COUNT_UNKNOWN;
  for (size_t n = 0; rc == 0 && (open ? !peri_hessian_read_end(r) : n < count); n++) {
    rc = peri_hessian_read(r, sink);
  }
  return rc != 0 ? rc : sink->ops->list_end(sink->self);
}

int peri_hessian_read_inner(peri_hessian_reader *r, peri_sink *sink) {
  peri_hessian_class object;
  int rc = peri_hessian_read_object(r, &object);
  bool found = false;
  bool empty = false;
  for (uint32_t i = 0; i < object.fields && rc == 0; i++) {
    peri_bytes name = peri_hessian_field(r, &object, i);
    if (!found && is(name, "args") && peri_hessian_peek(r) == PERI_HESSIAN_LIST) {
      found = true;
      rc = list_elements(r, sink);
    } else if (!found && (is(name, "response") || is(name, "exception")) &&
               peri_hessian_peek(r) != PERI_HESSIAN_NULL) {
      found = true;
      rc = peri_hessian_read(r, sink);
    } else {
      empty = empty || is(name, "response");
      rc = peri_hessian_skip(r);
    }
  }
  if (rc == 0 && !found && empty) {
    return sink->ops->null(sink->self);
  }
  return rc != 0 || found ? rc : peri_hessian_bad(r, "the envelope carries no value");
}

// ---- what stands around them ----------------------------------------------------------------------

enum { KEPT = 4 };  // slices of an envelope that may be in scratch

typedef struct reading {
  peri_hessian_reader r;
  peri_buf *scratch;
  const peri_value_limits *limits;
  // Where in scratch a slice lies: it moves while it grows, so pointers are set in the end.
  struct {
    peri_bytes *slice;
    size_t at;
  } kept[KEPT];
} reading;

static void keep(reading *g, peri_bytes *slice, peri_bytes bytes) {
  unsigned free_place = 0;
  while (g->kept[free_place].slice != NULL) {
    free_place++;
  }
  g->kept[free_place].slice = slice;
  g->kept[free_place].at = g->scratch->len;
  peri_buf_add(g->scratch, bytes.ptr, bytes.len);
  *slice = (peri_bytes){NULL, bytes.len};
}

// A field that is there twice: the later one counts.
static void forget(reading *g, const peri_bytes *slice) {
  for (unsigned i = 0; i < KEPT; i++) {
    if (g->kept[i].slice == slice) {
      g->kept[i].slice = NULL;
    }
  }
}

static void point_to_kept(reading *g) {
  for (unsigned i = 0; i < KEPT; i++) {
    if (g->kept[i].slice != NULL) {
      g->kept[i].slice->ptr = g->scratch->data + g->kept[i].at;
    }
  }
}

// Text of the body is borrowed from it; what had to be converted is kept in `scratch`.
static int text(reading *g, peri_bytes *to) {
  forget(g, to);
  int rc = peri_hessian_read_string(&g->r, to);
  if (rc == 0 && to->len != 0 && (to->ptr < g->r.start || to->ptr >= g->r.end)) {
    keep(g, to, *to);
  }
  return rc;
}

static int open_envelope(reading *g, peri_bytes body, const char *name,
                         peri_hessian_class *object) {
  peri_hessian_reader_init(&g->r, body, g->limits, g->r.err);
  int rc = peri_hessian_read_object(&g->r, object);
  if (rc == 0 && !is(object->name, name)) {
    rc = peri_fail(g->r.err, PERI_EBAD_REQUEST, "hessian2: an object of %s is expected", name);
  }
  return rc;
}

// Attachments become MessagePack: a map of their own, without the classes and references of the body.
static int attachments(reading *g, peri_bytes *to) {
  peri_encoder encoder;
  peri_sink sink;
  peri_buf map = {0};
  peri_serializer_msgpack.encoder_init(&encoder, &map, g->limits, g->r.err, &sink);
  int rc = peri_hessian_read(&g->r, &sink);
  rc = rc != 0 ? rc : peri_serializer_msgpack.encoder_finish(&encoder);
  forget(g, to);
  if (rc == 0) {
    keep(g, to, (peri_bytes){map.data, map.len});
  }
  peri_buf_fini(&map);
  return rc;
}

static int request_field(reading *g, peri_bytes name, peri_bytes body, peri_envelope *out) {
  peri_hessian_kind kind = peri_hessian_peek(&g->r);
  if (is(name, "className")) {
    return text(g, &out->iface);
  }
  if (is(name, "alias")) {
    return text(g, &out->alias);
  }
  if (is(name, "methodName")) {
    return text(g, &out->method);
  }
  if (is(name, "attachments") && kind == PERI_HESSIAN_MAP) {
    return attachments(g, &out->attachments);
  }
  if (is(name, "args") && kind == PERI_HESSIAN_LIST) {
    out->args = body;
  }
  return peri_hessian_skip(&g->r);
}

int peri_hessian_read_request(peri_bytes body, const peri_value_limits *limits, peri_buf *scratch,
                              peri_envelope *out, peri_err *err) {
  *out = (peri_envelope){.attachments_ser = PERI_SER_MSGPACK};
  reading g = {.r = {.err = err}, .scratch = scratch, .limits = limits};
  peri_hessian_class object;
  int rc = open_envelope(&g, body, request_class, &object);
  for (uint32_t i = 0; rc == 0 && i < object.fields; i++) {
    rc = request_field(&g, peri_hessian_field(&g.r, &object, i), body, out);
  }
  point_to_kept(&g);
  return rc != 0 || g.r.at == g.r.end ? rc : peri_hessian_bad(&g.r, "bytes after the envelope");
}

static int exception_field(reading *g, peri_bytes name, peri_reply_envelope *out) {
  peri_hessian_kind kind = peri_hessian_peek(&g->r);
  if (is(name, "detailMessage") && kind == PERI_HESSIAN_STRING) {
    return text(g, &out->message);
  }
  if (is(name, "errorCode") && kind == PERI_HESSIAN_STRING) {
    peri_bytes code = {NULL, 0};
    int rc = peri_hessian_read_string(&g->r, &code);
    int named = rc == 0 ? peri_java_error_named(code) : 1;
    out->code = named < 0 ? named : out->code;
    return rc;
  }
  if (is(name, "retry") && kind == PERI_HESSIAN_BOOLEAN) {
    out->retry = *g->r.at == 'T';
  }
  return peri_hessian_skip(&g->r);
}

static int exception(reading *g, peri_reply_envelope *out) {
  peri_hessian_class object;
  out->failed = true;
  if (peri_hessian_peek(&g->r) != PERI_HESSIAN_OBJECT) {
    out->code = PERI_EUNKNOWN;
    return peri_hessian_skip(&g->r);
  }
  int rc = peri_hessian_read_object(&g->r, &object);
  if (rc == 0) {
    out->type = object.name;
    out->code = peri_java_error_code(object.name, &out->retry);
  }
  for (uint32_t i = 0; rc == 0 && i < object.fields; i++) {
    rc = exception_field(g, peri_hessian_field(&g->r, &object, i), out);
  }
  return rc;
}

int peri_hessian_read_reply(peri_bytes body, const peri_value_limits *limits, peri_buf *scratch,
                            peri_reply_envelope *out, peri_err *err) {
  *out = (peri_reply_envelope){0};
  if (body.len == 0) {
    return 0;
  }
  reading g = {.r = {.err = err}, .scratch = scratch, .limits = limits};
  peri_hessian_class object;
  int rc = open_envelope(&g, body, reply_class, &object);
  for (uint32_t i = 0; rc == 0 && i < object.fields; i++) {
    peri_bytes name = peri_hessian_field(&g.r, &object, i);
    bool none = peri_hessian_peek(&g.r) == PERI_HESSIAN_NULL;
    if (!none && is(name, "exception")) {
      rc = exception(&g, out);
    } else {
      out->result = !none && is(name, "response") ? body : out->result;
      rc = peri_hessian_skip(&g.r);
    }
  }
  if (out->failed) {
    out->result = out->type.len != 0 ? body : (peri_bytes){NULL, 0};
  }
  return rc != 0 || g.r.at == g.r.end ? rc : peri_hessian_bad(&g.r, "bytes after the envelope");
}
