// SPDX-License-Identifier: MIT
// Exceptions inside responses. Ours is Dubbo's RpcException, which every consumer has; its field
// `errorCode`, which Java passes over, tells our own peers the exact code.
#include "protocol/dubbo/dubbo.h"

#include "protocol/serializer/java_error.h"

#define RPC_EXCEPTION "org.apache.dubbo.rpc.RpcException"

static bool is(peri_bytes name, const char *text) {
  return peri_bytes_equal(name, peri_bytes_of(text));
}

int dubbo_error_write(void *encoder, int code, peri_bytes message) {
  static const char *const fields[] = {"code", "detailMessage", "errorCode"};
  peri_bytes text = message.len != 0 ? message : peri_bytes_of(peri_code_text(code));
  int rc = peri_hessian_write_object(encoder, RPC_EXCEPTION, fields, 3);
  rc = rc != 0 ? rc : peri_hessian_write_int(encoder, dubbo_rpc_of_code(code));
  rc = rc != 0 ? rc : peri_hessian_write_string(encoder, text);
  return rc != 0 ? rc : peri_hessian_write_string(encoder, peri_bytes_of(peri_code_name(code)));
}

// Class and text of an exception, which is an object or as generic.c makes a map of it.
// Copies: what the reader gives lasts until its next text only.
typedef struct thrown {
  peri_buf class, text;
} thrown;

static int thrown_field(peri_hessian_reader *r, peri_bytes key, thrown *t) {
  bool class = t->class.len == 0 && is(key, "class"), text = is(key, "detailMessage");
  peri_bytes value;
  if ((!class && !text) || peri_hessian_peek(r) != PERI_HESSIAN_STRING) {
    return peri_hessian_skip(r);
  }
  int rc = peri_hessian_read_string(r, &value);
  if (rc == 0) {
    peri_buf_add(class ? &t->class : &t->text, value.ptr, value.len);
  }
  return rc;
}

static int thrown_read(peri_hessian_reader *r, thrown *t) {
  peri_hessian_class object = {0};
  peri_bytes key;
  int rc = 0;
  if (peri_hessian_peek(r) == PERI_HESSIAN_OBJECT) {
    rc = peri_hessian_read_object(r, &object);
    peri_buf_add(&t->class, object.name.ptr, object.name.len);
  } else if (peri_hessian_peek(r) == PERI_HESSIAN_MAP) {
    rc = peri_hessian_read_map(r, NULL);
    while (rc == 0 && !peri_hessian_read_end(r)) {
      rc = peri_hessian_read_string(r, &key);
      rc = rc != 0 ? rc : thrown_field(r, key, t);
    }
  }
  for (uint32_t i = 0; i < object.fields && rc == 0; i++) {
    rc = thrown_field(r, peri_hessian_field(r, &object, i), t);
  }
  return rc != 0 || t->class.len != 0 ? rc : PERI_EBAD_REQUEST;
}

// Java's providers throw this one even in 3.x, where it extends the one of org.apache.
static int write_generic(void *encoder, const thrown *t, peri_bytes message) {
  static const char *const fields[] = {"exceptionClass", "exceptionMessage", "detailMessage"};
  peri_bytes class = {t->class.data, t->class.len};
  peri_bytes said = t->text.len != 0 ? (peri_bytes){t->text.data, t->text.len} : message;
  peri_buf text = {0};
  peri_buf_add(&text, class.ptr, class.len);
  peri_buf_add(&text, ": ", said.len != 0 ? 2 : 0);
  peri_buf_add(&text, said.ptr, said.len);
  int rc = peri_hessian_write_object(encoder, "com.alibaba.dubbo.rpc.service.GenericException",
                                     fields, 3);
  rc = rc != 0 ? rc : peri_hessian_write_string(encoder, class);
  rc = rc != 0         ? rc
       : said.len == 0 ? peri_hessian_write_null(encoder)
                       : peri_hessian_write_string(encoder, said);
  rc = rc != 0 ? rc : peri_hessian_write_string(encoder, (peri_bytes){text.data, text.len});
  peri_buf_fini(&text);
  return rc;
}

int dubbo_error_write_generic(void *encoder, const peri_event *event,
                              const peri_value_limits *limits) {
  peri_hessian_reader r;
  peri_err err;
  thrown t = {0};
  int rc = 0;
  if (event->body.len != 0) {
    peri_hessian_reader_init(&r, event->body, limits, &err);
    rc = thrown_read(&r, &t);
  } else {
    peri_buf_add(&t.class, (const uint8_t *)RPC_EXCEPTION, sizeof RPC_EXCEPTION - 1);
  }
  bool silent = event->body.len == 0 && event->message.len == 0;
  rc = rc != 0
           ? rc
           : write_generic(encoder, &t,
                           silent ? peri_bytes_of(peri_code_text(event->code)) : event->message);
  peri_buf_fini(&t.class);
  peri_buf_fini(&t.text);
  return rc;
}

