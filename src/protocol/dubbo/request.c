// SPDX-License-Identifier: MIT
// Requests in and out. Arguments share classes and references with each other, so the event's body is
// the whole of Dubbo's, and the serializer of this protocol (body.c) finds the arguments in it.
#include "protocol/dubbo/dubbo.h"

#include <stdio.h>

#include "protocol/dubbo/fastjson.h"
#include "protocol/serializer/utf8.h"

#define ECHO_TYPES "Ljava/lang/Object;"
#define INSTANCE "callback.service.instid"

enum { ALIAS_MAX = 512 };

static bool is(peri_bytes name, const char *text) {
  return peri_bytes_equal(name, peri_bytes_of(text));
}

// Such a text is borrowed for as long as the body: one that had to be converted is not.
static int plain_text(peri_hessian_reader *r, peri_bytes *text) {
  int rc = peri_hessian_read_string(r, text);
  if (rc == 0 && text->len != 0 && (text->ptr < r->start || text->ptr >= r->end)) {
    rc = peri_fail(r->err, PERI_EBAD_REQUEST, "the head of the request is no plain text");
  }
  return rc;
}

int dubbo_head_read(peri_hessian_reader *r, dubbo_head *head) {
  peri_bytes *texts[] = {&head->version, &head->path, &head->service_version, &head->method,
                         &head->types};
  for (size_t i = 0; i < 5; i++) {
    int rc = plain_text(r, texts[i]);
    if (rc != 0) {
      return rc;
    }
  }
  return dubbo_head_check(head, r->err);
}

int dubbo_head_check(dubbo_head *head, peri_err *err) {
  int count = dubbo_types_count(head->types);
  if (count < 0) {
    return peri_fail(err, PERI_EBAD_REQUEST, "'%.*s' is no list of parameter types",
                     (int)(head->types.len < 100 ? head->types.len : 100),
                     (const char *)head->types.ptr);
  }
  head->count = (uint32_t)count;
  head->generic = (is(head->method, "$invoke") || is(head->method, "$invokeAsync")) && count == 3 &&
                  is(head->types, DUBBO_GENERIC_TYPES);
  head->echoed = (peri_bytes){NULL, 0};
  head->echo = is(head->method, "$echo") && is(head->types, ECHO_TYPES);
  return 0;
}

// ---- in -------------------------------------------------------------------------------------

void dubbo_refuse(peri_conn *conn, const peri_event *request, int code, const char *message) {
  if ((request->flags & PERI_EV_ONEWAY) != 0) {
    return;
  }
  peri_buf copy = {0};
  peri_event reply = {
      .type = PERI_EV_REPLY,
      .flags = PERI_EV_END | PERI_EV_NOT_RUN,
      .code = code,
      .serializer = request->serializer,
      .stream = request->stream,
      .message = peri_utf8_mended(peri_bytes_of(message), &copy),  // may repeat what the peer sent
  };
  peri_dubbo.emit(conn, &reply);
  peri_buf_fini(&copy);
}

// "2.0.2" -> 20002. Such versions are those of the protocol; from 2.0.10 to 2.6.2 peers told their own
// instead, and read no attachments, like 2.8.0.
static bool reads_attachments(peri_bytes version) {
  uint32_t number = 0, part = 0, parts = 0;
  for (size_t i = 0; i <= version.len && parts < 3; i++) {
    if (i == version.len || version.ptr[i] < '0' || version.ptr[i] > '9') {
      number = number * 100 + (part < 100 ? part : 99);
      parts++;
      part = 0;
      if (i < version.len && version.ptr[i] != '.') {
        break;
      }
    } else {
      part = part * 10 + (version.ptr[i] - '0');
      part = part < 1000 ? part : 1000;
    }
  }
  for (; parts < 3; parts++) {
    number *= 100;
  }
  return number >= 20002 && !(number >= 20010 && number <= 20602) && number != 20800;
}

static int skip_values(peri_hessian_reader *r, uint32_t count, uint64_t *nulls) {
  int rc = 0;
  *nulls = 0;
  for (uint32_t i = 0; i < count && rc == 0; i++) {
    if (i < 64 && r->at != r->end && peri_hessian_peek(r) == PERI_HESSIAN_NULL) {
      *nulls |= UINT64_C(1) << i;
    }
    rc = peri_hessian_skip(r);
  }
  return rc;
}

