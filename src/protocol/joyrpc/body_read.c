// SPDX-License-Identifier: MIT

#include "protocol/joyrpc/body.h"

typedef enum field {
  FIELD_NONE,
  FIELD_SERIALIZER,
  FIELD_SERIALIZERS,
  FIELD_COMPRESSION,
  FIELD_OUR_SERIALIZER,
  FIELD_OUR_COMPRESSION,
  FIELD_COMPRESSIONS,
  FIELD_ATTRIBUTES,
  FIELD_STATUS,
  FIELD_MESSAGE,
  FIELD_TYPE,
  FIELD_IFACE,
  FIELD_ALIAS,
  FIELD_SESSION_TIMEOUT,
  FIELD_REMOTE_START,
  FIELD_PERILUNE,
} field;

typedef struct named {
  const char *name;
  field field;
} named;

static const named members[] = {
    {"serialization", FIELD_SERIALIZER},
    {"serializations", FIELD_SERIALIZERS},
    {"compression", FIELD_COMPRESSION},
    {"compressions", FIELD_COMPRESSIONS},
    {"attributes", FIELD_ATTRIBUTES},
    {"status", FIELD_STATUS},
    {"message", FIELD_MESSAGE},
    {"type", FIELD_TYPE},
    {NULL, FIELD_NONE},
};

// What only we know travels in attributes, so that a JoyRPC peer is never offered a private id.
static const named attributes[] = {
    {"interface", FIELD_IFACE},
    {"alias", FIELD_ALIAS},
    {"sessionTimeout", FIELD_SESSION_TIMEOUT},
    {"remoteStartTime", FIELD_REMOTE_START},
    {"perilune", FIELD_PERILUNE},
    {"perilune.serialization", FIELD_OUR_SERIALIZER},
    {"perilune.serializations", FIELD_SERIALIZERS},
    {"perilune.compression", FIELD_OUR_COMPRESSION},
    {"perilune.compressions", FIELD_COMPRESSIONS},
    {NULL, FIELD_NONE},
};

typedef struct reader {
  joy_body *body;
  unsigned depth;
  field member;     // at depth 1
  field attribute;  // at depth 2 of attributes
  peri_sink copy;   // writes attributes
} reader;

static field field_of(const named *names, const char *text, size_t len) {
  for (; names->name != NULL; names++) {
    if (strlen(names->name) == len && memcmp(names->name, text, len) == 0) {
      return names->field;
    }
  }
  return FIELD_NONE;
}

static bool in_attributes(const reader *r) {
  return r->depth >= 2 && r->member == FIELD_ATTRIBUTES;
}

static field field_now(const reader *r) {
  return r->depth == 2 && r->member == FIELD_ATTRIBUTES ? r->attribute : r->member;
}

static const char *name_of(char *name, size_t size, const char *text, size_t len) {
  if (len == 0 || len >= size) {
    return "";
  }
  memcpy(name, text, len);
  name[len] = '\0';
  return name;
}

static void add_serializer(joy_body *body, const char *text, size_t len) {
  char name[32];
  const peri_serializer *known = peri_serializer_by_name(name_of(name, sizeof name, text, len));
  if (known != NULL && body->serializer_count < JOY_CHOICES) {
    body->serializers[body->serializer_count++] = known;
  }
}

static void add_compression(joy_body *body, const char *text, size_t len) {
  char name[32];
  const peri_compression *known = peri_compression_by_name(name_of(name, sizeof name, text, len));
  if (known != NULL && body->compression_count < JOY_CHOICES) {
    body->compressions[body->compression_count++] = known;
  }
}

// Lists are lists of names in the body, and names separated by commas in our attributes.
static void add_names(joy_body *body, const char *text, size_t len,
                      void (*add)(joy_body *, const char *, size_t)) {
  while (len != 0) {
    const char *comma = (const char *)memchr(text, ',', len);
    size_t part = comma != NULL ? (size_t)(comma - text) : len;
    add(body, text, part);
    part += comma != NULL ? 1 : 0;
    text += part;
    len -= part;
  }
}

