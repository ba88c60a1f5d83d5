// SPDX-License-Identifier: MIT
// Requests in fastjson and their answers; the event's serializer is PERI_SER_DUBBO_JSON.
#pragma once
#include "protocol/dubbo/body.h"
#include "protocol/dubbo/dubbo.h"

typedef struct dubbo_fastjson {
  peri_buf arguments, attachments;
} dubbo_fastjson;

// Reads a request; points the event's body and attachments into `read`, which starts zeroed and is
// freed by the caller, whatever this returns. head->echoed points there, too.
int dubbo_fastjson_read(peri_conn *conn, peri_event *event, dubbo_fastjson *read, dubbo_head *head,
                        dubbo_attachments *found, peri_err *err);
void dubbo_fastjson_free(dubbo_fastjson *read);
int dubbo_fastjson_begin(peri_conn *conn, const peri_event *event, peri_mark *mark);
int dubbo_fastjson_end(peri_conn *conn, const peri_event *event, const peri_mark *mark);
