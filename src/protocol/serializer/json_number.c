// SPDX-License-Identifier: MIT
// Numbers between text and binary. The common cases are exact integer arithmetic: a decimal
// mantissa below 2^53 scaled by a power of ten up to 10^22 is correctly rounded by one
// multiplication or division of doubles. The rest goes through strtod in the C locale.
#include "protocol/serializer/json.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_MAX = 1024, EXACT_EXP = 22 };

#define EXACT_MANTISSA (UINT64_C(1) << 53)

static const double powers[EXACT_EXP + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                             1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                             1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static locale_t c_locale;

static void make_locale(void) {
  c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

static double text_to_double(const char *text) {
  pthread_once(&once, make_locale);
  return strtod_l(text, NULL, c_locale);
}

static bool digit(const uint8_t *at, const uint8_t *end) {
  return at < end && *at >= '0' && *at <= '9';
}

typedef struct scan {
  uint64_t mantissa;
  bool overflow;  // mantissa has lost digits
  bool real;      // has a fraction or an exponent
  int exponent;   // of ten, clamped
} scan;

static const uint8_t *scan_digits(const uint8_t *at, const uint8_t *end, scan *s) {
  while (digit(at, end)) {
    uint64_t next;
    if (__builtin_mul_overflow(s->mantissa, 10, &next) ||
        __builtin_add_overflow(next, (uint64_t)(*at - '0'), &next)) {
      s->overflow = true;
    } else {
      s->mantissa = next;
    }
    at++;
  }
  return at;
}

static const char *scan_exponent(const uint8_t **place, const uint8_t *end, scan *s) {
  const uint8_t *at = *place + 1;
  bool negative = at < end && *at == '-';
  if (at < end && (*at == '-' || *at == '+')) {
    at++;
  }
  if (!digit(at, end)) {
    *place = at;
    return "a digit must follow the exponent";
  }
  int e = 0;
  for (; digit(at, end); at++) {
    e = e < 100000 ? e * 10 + (*at - '0') : e;
  }
  s->exponent += negative ? -e : e;
  s->real = true;
  *place = at;
  return NULL;
}

static const char *scan_number(const uint8_t **place, const uint8_t *end, scan *s) {
  const uint8_t *at = *place;
  if (!digit(at, end)) {
    return "a digit must follow the sign";
  }
  if (*at == '0') {
    at++;
  } else {
    at = scan_digits(at, end, s);
  }
  if (at < end && *at == '.') {
    const uint8_t *first = ++at;
    at = scan_digits(at, end, s);
    if (at == first) {
      *place = at;
      return "a digit must follow the decimal point";
    }
    s->real = true;
    s->exponent = first - at < -100000 ? -100000 : (int)(first - at);
  }
  *place = at;
  return at < end && (*at == 'e' || *at == 'E') ? scan_exponent(place, end, s) : NULL;
}

// True when the digits of `text` (an integer) are exactly the value of `number`.
static bool exact(const char *text, double number) {
  char digits[TEXT_MAX];
  int len = snprintf(digits, sizeof digits, "%.0f", number);
  return len > 0 && strcmp(digits, text) == 0;
}

static const char *slow_number(const uint8_t *start, const uint8_t *end, const scan *s,
                               double *number) {
  char text[TEXT_MAX];
  size_t len = (size_t)(end - start);
  if (len >= sizeof text) {
    return "number has too many digits";
  }
  memcpy(text, start, len);
  text[len] = '\0';
  *number = text_to_double(text);
  if (!isfinite(*number)) {
    return "number is beyond the range of a double";
  }
  if (!s->real && !exact(text, *number)) {
    return "integer does not fit 64 bits and is not exact as a double";
  }
  return NULL;
}

static const char *real_number(const uint8_t *start, const uint8_t *end, const scan *s,
                               double *number) {
  if (s->overflow || s->mantissa > EXACT_MANTISSA || s->exponent > EXACT_EXP ||
      s->exponent < -EXACT_EXP) {
    return slow_number(start, end, s, number);
  }
  double m = (double)s->mantissa;
  m = s->exponent < 0 ? m / powers[-s->exponent] : m * powers[s->exponent];
  *number = *start == '-' ? -m : m;
  return NULL;
}

const char *peri_json_read_number(const uint8_t **place, const uint8_t *end,
                                  peri_json_number *number) {
  const uint8_t *start = *place;
  bool negative = *start == '-';
  scan s = {0};
  *place += negative;
  const char *wrong = scan_number(place, end, &s);
  if (wrong != NULL) {
    return wrong;
  }
  number->kind = PERI_JSON_DOUBLE;
  uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : UINT64_MAX;
  bool minus_zero = negative && s.mantissa == 0;
  if (s.real || minus_zero) {
    wrong = real_number(start, *place, &s, &number->d);
  } else if (s.overflow || s.mantissa > limit) {
    wrong = slow_number(start, *place, &s, &number->d);
  } else if (negative) {
    number->kind = PERI_JSON_INT;
    number->i = (int64_t)(0 - s.mantissa);
  } else if (s.mantissa > INT64_MAX) {
    number->kind = PERI_JSON_UINT;
    number->u = s.mantissa;
  } else {
    number->kind = PERI_JSON_INT;
    number->i = (int64_t)s.mantissa;
  }
  if (wrong != NULL) {
    *place = start;
  }
  return wrong;
}

void peri_json_add_uint(peri_buf *out, uint64_t value) {
  char text[20];
  size_t at = sizeof text;
  do {
    text[--at] = (char)('0' + value % 10);
    value /= 10;
  } while (value != 0);
  peri_buf_add(out, text + at, sizeof text - at);
}

// Writes a value whose decimal form has at most 15 digits, up to 9 of them behind the point.
static bool add_short(peri_buf *out, double value) {
  double size = fabs(value);
  if (!(size < 1e15 && (size >= 1e-5 || size == 0))) {
    return false;
  }
  int places = 1;
  double digits = floor(size * 10 + 0.5);
  while (places < 9 && digits / powers[places] != size) {
    digits = floor(size * powers[++places] + 0.5);
  }
  // Fifteen digits always name one double, so the first fit is also the shortest.
  if (digits >= 1e15 || digits / powers[places] != size) {
    return false;
  }
  uint64_t whole = (uint64_t)digits / (uint64_t)powers[places];
  uint64_t rest = (uint64_t)digits % (uint64_t)powers[places];
  if (signbit(value)) {
    peri_buf_add_u8(out, '-');
  }
  peri_json_add_uint(out, whole);
  uint8_t *at = peri_buf_reserve(out, 1 + (size_t)places);
  at[0] = '.';
  for (int i = places; i > 0; i--) {
    at[i] = (uint8_t)('0' + rest % 10);
    rest /= 10;
  }
  out->len += 1 + (size_t)places;
  return true;
}

void peri_json_add_double(peri_buf *out, double value) {
  if (add_short(out, value)) {
    return;
  }
  char text[40];
  bool real = false;
  for (int precision = 15; precision <= 17; precision++) {
    snprintf(text, sizeof text, "%.*g", precision, value);
    real = false;
    for (char *c = text; *c != '\0'; c++) {
      if (*c != '-' && *c != '+' && *c != 'e' && (*c < '0' || *c > '9')) {
        *c = '.';  // whatever the process' locale writes
      }
      real = real || *c == '.' || *c == 'e';
    }
    if (text_to_double(text) == value) {
      break;
    }
  }
  peri_buf_add(out, text, strlen(text));
  if (!real) {
    peri_buf_add(out, ".0", 2);
  }
}
