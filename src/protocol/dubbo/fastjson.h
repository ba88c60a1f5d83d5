// SPDX-License-Identifier: MIT
// Requests in fastjson and their answers, both ways; the event's serializer is PERI_SER_DUBBO_JSON, or
// PERI_SER_DUBBO_JSON_GENERIC where a generic consumer waits for the answer.
#pragma once
#include "protocol/dubbo/body.h"
#include "protocol/dubbo/dubbo.h"

typedef struct dubbo_fastjson {
  peri_buf arguments, attachments;
} dubbo_fastjson;

static inline bool dubbo_is_fastjson(uint8_t serializer) {
  return serializer == PERI_SER_DUBBO_JSON || serializer == PERI_SER_DUBBO_JSON_GENERIC;
}

// Reads a request; points the event's body and attachments into `read`, which starts zeroed and is
// freed by the caller, whatever this returns. head->echoed points there, too.
int dubbo_fastjson_read(peri_conn *conn, peri_event *event, dubbo_fastjson *read, dubbo_head *head,
                        dubbo_attachments *found, peri_err *err);
void dubbo_fastjson_free(dubbo_fastjson *read);
// Appends the JSON with those keys in quotes that fastjson leaves bare: numbers and booleans. Returns
// false, and appends nothing, where there are none.
bool dubbo_fastjson_quote(peri_bytes json, peri_buf *out);
// Appends a text and the end of its line.
int dubbo_fastjson_text(peri_conn *conn, peri_bytes text);
int dubbo_fastjson_begin(peri_conn *conn, const peri_event *event, peri_mark *mark);
int dubbo_fastjson_end(peri_conn *conn, const peri_event *event, const peri_mark *mark);

// fastjson_call.c: requests out, answers in.
int dubbo_fastjson_call(peri_conn *conn, const peri_event *event, peri_mark *mark);
int dubbo_fastjson_call_end(peri_conn *conn, const peri_event *event, const peri_mark *mark);

// What an answer says. `text` is that of a failure.
typedef struct dubbo_fastjson_answer {
  int code;          // 0, or that of the exception, whose value is `value`
  peri_bytes value;  // borrowed from the body; empty = null
  peri_buf plain;    // where its keys had to be quoted `value` is here, owned
  peri_buf text;     // owned
  peri_buf map;      // attachments in MessagePack, owned
} dubbo_fastjson_answer;

// Reads the body of a response with status OK into `answer`, which starts zeroed.
int dubbo_fastjson_answered(peri_conn *conn, peri_bytes body, dubbo_fastjson_answer *answer,
                            peri_err *err);
// Reads the text of any other.
int dubbo_fastjson_failed(peri_bytes body, peri_buf *text);
void dubbo_fastjson_answer_free(dubbo_fastjson_answer *answer);
