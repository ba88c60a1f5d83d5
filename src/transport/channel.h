// SPDX-License-Identifier: MIT
// A channel is a connected stream of bytes: TCP, unix socket or in-process pair. It reads into
// reference-counted blocks, cuts nothing, and writes at most once per loop turn.
//
// Reading. `data` is called with all bytes not yet consumed, contiguous in `block`. It returns how
// many it consumed (what is left is presented again, with more behind it), or a negative PERI_E*,
// which closes the channel with that code. It may set *need to the total length of the unit that
// begins at the first byte left, so that the channel reads it into one block of the right size and
// calls `data` again only when all of it is there. Bytes left because the owner paused the channel
// are presented again after it resumed.
// Whoever keeps pointers into the bytes beyond the call keeps a reference on `block`.
//
// Writing. Append to peri_channel_out() and call peri_channel_touch(); or hand over a block by
// reference. Everything is written by the flush at the end of the turn; from 256 KiB on by the touch
// itself, so that pinned blocks are free again soon. Above `high_water` bytes of
// output reading stops until it falls below half of it; above `hard_limit`, or without progress for
// `stall_ms`, the channel is closed with PERI_ETOO_BIG / PERI_ETIMEOUT.
//
// Closing. peri_channel_close is idempotent, never blocks, and makes no callback before it returns;
// `closed` is then called exactly once, from a later point of the loop, and is the last callback.
// The channel's memory belongs to the loop and ends after `closed` returns.
#pragma once
#include <sys/types.h>

#include "base/err.h"
#include "transport/loop.h"

typedef struct peri_channel peri_channel;

typedef struct peri_channel_handler {
  ssize_t (*data)(void *arg, peri_channel *channel, peri_block *block, const uint8_t *data,
                  size_t len, size_t *need);
  // Output fell below half of high_water after having been above it. May be NULL.
  void (*writable)(void *arg, peri_channel *channel);
  // `code` is 0 for an orderly end by the peer, PERI_ECLOSED for one in the middle of a unit or a
  // reset, else PERI_E*.
  void (*closed)(void *arg, peri_channel *channel, int code);
} peri_channel_handler;

typedef struct peri_channel_limits {
  uint32_t high_water;  // bytes of output, default 1 MiB
  uint32_t hard_limit;  // bytes of output, default 64 MiB
  uint32_t stall_ms;    // default 10 000
  uint32_t unit;        // bytes of the largest unit `need` may ask for, default 8 MiB + 64 KiB
  uint32_t
      partial;  // bytes kept of units without their rest, of all channels of the loop together;
                // default 256 MiB, 0 = any
} peri_channel_limits;

#define PERI_CHANNEL_LIMITS_DEFAULT                                                                \
  ((peri_channel_limits){1u << 20, 64u << 20, 10000u, (8u << 20) + (64u << 10), 256u << 20})

// Turns the bytes of a channel into others: TLS, PROXY headers. State lives in the transform.
// encode: `plain` is queued output, in order, in one or more calls per flush; appends wire bytes to
// `wire`. It is also called with no bytes when the channel starts (a client's hello). Plain bytes it
// cannot send yet it keeps, says how many through `held` (may be NULL: none ever), and sends them
// through `reply` of a later decode.
// decode: appends plain bytes to `plain`; consumes all of `wire`. May append to `reply` bytes that
// must be sent (a handshake). Both return 0 or PERI_E*, which closes the channel. `free` ends it.
typedef struct peri_transform_ops {
  int (*encode)(void *self, peri_bytes plain, peri_buf *wire);
  int (*decode)(void *self, peri_bytes wire, peri_buf *plain, peri_buf *reply);
  size_t (*held)(const void *self);
  void (*free)(void *self);
} peri_transform_ops;

// The end of a connection attempt: a channel (owned by the loop), or a negative code and a sentence.
typedef void (*peri_connected_fn)(void *arg, peri_channel *channel, int code, const char *why);

