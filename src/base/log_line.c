// SPDX-License-Identifier: MIT
#include "base/log_line.h"

#include <stdio.h>
#include <time.h>

#include "base/buf.h"

static const char *const level_names[][2] = {
    {"DEBUG", "debug"}, {"INFO", "info"}, {"WARN", "warn"}, {"ERROR", "error"}, {"OFF", "off"},
};

static void add_text(peri_buf *out, const char *text) {
  peri_buf_add(out, text, strlen(text));
}

static void add_time(peri_buf *out, uint64_t ms) {
  char text[48];
  time_t seconds = (time_t)(ms / 1000);
  struct tm tm;
  gmtime_r(&seconds, &tm);
  size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
  snprintf(text + n, sizeof text - n, ".%03uZ", (unsigned)(ms % 1000));
  add_text(out, text);
}

// Bytes of the well-formed UTF-8 character at `s`, 0 when it is malformed.
static size_t utf8_len(const uint8_t *s, size_t len) {
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  size_t n = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;
  if (n < 2 || n > len) {
    return n == 1 ? 1 : 0;
  }
  uint32_t point = s[0] & (0x7fu >> n);
  for (size_t i = 1; i < n; i++) {
    if (s[i] >> 6 != 2) {
      return 0;
    }
    point = point << 6 | (s[i] & 0x3f);
  }
  bool surrogate = point >> 11 == 0x1b;
  return point >= least[n] && point <= 0x10ffff && !surrogate ? n : 0;
}

static void add_escaped_byte(peri_buf *out, uint8_t byte, bool json) {
  char text[8];
  const char *named = byte == '\n' ? "\\n" : byte == '\r' ? "\\r" : byte == '\t' ? "\\t" : NULL;
  if (named == NULL) {
    snprintf(text, sizeof text, json ? "\\u%04x" : "\\x%02x", byte);
    named = text;
  }
  add_text(out, named);
}

// C0 and C1 control characters and malformed bytes become escapes.
static void add_escaped(peri_buf *out, const char *text, size_t len, bool json) {
  const uint8_t *s = (const uint8_t *)text;
  for (size_t i = 0; i < len;) {
    size_t n = utf8_len(s + i, len - i);
    if (n == 0 && json) {
      add_text(out, "\\ufffd");
    } else if (n == 0 || (n == 1 && (s[i] < 0x20 || s[i] == 0x7f))) {
      add_escaped_byte(out, s[i], json);
    } else if (n == 2 && s[i] == 0xc2 && s[i + 1] < 0xa0) {
      add_escaped_byte(out, s[i + 1], json);
    } else {
      if (json && (s[i] == '"' || s[i] == '\\')) {
        peri_buf_add_u8(out, '\\');
      }
      peri_buf_add(out, s + i, n);
    }
    i += n != 0 ? n : 1;
  }
}

// `"ms":3,"peer":"x"` as `ms=3 peer="x"`; nested values stay as they are.
static void add_fields_as_text(peri_buf *out, const char *fields, size_t len) {
  bool in_string = false;
  bool key = true;
  int depth = 0;
  for (size_t i = 0; i < len; i++) {
    char c = fields[i];
    if (c == '"' && depth == 0 && key) {
      in_string = !in_string;
      continue;
    }
    if (in_string) {
      if (c == '\\' && i + 1 < len) {
        add_escaped(out, &c, 1, false);
        c = fields[++i];
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (depth == 0 && c == ':' && key) {
      key = false;
      c = '=';
    } else if (depth == 0 && c == ',') {
      key = true;
      c = ' ';
    }
    if (!in_string) {
      depth += (c == '{' || c == '[') - (c == '}' || c == ']');
    }
    peri_buf_add_u8(out, (uint8_t)c);
  }
}

static void add_json(peri_buf *out, const peri_log_line *line) {
  add_text(out, "{\"time\":\"");
  add_time(out, line->time_ms);
  add_text(out, "\",\"level\":\"");
  add_text(out, level_names[line->level][1]);
  add_text(out, "\",\"tag\":\"");
  add_escaped(out, line->tag, strlen(line->tag), true);
  add_text(out, "\",\"text\":\"");
  add_escaped(out, line->text, line->text_len, true);
  add_text(out, "\"");
  if (line->fields_len != 0) {
    peri_buf_add_u8(out, ',');
    peri_buf_add(out, line->fields, line->fields_len);
  }
  add_text(out, "}\n");
}

static void add_plain(peri_buf *out, const peri_log_line *line) {
  peri_buf fields = {0};
  add_time(out, line->time_ms);
  peri_buf_add_u8(out, ' ');
  add_text(out, level_names[line->level][0]);
  peri_buf_add_u8(out, ' ');
  add_escaped(out, line->tag, strlen(line->tag), false);
  peri_buf_add_u8(out, ' ');
  add_escaped(out, line->text, line->text_len, false);
  if (line->fields_len != 0) {
    peri_buf_add_u8(out, ' ');
    add_fields_as_text(&fields, line->fields, line->fields_len);
    add_escaped(out, (const char *)fields.data, fields.len, false);
    peri_buf_fini(&fields);
  }
  peri_buf_add_u8(out, '\n');
}

char *peri_log_line_new(const peri_log_line *line, bool json, size_t *len) {
  peri_buf out = {0};
  if (json) {
    add_json(&out, line);
  } else {
    add_plain(&out, line);
  }
  *len = out.len;
  return (char *)out.data;
}
