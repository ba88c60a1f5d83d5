// SPDX-License-Identifier: MIT
// The inside of a channel, shared by the files of this folder. channel.c holds the life of a channel
// and its output, channel_in.c cuts arriving bytes into what `data` sees, stream.c moves bytes
// through a socket and inproc.c from one end of a pair to the other.
//
//   OPENED --start--> STARTED --finish--> FINISHING --written, peer gone--> CLOSING --> freed
//      \__________________\__________________ close ___________________________/
#pragma once
#include "transport/channel.h"
#include "transport/loop_priv.h"

// A piece of output by reference, to be sent when `at` bytes of the output buffer are out.
typedef struct peri_piece {
  peri_block *block;  // one reference
  peri_bytes bytes;   // in block
  size_t at;
} peri_piece;

// Everything queued: bytes of `buf` with pieces between them.
typedef struct peri_output {
  peri_buf buf;
  peri_piece *pieces;  // owned
  uint32_t count;      // pieces
  uint32_t cap;        // pieces with memory
  size_t piece_bytes;  // sum of the pieces
} peri_output;

// What is on its way: the write request of a socket, or what the other end of a pair has to read.
typedef struct peri_write {
  uv_write_t req;         // sockets only
  peri_output out;        // kept alive until it is gone
  peri_channel *channel;  // the sender; NULL when it closed
  size_t done;            // bytes the other end has read (pairs only)
} peri_write;

typedef struct peri_transform {
  const peri_transform_ops *ops;
  void *self;      // owned
  peri_buf raw;    // wire bytes to be sent before what is queued (handshake)
  peri_buf plain;  // scratch of decode
} peri_transform;

// How bytes move. One table for sockets, one for in-process pairs.
typedef struct peri_carrier_ops {
  // Sends `channel->out` or what fits of it, and keeps the rest until it is gone. Called at most
  // once a turn, never while something is in flight.
  void (*send)(peri_channel *channel);
  size_t (*in_flight)(const peri_channel *channel);  // bytes taken by send and not yet gone
  int (*read_start)(peri_channel *channel);
  void (*read_stop)(peri_channel *channel);
  void (*shutdown)(peri_channel *channel);  // no more output comes
  void (*pump)(peri_channel *channel);      // pairs: move input that is here; NULL for sockets
  void (*close)(peri_channel *channel);     // ends in peri_channel_closed
} peri_carrier_ops;

struct peri_channel {
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
    struct {
      peri_channel *other;  // NULL once it is gone
      peri_write *inbox;    // owned; what the other end sent and we have not read
      bool ended;           // the other end is gone
      int end_code;         // how
    } pair;
  } io;
  const peri_carrier_ops *carrier;
  peri_loop *loop;
  const peri_channel_handler *handler;
  void *arg;
  peri_list touch;            // in loop->touched, or in the list of pairs to reap
  peri_list ready;            // in the loop's list of channels with input to present
  peri_timer stall;           // armed while output outlives its turn, or while finishing
  peri_output out;            // queued and not yet sent
  peri_write *writing;        // in flight, NULL if nothing is
  peri_block *own;            // input that waits for the rest of its unit, NULL if there is none
  peri_transform *transform;  // NULL for plain channels
  char *peer;                 // owned
  uint64_t bytes_in;
  uint64_t bytes_out;  // given to the carrier, with what is still in flight
  uint64_t last_in_ms;
  uint64_t stall_seen;  // bytes out when the stall timer last looked
  uint64_t read_turn;   // the turn `turn_in` belongs to
  uint32_t turn_in;     // bytes read in this turn
  uint32_t unit;        // total bytes of the unit in `own`, 0 if not known
  uint32_t calm;        // bytes of output of a touched channel that need no look at the limits
  peri_channel_limits limits;
  int code;  // for `closed`
  uint16_t pauses;
  uint8_t state;   // PERI_CHANNEL_*
  uint8_t stalls;  // quarters of stall_ms without progress
  bool local;
  bool reading;  // the carrier delivers
  bool full;     // output went above high water and not yet below its half
  bool stopped;  // reading waits for `full` to end
  bool held;     // `data` left bytes because it was paused
  bool in_data;  // `data` is on the stack
  bool ended;    // the peer sends no more
  bool shut;     // shutdown was asked for
};

enum { PERI_CHANNEL_OPENED, PERI_CHANNEL_STARTED, PERI_CHANNEL_FINISHING, PERI_CHANNEL_CLOSING };

// Replaces the channel's own block; takes `own`, which may be NULL. The old one stays the caller's.
static inline void peri_channel_set_own(peri_channel *channel, peri_block *own) {
  channel->loop->partial -= channel->own != NULL ? channel->own->cap : 0;
  channel->loop->partial += own != NULL ? own->cap : 0;
  channel->own = own;
}

// A channel without its carrier's part. Returned owned by the loop.
peri_channel *peri_channel_new(peri_loop *loop, const peri_carrier_ops *carrier);
// The carrier has let go: calls `closed` and frees.
void peri_channel_closed(peri_channel *channel);

// For carriers: memory to read into, at most one at a time per loop; NULL base when the channel has
// had its share of this turn. Then how many bytes came.
uv_buf_t peri_channel_space(peri_channel *channel);
void peri_channel_arrived(peri_channel *channel, size_t len);
// No more input: `code` 0 for an orderly end.
void peri_channel_ended(peri_channel *channel, int code);
// What was in flight is gone.
void peri_channel_sent(peri_channel *channel);
// The peer's name as text, copied.
void peri_channel_set_peer(peri_channel *channel, const char *peer, bool local);

// channel_in.c: presents what is already here again.
void peri_channel_deliver(peri_channel *channel);
// Starts or stops the carrier's reading to match what the channel wants.
void peri_channel_update_reading(peri_channel *channel);

// Plain bytes the transform holds back; 0 without one.
size_t peri_channel_held(const peri_channel *channel);

size_t peri_output_len(const peri_output *out);
// The bytes from `skip` on as at most `max` buffers; returns their count.
unsigned peri_output_buffers(const peri_output *out, size_t skip, uv_buf_t *bufs, unsigned max);
// Drops the pieces and gives the buffer back to the loop.
void peri_output_clear(peri_loop *loop, peri_output *out);