static uint64_t decimal(const char *text, size_t len) {
  uint64_t value = 0;
  for (size_t n = 0; n < len && n < 18 && text[n] >= '0' && text[n] <= '9'; n++) {
    value = value * 10 + (uint64_t)(text[n] - '0');
  }
  return value;
}

static int keep(peri_buf *buf, const char *text, size_t len) {
  if (len > JOY_TEXT) {
    return PERI_ETOO_BIG;
  }
  buf->len = 0;
  peri_buf_add(buf, text, len);
  return 0;
}

static int take_choice(joy_body *body, field which, const char *text, size_t len) {
  char name[32];
  if (which == FIELD_SERIALIZER || which == FIELD_OUR_SERIALIZER) {
    const peri_serializer *known = peri_serializer_by_name(name_of(name, sizeof name, text, len));
    *(which == FIELD_SERIALIZER ? &body->serializer : &body->our_serializer) = known;
    return 0;
  }
  const peri_compression *known = peri_compression_by_name(name_of(name, sizeof name, text, len));
  body->wants_compression = true;
  if (which == FIELD_OUR_COMPRESSION) {
    body->our_compression = known;
    return 0;
  }
  body->compression = known;
  return keep(&body->compression_name, text, len < 64 ? len : 64);
}

static int take_number(joy_body *body, field which, uint64_t value) {
  if (which == FIELD_SESSION_TIMEOUT) {
    body->session_timeout_ms = value <= INT32_MAX ? (uint32_t)value : INT32_MAX;
  } else if (which == FIELD_REMOTE_START) {
    body->remote_start_ms = value;
  } else if (which == FIELD_PERILUNE) {
    body->perilune = value == 1;
  } else if (which == FIELD_STATUS) {
    body->status = value == 0 ? 0 : 1;
  }
  return 0;
}

static int take_text(joy_body *body, field which, const char *text, size_t len) {
  switch (which) {
  case FIELD_SERIALIZER:
  case FIELD_COMPRESSION:
  case FIELD_OUR_SERIALIZER:
  case FIELD_OUR_COMPRESSION: return take_choice(body, which, text, len);
  case FIELD_SERIALIZERS: add_names(body, text, len, add_serializer); return 0;
  case FIELD_COMPRESSIONS: add_names(body, text, len, add_compression); return 0;
  case FIELD_MESSAGE: return keep(&body->message, text, len < JOY_TEXT ? len : JOY_TEXT);
  case FIELD_TYPE: return keep(&body->type, text, len);
  case FIELD_IFACE: return keep(&body->iface, text, len);
  case FIELD_ALIAS: return keep(&body->alias, text, len);
  default: return take_number(body, which, decimal(text, len));
  }
}

// ---- the sink ---------------------------------------------------------------------------------