// The method's name and the other arguments; leaves the reader at the attachments.
static int skip_arguments(peri_hessian_reader *r, dubbo_head *head) {
  if (head->echo) {
    return dubbo_value_read(r, &head->echoed, false);
  }
  if (!head->generic) {
    return skip_values(r, head->count, &head->nulls);
  }
  int rc = plain_text(r, &head->method);
  return rc != 0 ? rc : skip_values(r, 2, &head->nulls);
}

// Attachments that lean on the rest of the body are copied out of it, which needs all of it read.
static int convert(peri_conn *conn, peri_event *event, peri_buf *map, peri_err *err) {
  peri_hessian_reader r;
  dubbo_head head;
  peri_hessian_reader_init(&r, event->body, &conn->limits->value, err);
  int rc = dubbo_head_read(&r, &head);
  rc = rc != 0 ? rc : skip_arguments(&r, &head);
  rc = rc != 0 ? rc : dubbo_attachments_convert(&r, &conn->limits->value, map);
  event->attachments = (peri_bytes){map->data, map->len};
  event->attachments_ser = PERI_SER_MSGPACK;
  return rc;
}

static void take_slice(peri_event *event, const uint8_t *from, const uint8_t *end) {
  event->attachments = (peri_bytes){from, (size_t)(end - from)};
  event->attachments_ser = PERI_SER_HESSIAN_DUBBO;
}

static int request_read(peri_conn *conn, peri_event *event, dubbo_attachments *found,
                        dubbo_head *head, peri_buf *map, peri_err *err) {
  peri_hessian_reader r;
  peri_hessian_reader_init(&r, event->body, &conn->limits->value, err);
  int rc = dubbo_head_read(&r, head);
  if (rc == 0) {
    dubbo_state_of(conn)->reads_attachments = reads_attachments(head->version);
    rc = skip_arguments(&r, head);
  }
  const uint8_t *at = r.at;
  rc = rc != 0 ? rc : dubbo_attachments_read(&r, found);
  if (rc == 0 && found->plain) {
    take_slice(event, at, r.at);
  } else if (rc == 0 && found->count != 0) {
    rc = convert(conn, event, map, err);
  }
  if (rc == 0 && r.at != r.end) {
    rc = peri_fail(err, PERI_EBAD_REQUEST, "bytes after the attachments");
  }
  return rc;
}

// Group and version as our alias; `text` is where they are put together.
static bool alias_of(const dubbo_attachments *found, peri_bytes version, char text[ALIAS_MAX],
                     peri_bytes *alias) {
  version = version.len != 0 ? version : found->version;
  *alias = found->group;
  if (version.len == 0 || is(version, "0.0.0")) {
    return true;
  }
  if (found->group.len + version.len + 1 > ALIAS_MAX) {
    return false;
  }
  if (found->group.len != 0) {
    memcpy(text, found->group.ptr, found->group.len);
  }
  text[found->group.len] = ':';
  memcpy(text + found->group.len + 1, version.ptr, version.len);
  *alias = (peri_bytes){(const uint8_t *)text, found->group.len + version.len + 1};
  return true;
}

// Texts that are put together for one event.
typedef struct names {
  char alias[ALIAS_MAX], callbacks[PERI_CALLBACK_TEXT_MAX];
} names;

// A provider calls a function that came with a call of ours, nothing else.
static int name_callback(const dubbo_attachments *found, peri_event *event, peri_err *err) {
  if (found->instance.len == 0) {
    return peri_fail(err, PERI_ENO_SERVICE, "this peer serves no calls on this connection");
  }
  event->flags |= PERI_EV_CALLBACK;
  event->callback = found->instance;
  return 0;
}

static int name_service(peri_event *event, const dubbo_head *head, const dubbo_attachments *found,
                        names *texts, peri_err *err) {
  event->iface = found->iface.len != 0 ? found->iface : head->path;
  if (!alias_of(found, head->service_version, texts->alias, &event->alias)) {
    event->alias = (peri_bytes){NULL, 0};
    return peri_fail(err, PERI_EBAD_REQUEST, "group and version are too long");
  }
  return dubbo_callbacks_name(head, found, texts->callbacks, &event->callback, err);
}