// What every transport supplies. A transport is one ops table found by its URL scheme.
typedef struct peri_transport_ops {
  const char *scheme;  // "tcp", "unix", "inproc"
  // Opens a connection; the result comes through `connected` exactly once, later. Returns 0, or a
  // negative code and no callback. `address` is what follows the scheme: "127.0.0.1:80",
  // "[::1]:80", "/run/x.sock", "name".
  int (*connect)(peri_loop *loop, const char *address, uint32_t timeout_ms,
                 peri_connected_fn connected, void *arg, peri_err *err);
} peri_transport_ops;

// Borrowed; NULL when unknown.
const peri_transport_ops *peri_transport_by_scheme(const char *scheme, size_t len);
// `url` is "scheme://address". PERI_ECONFIG when the scheme is unknown or the address malformed (err
// says how it should look).
int peri_connect(peri_loop *loop, const char *url, uint32_t timeout_ms, peri_connected_fn connected,
                 void *arg, peri_err *err);

// Wraps a connected stream socket (accepted by a listener, perhaps on another thread). Takes `fd`,
// also on failure. Returns the channel or NULL. Reading starts with peri_channel_start.
peri_channel *peri_channel_from_fd(peri_loop *loop, int fd);
// A connected in-process pair on one loop. Either end sees the other's bytes in the next turn.
int peri_channel_pair(peri_loop *loop, peri_channel *ends[2]);

// Installs the handler (kept by pointer until `closed`) and begins reading. NULL limits = defaults.
void peri_channel_start(peri_channel *channel, const peri_channel_handler *handler, void *arg,
                        const peri_channel_limits *limits);
// Replaces handler and arg (the adapter hands over to a protocol). From inside `data` too; what was
// not consumed is then presented to the new handler in the same turn.
void peri_channel_set_handler(peri_channel *channel, const peri_channel_handler *handler,
                              void *arg);
// Before start. Takes `self`.
void peri_channel_set_transform(peri_channel *channel, const peri_transform_ops *ops, void *self);

// The output buffer; valid until the next call into this channel. Append only.
peri_buf *peri_channel_out(peri_channel *channel);
// Marks the channel for the flush at the end of this turn. Cheap, idempotent.
void peri_channel_touch(peri_channel *channel);
// Queues bytes of `block` after what is in out, by reference (keeps `block`), or copies them when the
// peer is behind and they are a few KiB or a small part of the block, which must not be held for long
// for their sake. Worth it from 2 KiB on.
void peri_channel_add_block(peri_channel *channel, peri_block *block, peri_bytes bytes);
// Bytes queued and not yet accepted by the kernel.
size_t peri_channel_pending(const peri_channel *channel);
// True while output is above high water: the owner should not start new work for this peer.
bool peri_channel_is_full(const peri_channel *channel);
// Stops and resumes reading, for owners that have enough to do. Counted: pauses nest.
void peri_channel_pause(peri_channel *channel);
void peri_channel_resume(peri_channel *channel);

void peri_channel_close(peri_channel *channel, int code);
// Writes what is queued, says that no more comes, and closes with 0 once the peer has ended too (so
// that what it has not read is not thrown away), or after a second. Input is no longer presented.
// Writing is bounded by stall_ms.
void peri_channel_finish(peri_channel *channel);
// After close or finish.
bool peri_channel_is_closing(const peri_channel *channel);

peri_loop *peri_channel_loop(const peri_channel *channel);
// "127.0.0.1:4711", "unix", "inproc". Borrowed until `closed`.
const char *peri_channel_peer(const peri_channel *channel);
bool peri_channel_is_local(const peri_channel *channel);  // loopback, unix or in-process
uint64_t peri_channel_bytes_in(const peri_channel *channel);
uint64_t peri_channel_bytes_out(const peri_channel *channel);
uint64_t peri_channel_last_in_ms(const peri_channel *channel);  // loop time of the last read
