// SPDX-License-Identifier: MIT
// Dubbo 2's wire protocol. One message:
//
//   0   magic DA BB
//   2   u8 flag     80 request  40 an answer is expected  20 event  low five bits: serialization
//   3   u8 status   of a response, status.c
//   4   u64 id
//   12  u32 length  of the body
//
// A body is a stream of Hessian values that share classes and references. Request: version of the
// protocol, path, version of the service, method, descriptor of the parameter types, each argument,
// attachments. Response: a number that tells what follows (dubbo_result), value or exception, and
// perhaps attachments; with a status other than OK one text. Events: null is a heartbeat, "R" says
// that the sender takes no new calls.
//
// Group and version of a Dubbo service are our alias: `group`, `group:version` or `:version`.
//
// The machine keeps no bytes between calls of feed. One thread.
#pragma once
#include "protocol/conn.h"
#include "protocol/serializer/hessian2.h"

enum {
  DUBBO_HEADER = 16,
  DUBBO_REQUEST = 0x80,
  DUBBO_TWO_WAY = 0x40,
  DUBBO_EVENT = 0x20,
  DUBBO_SERIALIZATION = 0x1F,
  DUBBO_HESSIAN2 = 2,
  DUBBO_FASTJSON = 6,
  DUBBO_OK = 20,
};

typedef enum dubbo_result {
  DUBBO_EXCEPTION,
  DUBBO_VALUE,
  DUBBO_NOTHING,
  DUBBO_WITH_ATTACHMENTS,  // added to the others
} dubbo_result;

typedef struct dubbo_frame {
  uint8_t flag;
  uint8_t status;
  uint64_t id;
  peri_bytes body;  // borrowed
  peri_block *block;
} dubbo_frame;

typedef struct dubbo_state {
  bool reads_attachments;  // server: the peer's version knows attachments of a response
} dubbo_state;

extern const peri_protocol peri_dubbo;

static inline dubbo_state *dubbo_state_of(peri_conn *conn) {
  return (dubbo_state *)conn->state;
}

// frame.c
// Cuts one message off [data, data+len). Returns its size, 0 when more is needed (*need = its size
// when known), or PERI_EPROTOCOL / PERI_ETOO_BIG after complaining.
ssize_t dubbo_frame_decode(peri_conn *conn, const uint8_t *data, size_t len, size_t *need,
                           dubbo_frame *frame);
// Appends a header whose length dubbo_frame_seal fixes; a flag without a serialization gets
// Hessian's.
void dubbo_frame_begin(peri_buf *out, uint8_t flag, uint8_t status, uint64_t id);
// The message at `start` ends at the end of the output. PERI_ETOO_BIG when it is over limits->frame.
int dubbo_frame_seal(peri_conn *conn, size_t start);
// Appends a whole event: `event` NULL is a heartbeat.
void dubbo_event_send(peri_conn *conn, uint8_t flag, uint8_t status, uint64_t id,
                      const char *event);

// status.c: the one table of statuses, and that of the codes in an RpcException
int dubbo_code_of_status(uint8_t status, bool *retry);
// 0 when the code travels as an exception.
uint8_t dubbo_status_of_code(int code, bool not_run);
// The text of a status begins with the name of our code, since several share a status; Java shows it
// to whoever reads the exception. Written to `text`, cut where it does not fit.
enum { DUBBO_TEXT_MAX = 4096 };
peri_bytes dubbo_text_of_code(int code, peri_bytes message, char text[DUBBO_TEXT_MAX]);
// Takes the name of a code and the colon behind it off; false, and nothing, where there is none.
bool dubbo_code_named(peri_bytes *text, int *code);
// The same where the code goes with the status.
bool dubbo_code_of_text(uint8_t status, peri_bytes *text, int *code);
// The code that Java's text tells better than the status, and what to add to the text; NULL where it
// tells nothing.
const char *dubbo_code_of_words(uint8_t status, peri_bytes text, int *code);
int dubbo_code_of_rpc(int32_t rpc);
int32_t dubbo_rpc_of_code(int code);

// attachments.c
enum { DUBBO_CALLBACKS_MAX = 16 };  // of one call

typedef struct dubbo_attachments {
  peri_bytes group, version, iface;  // borrowed from the body
  peri_bytes instance;               // a call of this callback
  peri_bytes generic;                // how a generic consumer wants values: "true", "raw.return"
  struct {
    uint32_t argument;  // from 0
    peri_bytes id;
  } callbacks[DUBBO_CALLBACKS_MAX];  // that are among the arguments
  uint32_t callback_count;           // may be more than there is room for
  uint32_t timeout_ms;               // 0 = unknown
  uint32_t count;
  bool plain;  // the map stands by itself: no classes or references of the body
} dubbo_attachments;

// Passes over the map (or null) that comes next and notes what it says.
int dubbo_attachments_read(peri_hessian_reader *reader, dubbo_attachments *found);
// Appends the map that comes next to `out`, in MessagePack.
int dubbo_attachments_convert(peri_hessian_reader *reader, const peri_value_limits *limits,
                              peri_buf *out);