static void report(peri_conn *conn, peri_event *event, const dubbo_head *head,
                   const dubbo_attachments *found, const peri_buf *map) {
  names texts;
  peri_err err = {0};
  peri_block *joined = NULL;
  // Our own peers ask for `raw.return`, and read any exception.
  if (head->generic && is(found->generic, "true")) {
    event->serializer =
        dubbo_is_fastjson(event->serializer) ? PERI_SER_DUBBO_JSON_GENERIC : PERI_SER_DUBBO_GENERIC;
  }
  event->method = head->method;
  event->timeout_ms = found->timeout_ms;
  if (head->echo) {
    event->flags |= PERI_EV_ECHO;
    event->serializer =
        event->serializer == PERI_SER_DUBBO ? PERI_SER_HESSIAN_DUBBO : event->serializer;
    event->body = head->echoed;
  }
  int rc = conn->server ? name_service(event, head, found, &texts, &err)
                        : name_callback(found, event, &err);
  if (rc == 0 && event->method.len == 0) {
    rc = peri_fail(&err, PERI_EBAD_REQUEST, "no method is named");
  }
  if (rc == 0 && (map->len != 0 || dubbo_is_fastjson(event->serializer))) {
    joined = dubbo_join(event);
    rc = joined != NULL ? 0 : peri_fail(&err, PERI_ENO_MEMORY, "no memory for the request");
    event->block = joined;
  }
  if (rc != 0) {
    dubbo_refuse(conn, event, rc, err.text);
    return;
  }
  peri_conn_event(conn, event);
  peri_block_unref(joined);
}

static void wrong_serialization(peri_conn *conn, const peri_event *event, unsigned id) {
  char text[160];
  snprintf(text, sizeof text,
           "serialization %u%s is not spoken here: use hessian2 (serialization=hessian2, id 2)", id,
           id == 23 ? " (fastjson2)" : "");
  dubbo_refuse(conn, event, PERI_EBAD_REQUEST, text);
}

static void on_fastjson(peri_conn *conn, peri_event *event) {
  dubbo_head head;
  dubbo_attachments found;
  dubbo_fastjson read = {{0}, {0}};
  peri_err err = {0};
  event->serializer = PERI_SER_DUBBO_JSON;
  int code = dubbo_fastjson_read(conn, event, &read, &head, &found, &err);
  if (code != 0) {
    dubbo_refuse(conn, event, code, err.text);
  } else {
    dubbo_state_of(conn)->reads_attachments = reads_attachments(head.version);
    report(conn, event, &head, &found, &read.attachments);
  }
  dubbo_fastjson_free(&read);
}

int dubbo_on_request(peri_conn *conn, const dubbo_frame *frame) {
  peri_event event = {
      .type = PERI_EV_OPEN,
      .flags = (uint8_t)(PERI_EV_END | ((frame->flag & DUBBO_TWO_WAY) == 0 ? PERI_EV_ONEWAY : 0)),
      .serializer = PERI_SER_DUBBO,
      .stream = frame->id,
      .body = frame->body,
      .block = frame->block,
  };
  if ((frame->flag & DUBBO_SERIALIZATION) == DUBBO_FASTJSON) {
    on_fastjson(conn, &event);
    return 0;
  }
  if ((frame->flag & DUBBO_SERIALIZATION) != DUBBO_HESSIAN2) {
    wrong_serialization(conn, &event, frame->flag & DUBBO_SERIALIZATION);
    return 0;
  }
  dubbo_head head;
  dubbo_attachments found;
  peri_buf map = {0};
  peri_err err = {0};
  int code = request_read(conn, &event, &found, &head, &map, &err);
  if (code != 0) {
    dubbo_refuse(conn, &event, code, err.text);
  } else {
    report(conn, &event, &head, &found, &map);
  }
  peri_buf_fini(&map);
  return 0;
}

// ---- out ------------------------------------------------------------------------------------

void dubbo_alias_split(peri_bytes alias, peri_bytes *group, peri_bytes *version) {
  size_t at = alias.len;
  while (at > 0 && alias.ptr[at - 1] != ':') {
    at--;
  }
  *version = at == 0 ? (peri_bytes){NULL, 0} : (peri_bytes){alias.ptr + at, alias.len - at};
  *group = (peri_bytes){alias.ptr, at == 0 ? alias.len : at - 1};
}

int dubbo_request_types(const peri_event *event, peri_buf *out) {
  bool generic = (event->flags & PERI_EV_GENERIC) != 0;
  if (generic || event->args_type.len == 0) {
    peri_bytes types = peri_bytes_of(generic ? DUBBO_GENERIC_TYPES : ECHO_TYPES);
    peri_buf_add(out, types.ptr, types.len);
    return 0;
  }
  return dubbo_types_write(event->args_type, out);
}

static int write_types(peri_encoder *encoder, const peri_event *event) {
  peri_buf types = {0};
  int rc = dubbo_request_types(event, &types);
  rc = rc != 0 ? rc : peri_hessian_write_string(encoder, (peri_bytes){types.data, types.len});
  peri_buf_fini(&types);
  return rc;
}

