// SPDX-License-Identifier: MIT
// Strings between JSON's escapes and UTF-8. Text without escapes is copied or borrowed in runs.
#include "protocol/serializer/json.h"
#include "protocol/serializer/utf8.h"

// What must be escaped on writing: 'u' for \u00XX, other letters for themselves; 1 = beyond ASCII.
static const uint8_t kinds[256] = {
    [0 ... 7] = 'u', ['\b'] = 'b',  ['\t'] = 't', ['\n'] = 'n',
    [11] = 'u',      ['\f'] = 'f',  ['\r'] = 'r', [14 ... 31] = 'u',
    ['"'] = '"',     ['\\'] = '\\', [0x7F] = 'u', [128 ... 255] = 1,
};

static void add_escape(peri_buf *out, uint8_t byte) {
  static const char hex[] = "0123456789abcdef";
  uint8_t *at = peri_buf_reserve(out, 6);
  at[0] = '\\';
  at[1] = kinds[byte];
  if (kinds[byte] != 'u') {
    out->len += 2;
    return;
  }
  at[2] = at[3] = '0';
  at[4] = (uint8_t)hex[byte >> 4];
  at[5] = (uint8_t)hex[byte & 15];
  out->len += 6;
}

static size_t plain_run(const uint8_t *text, size_t len, bool *high) {
  size_t n = 0;
  while (n < len && kinds[text[n]] <= 1) {
    *high = *high || kinds[text[n]] == 1;
    n++;
  }
  return n;
}

int peri_json_add_string(peri_buf *out, peri_bytes text) {
  bool high = false;
  size_t i = 0;
  peri_buf_reserve(out, text.len + 2);
  peri_buf_add_u8(out, '"');
  while (i < text.len) {
    size_t run = plain_run(text.ptr + i, text.len - i, &high);
    peri_buf_add(out, text.ptr + i, run);
    i += run;
    if (i < text.len) {
      add_escape(out, text.ptr[i++]);
    }
  }
  peri_buf_add_u8(out, '"');
  return !high || peri_utf8_check(text.ptr, text.len) == text.len ? 0 : PERI_EBAD_REQUEST;
}

void peri_json_add_text(peri_buf *out, peri_bytes text) {
  peri_buf_add_u8(out, '"');
  while (text.len > 0) {
    size_t good = peri_utf8_check(text.ptr, text.len);
    for (size_t i = 0; i < good; i++) {
      if (kinds[text.ptr[i]] <= 1) {
        peri_buf_add_u8(out, text.ptr[i]);
      } else {
        add_escape(out, text.ptr[i]);
      }
    }
    size_t skip = good < text.len ? good + 1 : good;
    if (skip != good) {
      peri_buf_add(out, "\xEF\xBF\xBD", 3);
    }
    text.ptr += skip;
    text.len -= skip;
  }
  peri_buf_add_u8(out, '"');
}

static int hex4(const uint8_t *at, const uint8_t *end) {
  if (end - at < 4) {
    return -1;
  }
  int code = 0;
  for (int i = 0; i < 4; i++) {
    int c = at[i];
    int digit = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
    if (digit < 0) {
      return -1;
    }
    code = code << 4 | digit;
  }
  return code;
}

// `at` is behind "\u"; moves behind the four (or, for a pair, ten) characters.
static const char *unescape_unicode(const uint8_t **place, const uint8_t *end, peri_buf *scratch) {
  const uint8_t *at = *place;
  int code = hex4(at, end);
  if (code < 0) {
    return "four hexadecimal digits must follow \\u";
  }
  at += 4;
  uint32_t scalar = (uint32_t)code;
  if (code >= 0xD800 && code <= 0xDFFF) {
    int low = end - at >= 2 && at[0] == '\\' && at[1] == 'u' ? hex4(at + 2, end) : -1;
    if (code > 0xDBFF || low < 0xDC00 || low > 0xDFFF) {
      return "half of a surrogate pair";
    }
    scalar = 0x10000 + ((uint32_t)(code - 0xD800) << 10 | (uint32_t)(low - 0xDC00));
    at += 6;
  }
  scratch->len += peri_utf8_put(peri_buf_reserve(scratch, 4), scalar);
  *place = at;
  return NULL;
}

// `at` is behind the backslash.
static const char *unescape(const uint8_t **at, const uint8_t *end, peri_buf *scratch) {
  static const uint8_t plain[256] = {['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                     ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};
  if (*at == end) {
    return "input ends inside a string";
  }
  uint8_t c = *(*at)++;
  if (c == 'u') {
    return unescape_unicode(at, end, scratch);
  }
  if (plain[c] == 0) {
    --*at;
    return "unknown escape";
  }
  peri_buf_add_u8(scratch, plain[c]);
  return NULL;
}

// Moves to the next quote, backslash or control character.
static const uint8_t *find_stop(const uint8_t *at, const uint8_t *end, bool *high) {
  uint8_t bits = 0;
  while (at < end && *at != '"' && *at != '\\' && *at >= 0x20) {
    bits |= *at++;
  }
  *high = *high || (bits & 0x80) != 0;
  return at;
}

static const char *stop_reason(const uint8_t *at, const uint8_t *end) {
  return at == end ? "input ends inside a string" : "control character inside a string";
}

const char *peri_json_read_string(const uint8_t **place, const uint8_t *end, peri_buf *scratch,
                                  peri_bytes *text) {
  const uint8_t *start = *place;
  bool high = false;
  const uint8_t *at = find_stop(start, end, &high);
  size_t mark = scratch->len;
  const char *wrong = NULL;
  const uint8_t *run = start;
  while (wrong == NULL && at < end && *at == '\\') {
    peri_buf_add(scratch, run, (size_t)(at - run));
    at++;
    wrong = unescape(&at, end, scratch);
    run = at;
    at = wrong == NULL ? find_stop(at, end, &high) : at;
  }
  *place = at;
  if (wrong != NULL || at == end || *at != '"') {
    return wrong != NULL ? wrong : stop_reason(at, end);
  }
  size_t good = high ? peri_utf8_check(start, (size_t)(at - start)) : (size_t)(at - start);
  if (good != (size_t)(at - start)) {
    *place = start + good;
    return "string is not UTF-8";
  }
  *place = at + 1;
  if (run == start) {
    *text = (peri_bytes){start, (size_t)(at - start)};
    return NULL;
  }
  peri_buf_add(scratch, run, (size_t)(at - run));
  *text = (peri_bytes){scratch->data + mark, scratch->len - mark};
  return NULL;
}