// What an exception says of itself.
typedef struct reading {
  peri_buf *message;
  int named;    // by our own errorCode, 1 = not
  int32_t rpc;  // RpcException.code
  int generic;  // of the class that a GenericException stands for, 1 = it does not
} reading;

static int text_field(peri_hessian_reader *r, peri_bytes name, reading *g) {
  bool message = is(name, "detailMessage") || is(name, "exceptionMessage");
  bool class = is(name, "exceptionClass");
  bool retry;
  peri_bytes text;
  int rc = peri_hessian_read_string(r, &text);
  if (rc != 0 || text.len == 0) {
    return rc;
  }
  if (message) {
    g->message->len = 0;
    peri_buf_add(g->message, text.ptr, text.len);
  } else if (class) {
    g->generic = peri_java_error_code(text, &retry);
  } else {
    g->named = peri_java_error_named(text);
  }
  return 0;
}

static int field(peri_hessian_reader *r, peri_bytes name, reading *g) {
  peri_hessian_kind kind = peri_hessian_peek(r);
  bool known = is(name, "detailMessage") || is(name, "exceptionMessage") ||
               is(name, "exceptionClass") || is(name, "errorCode");
  if (known && kind == PERI_HESSIAN_STRING) {
    return text_field(r, name, g);
  }
  if (kind == PERI_HESSIAN_INT && is(name, "code")) {
    return peri_hessian_read_int(r, &g->rpc);
  }
  return peri_hessian_skip(r);
}

static int code_of(peri_bytes class, const reading *g) {
  bool retry;
  if (g->named < 0) {
    return g->named;
  }
  if (is(class, RPC_EXCEPTION) || is(class, "com.alibaba.dubbo.rpc.RpcException")) {
    return dubbo_code_of_rpc(g->rpc);
  }
  return g->generic < 0 ? g->generic : peri_java_error_code(class, &retry);
}

int dubbo_error_read(peri_hessian_reader *r, peri_buf *message, int *code) {
  peri_hessian_class object;
  reading g = {.message = message, .named = 1, .generic = 1};
  *code = PERI_EUNKNOWN;
  if (peri_hessian_peek(r) != PERI_HESSIAN_OBJECT) {
    return peri_hessian_skip(r);
  }
  int rc = peri_hessian_read_object(r, &object);
  for (uint32_t i = 0; rc == 0 && i < object.fields; i++) {
    rc = field(r, peri_hessian_field(r, &object, i), &g);
  }
  if (rc == 0) {
    *code = code_of(object.name, &g);
  }
  if (rc == 0 && message->len == 0) {
    peri_buf_add(message, object.name.ptr, object.name.len);
  }
  return rc == 0 && g.named < 0 && is(object.name, RPC_EXCEPTION) ? 1 : rc;
}

// ---- beside an exception ------------------------------------------------------------------------

void dubbo_error_name(int code, peri_bytes message, peri_buf *out) {
  const char *name = peri_code_name(code);
  peri_buf_add(out, name, strlen(name));
  peri_buf_add(out, ": ", 2);
  peri_buf_add(out, message.ptr, message.len);
}

// A response is read to its end later on, so what cannot be read here is not looked at.
bool dubbo_error_named(peri_hessian_reader r, peri_buf *message, int *code) {
  bool others = false;
  int rc = peri_hessian_read_map(&r, NULL);
  while (rc == 0 && !peri_hessian_read_end(&r)) {
    peri_bytes text = {NULL, 0};
    bool named = peri_hessian_peek(&r) == PERI_HESSIAN_STRING;
    rc = named ? peri_hessian_read_string(&r, &text) : peri_hessian_skip(&r);
    named = named && is(text, DUBBO_ERROR) && peri_hessian_peek(&r) == PERI_HESSIAN_STRING;
    others = others || !named;
    if (rc != 0 || !named) {
      rc = rc != 0 ? rc : peri_hessian_skip(&r);
      continue;
    }
    rc = peri_hessian_read_string(&r, &text);
    if (rc == 0 && dubbo_code_named(&text, code)) {
      message->len = 0;
      peri_buf_add(message, text.ptr, text.len);
    }
  }
  return others || rc != 0;
}
