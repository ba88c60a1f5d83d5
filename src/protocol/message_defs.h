// SPDX-License-Identifier: MIT
// The message model every protocol is translated to and from. A stream is one call; a unary call is
// OPEN with PERI_EV_END (half-closed at once) answered by one REPLY. `down` = from the transport to
// us, `up` = from us to the peer; the words client and server name who opened the stream.
//
//   client  OPEN (DATA)* HALF_CLOSE | CANCEL          OPEN+END is the unary request
//   server  REPLY                                     the unary answer, or a refusal of a stream
//           (DATA)* TRAILERS                          the answer of a stream
//   both    WINDOW (credit for DATA), PING, GOAWAY
#pragma once
#include <stdint.h>

#include "base/block.h"

typedef enum peri_event_type {
  PERI_EV_OPEN = 1,
  PERI_EV_DATA,
  PERI_EV_HALF_CLOSE,
  PERI_EV_TRAILERS,
  PERI_EV_CANCEL,
  PERI_EV_WINDOW,
  PERI_EV_REPLY,
  PERI_EV_PING,
  PERI_EV_GOAWAY,
} peri_event_type;

enum {                   // peri_event.flags
  PERI_EV_END = 1,       // the sender says no more on this stream
  PERI_EV_ONEWAY = 2,    // no answer is expected
  PERI_EV_NOT_RUN = 4,   // REPLY: the server did not run the call; it may be tried elsewhere
  PERI_EV_CALLBACK = 8,  // OPEN from the server to the client (JoyRPC callback)
  PERI_EV_GENERIC = 16,  // OPEN: the arguments are name, types and list of the arguments
  PERI_EV_ECHO = 32,     // OPEN from a peer: answered with its body, if the service is there
};

enum { PERI_DETAILS_MAX = 8192 };  // bytes of an error's details

struct peri_session;

// One event. All bytes are borrowed; `block` (may be NULL) keeps them alive for who takes a
// reference. Interface and alias are filled in from the session when the wire left them out.
typedef struct peri_event {
  uint8_t type;                  // peri_event_type
  uint8_t flags;                 // PERI_EV_*
  uint8_t serializer;            // id of the body's serialization
  uint8_t compression;           // id of the body's compression, 0 = plain
  int code;                      // REPLY, TRAILERS, CANCEL: 0 or PERI_E*
  uint32_t timeout_ms;           // OPEN: what is left of the deadline, 0 = unknown
  uint32_t credit;               // WINDOW: bytes; GOAWAY: unused
  uint64_t stream;               // id on the connection; GOAWAY: last id that will be served
  struct peri_session *session;  // NULL when the call has none
  uint32_t session_id;           // as on the wire; an answer without `session` repeats it
  peri_bytes iface, alias, method;
  peri_bytes attachments;  // encoded map, in `attachments_ser`; empty = none
  peri_bytes message;      // REPLY, TRAILERS: text of the error
  peri_bytes callback;     // callback id, empty = none; see protocol/conn.h
  peri_bytes
      args_type;  // OPEN to a JoyRPC peer: classes of the arguments, a msgpack list; or empty
  peri_bytes result_type;   // REPLY to a JoyRPC peer: what Java calls the declared result; or empty
  uint8_t attachments_ser;  // PERI_SER_*
  peri_bytes body;  // arguments, result or DATA as they came (perhaps compressed); REPLY with
                    // a code: the exception, where the serialization has such, or, between two
                    // of ours, the error's details in MessagePack; or empty
  peri_block *block;
} peri_event;

// A unary call that is nothing but its method and its arguments; the fields are those of the event.
typedef struct peri_request {
  uint64_t stream;
  struct peri_session *session;  // not NULL
  peri_bytes method;
  peri_bytes body;
  peri_block *block;  // NULL in one that is sent
  uint32_t timeout_ms;
  uint8_t serializer;
  uint8_t compression;  // 0 in one that is sent
} peri_request;

// A REPLY that is nothing but its result; the fields are those of the event.
typedef struct peri_reply {
  uint64_t stream;
  struct peri_session *session;
  peri_bytes body;
  peri_block *block;
  uint8_t serializer;
  uint8_t compression;
} peri_reply;