dubbo_callee dubbo_callee_of(const peri_event *event) {
  dubbo_callee to = {.path = event->iface};
  if ((event->flags & PERI_EV_CALLBACK) != 0) {
    dubbo_callback callback = dubbo_callback_split(event->callback);
    return (dubbo_callee){callback.class, callback.group, {NULL, 0}, callback.id, false};
  }
  to.by_name = event->args_type.len == 0 && (event->flags & PERI_EV_GENERIC) == 0 &&
               !is(event->method, "$echo");
  dubbo_alias_split(event->alias, &to.group, &to.version);
  return to;
}

peri_bytes dubbo_callee_version(const dubbo_callee *to) {
  bool none = to->version.len == 0 && to->instance.len == 0;
  return none ? peri_bytes_of("0.0.0") : to->version;
}

static int write_head(peri_conn *conn, const peri_event *event, const dubbo_callee *to) {
  peri_encoder encoder;
  peri_sink sink;
  peri_hessian_writer_init(&encoder, peri_conn_out(conn), &conn->limits->value, PERI_HESSIAN_DUBBO,
                           NULL, &sink);
  int rc = peri_hessian_write_string(&encoder, peri_bytes_of("2.0.2"));
  rc = rc != 0 ? rc : peri_hessian_write_string(&encoder, to->path);
  rc = rc != 0 ? rc : peri_hessian_write_string(&encoder, dubbo_callee_version(to));
  if (rc != 0 || !to->by_name) {
    peri_bytes method =
        (event->flags & PERI_EV_GENERIC) != 0 ? peri_bytes_of("$invoke") : event->method;
    rc = rc != 0 ? rc : peri_hessian_write_string(&encoder, method);
    rc = rc != 0 ? rc : write_types(&encoder, event);
    peri_hessian_writer_keep_open(&encoder);
    return rc;
  }
  // The provider finds the method by its name and fits the arguments.
  rc = peri_hessian_write_string(&encoder, peri_bytes_of("$invoke"));
  rc = rc != 0 ? rc : peri_hessian_write_string(&encoder, peri_bytes_of(DUBBO_GENERIC_TYPES));
  rc = rc != 0 ? rc : peri_hessian_write_string(&encoder, event->method);
  rc = rc != 0 ? rc : peri_hessian_write_null(&encoder);
  peri_hessian_writer_keep(&encoder);
  return rc;
}

int dubbo_request_begin(peri_conn *conn, const peri_event *event, peri_mark *mark) {
  if (dubbo_is_fastjson(event->serializer)) {
    return dubbo_fastjson_call(conn, event, mark);
  }
  peri_buf *out = peri_conn_out(conn);
  bool oneway = (event->flags & PERI_EV_ONEWAY) != 0;
  mark->start = out->len;
  dubbo_frame_begin(out, (uint8_t)(DUBBO_REQUEST | (oneway ? 0 : DUBBO_TWO_WAY)), 0, event->stream);
  dubbo_callee to = dubbo_callee_of(event);
  int rc = write_head(conn, event, &to);
  mark->body = out->len;
  if (rc != 0) {
    out->len = mark->start;
  }
  return rc;
}

int dubbo_request_attachments(peri_conn *conn, const peri_event *event, const dubbo_callee *to) {
  bool generic = to->by_name || (event->flags & PERI_EV_GENERIC) != 0;
  char timeout[16];
  snprintf(timeout, sizeof timeout, "%u", event->timeout_ms);
  const peri_bytes fixed[] = {
      peri_bytes_of("path"),      to->path,
      peri_bytes_of("interface"), to->path,
      peri_bytes_of("version"),   to->version,
      peri_bytes_of("group"),     to->group,
      peri_bytes_of("timeout"),   peri_bytes_of(event->timeout_ms != 0 ? timeout : ""),
      peri_bytes_of("generic"),   peri_bytes_of(generic ? "raw.return" : ""),
      peri_bytes_of(INSTANCE),    to->instance,
  };
  return dubbo_attachments_write(conn, event, fixed, sizeof fixed / sizeof fixed[0] / 2);
}

int dubbo_request_end(peri_conn *conn, const peri_event *event, const peri_mark *mark) {
  if (dubbo_is_fastjson(event->serializer)) {
    return dubbo_fastjson_call_end(conn, event, mark);
  }
  peri_buf *out = peri_conn_out(conn);
  dubbo_callee to = dubbo_callee_of(event);
  if (to.by_name && out->len == mark->body) {
    peri_buf_add_u8(out, 0x78);  // a list of nothing
  }
  return dubbo_request_attachments(conn, event, &to);
}