// Appends a map of the event's attachments and of `fixed` (pairs; empty values are left out), which stand
// behind them, since the last one of a name counts for who reads them, and
// names the callbacks of a request (`event->callback` without PERI_EV_CALLBACK).
int dubbo_attachments_write(peri_conn *conn, const peri_event *event, const peri_bytes *fixed,
                            size_t pairs);
// A block with body, attachments and message, which move there. NULL when there is no memory.
peri_block *dubbo_join(peri_event *event);

// request.c
typedef struct dubbo_head {
  peri_bytes version, path, service_version, method, types;  // borrowed from the body
  bool generic;       // $invoke: name, types and list of the arguments are the arguments
  bool echo;          // $echo
  uint32_t count;     // of arguments in the body
  uint64_t nulls;     // bit n: argument n is null
  peri_bytes echoed;  // of $echo: the argument, which is the answer; empty = null
} dubbo_head;

int dubbo_head_read(peri_hessian_reader *reader, dubbo_head *head);
// Fills in what follows from the texts.
int dubbo_head_check(dubbo_head *head, peri_err *err);
int dubbo_on_request(peri_conn *conn, const dubbo_frame *frame);

// Whom a request is for.
typedef struct dubbo_callee {
  peri_bytes path, group, version;
  peri_bytes instance;  // of a callback
  bool by_name;  // nobody told the types: the provider finds the method, and fits the arguments
} dubbo_callee;

#define DUBBO_GENERIC_TYPES "Ljava/lang/String;[Ljava/lang/String;[Ljava/lang/Object;"

dubbo_callee dubbo_callee_of(const peri_event *event);
// The version as it stands in the head of a request: some providers look the service up by it.
peri_bytes dubbo_callee_version(const dubbo_callee *to);
// Appends the descriptor of the parameters.
int dubbo_request_types(const peri_event *event, peri_buf *out);
// Appends the attachments to the output, in Hessian.
int dubbo_request_attachments(peri_conn *conn, const peri_event *event, const dubbo_callee *to);
void dubbo_refuse(peri_conn *conn, const peri_event *request, int code, const char *message);
void dubbo_alias_split(peri_bytes alias, peri_bytes *group, peri_bytes *version);
int dubbo_request_begin(peri_conn *conn, const peri_event *event, peri_mark *mark);
int dubbo_request_end(peri_conn *conn, const peri_event *event, const peri_mark *mark);

// callback.c: a function of the consumer is known to the provider as "id/class/group", which is all
// that a call of it needs.
typedef struct dubbo_callback {
  peri_bytes id, class, group;
} dubbo_callback;

// Writes event->callback for the callbacks found among the arguments to `text`, and points to it.
// What stands for no null of a class is left out: consumers hand such attachments on with calls of
// their own. PERI_EBAD_REQUEST when there are too many or a name cannot be carried.
int dubbo_callbacks_name(const dubbo_head *head, const dubbo_attachments *found,
                         char text[PERI_CALLBACK_TEXT_MAX], peri_bytes *names, peri_err *err);
// Takes such a name apart.
dubbo_callback dubbo_callback_split(peri_bytes name);

// types.c
// How many types a descriptor such as "Ljava/lang/String;[I" lists; negative when it is none.
int dubbo_types_count(peri_bytes descriptor);
// The n-th (from 0), such as "Ljava/lang/String;"; empty when there is none.
peri_bytes dubbo_types_at(peri_bytes descriptor, uint32_t n);
// Appends the descriptor of classes, named as Java does in a MessagePack list.
int dubbo_types_write(peri_bytes classes, peri_buf *out);

// response.c
// Passes over the value that comes next; `last` = nothing follows it. *value is empty for null.
int dubbo_value_read(peri_hessian_reader *r, peri_bytes *value, bool last);
int dubbo_on_response(peri_conn *conn, const dubbo_frame *frame);
int dubbo_response_begin(peri_conn *conn, const peri_event *event, peri_mark *mark);
int dubbo_response_end(peri_conn *conn, const peri_event *event, const peri_mark *mark);

// error.c: exceptions in responses
int dubbo_error_write(void *encoder, int code, peri_bytes message);
// The same for a generic consumer, which knows the classes of no service: event->body is the
// exception that was named for others, empty for none.
int dubbo_error_write_generic(void *encoder, const peri_event *event,
                              const peri_value_limits *limits);
// Reads the exception that comes next; appends its text to `message`. Returns 1 where that and the
// code are all there is to tell: dubbo_error_write made it.
int dubbo_error_read(peri_hessian_reader *reader, peri_buf *message, int *code);
// The attachment by which we tell our own peers code and message of an error whose exception has a
// class of its own. Java passes over it.
#define DUBBO_ERROR "perilune.error"
void dubbo_error_name(int code, peri_bytes message, peri_buf *out);
// Looks for it in the map that comes next and puts what it says in the place of message and code.
// Returns whether there is anything else in the map.
bool dubbo_error_named(peri_hessian_reader reader, peri_buf *message, int *code);