#define COPY(r, call, ...)                                                                         \
  (in_attributes(r) ? (r)->copy.ops->call((r)->copy.self, ##__VA_ARGS__) : 0)

static int on_null(void *self) {
  reader *r = (reader *)self;
  return COPY(r, null);
}

static int on_boolean(void *self, bool value) {
  reader *r = (reader *)self;
  return COPY(r, boolean, value);
}

static int on_integer(void *self, int64_t value) {
  reader *r = (reader *)self;
  take_number(r->body, field_now(r), value < 0 ? 0 : (uint64_t)value);
  return COPY(r, integer, value);
}

static int on_uinteger(void *self, uint64_t value) {
  reader *r = (reader *)self;
  return COPY(r, uinteger, value);
}

static int on_number(void *self, double value) {
  reader *r = (reader *)self;
  return COPY(r, number, value);
}

static int on_string(void *self, const char *text, size_t len) {
  reader *r = (reader *)self;
  // Names of a list come one level deeper than the list's own key.
  bool deep = r->depth > 2 || (r->depth == 2 && r->member != FIELD_SERIALIZERS &&
                               r->member != FIELD_COMPRESSIONS && r->member != FIELD_ATTRIBUTES);
  int code = deep ? 0 : take_text(r->body, field_now(r), text, len);
  return code != 0 ? code : COPY(r, string, text, len);
}

static int on_bytes(void *self, const uint8_t *data, size_t len) {
  reader *r = (reader *)self;
  return COPY(r, bytes, data, len);
}

static int on_list_begin(void *self, size_t count) {
  reader *r = (reader *)self;
  if (r->depth == 0) {
    return PERI_EBAD_REQUEST;
  }
  r->depth++;
  if (r->depth == 2 && r->member == FIELD_ATTRIBUTES) {
    r->member = FIELD_NONE;  // attributes are a map or nothing
  }
  return r->depth > 2 ? COPY(r, list_begin, count) : 0;
}

static int on_list_end(void *self) {
  reader *r = (reader *)self;
  int code = r->depth > 2 ? COPY(r, list_end) : 0;
  r->depth--;
  return code;
}

static int on_map_begin(void *self, size_t count) {
  reader *r = (reader *)self;
  r->depth++;
  // The encoder takes one map; a second member of that name is no honest body.
  if (r->depth == 2 && r->member == FIELD_ATTRIBUTES && r->body->attributes.len != 0) {
    return PERI_EBAD_REQUEST;
  }
  return COPY(r, map_begin, count);
}

static int on_key(void *self, const char *text, size_t len) {
  reader *r = (reader *)self;
  if (r->depth == 1) {
    r->member = field_of(members, text, len);
    return 0;
  }
  if (r->depth == 2) {
    r->attribute = field_of(attributes, text, len);
  }
  return COPY(r, key, text, len);
}

// Keys that are not strings have no meaning here.
static int on_any_key(void *self) {
  (void)self;
  return PERI_EBAD_REQUEST;
}

static int on_map_end(void *self) {
  reader *r = (reader *)self;
  int code = COPY(r, map_end);
  r->depth--;
  return code;
}

static int on_type(void *self, const char *name, size_t len) {
  (void)self;
  (void)name;
  (void)len;
  return 0;
}

static const peri_sink_ops ops = {
    .null = on_null,
    .boolean = on_boolean,
    .integer = on_integer,
    .uinteger = on_uinteger,
    .number = on_number,
    .string = on_string,
    .bytes = on_bytes,
    .list_begin = on_list_begin,
    .list_end = on_list_end,
    .map_begin = on_map_begin,
    .key = on_key,
    .any_key = on_any_key,
    .map_end = on_map_end,
    .type = on_type,
};

int joy_body_read(const char *class_name, const peri_serializer *serializer, peri_bytes in,
                  joy_body *body, peri_err *err) {
  *body = (joy_body){.status = 0};
  // Long before the arguments of calls may be large: nobody is known yet.
  peri_value_limits limits = {.depth = 8, .elements = 1024, .refs = 1024, .string = 65536};
  const peri_serializer *msgpack = peri_serializer_by_id(PERI_SER_MSGPACK);
  peri_encoder encoder;
  reader r = {.body = body};
  msgpack->encoder_init(&encoder, &body->attributes, &limits, NULL, &r.copy);
  peri_sink sink = {&ops, &r};
  int code = serializer->decode_object != NULL
                 ? serializer->decode_object(in, peri_bytes_of(class_name), &limits, &sink, err)
                 : serializer->decode(in, &limits, &sink, NULL, err);
  if (code == 0 && body->attributes.len != 0) {
    code = msgpack->encoder_finish(&encoder);
  }
  return code;
}

void joy_body_fini(joy_body *body) {
  peri_buf_fini(&body->iface);
  peri_buf_fini(&body->alias);
  peri_buf_fini(&body->message);
  peri_buf_fini(&body->type);
  peri_buf_fini(&body->compression_name);
  peri_buf_fini(&body->attributes);
}
