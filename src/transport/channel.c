// SPDX-License-Identifier: MIT
#include "transport/channel.h"

#include <stdlib.h>

#include "base/limit.h"
#include "base/log.h"
#include "base/mem.h"
#include "transport/channel_priv.h"

enum {
  LINGER_MS = 1000,  // how long finish waits for the peer to read what was sent
  // Bytes of output that are sent before the turn ends: as many as one read brings, little enough to
  // be in the cache still, and blocks that they lie in are free to be read into again.
  EARLY = PERI_READ_BLOCK,
  // Least piece that may hold a block for a peer that is slow to read: bytes, and part of the block.
  // What lies around it is held too, and counted nowhere.
  WORTH_PINNING = 8192,
  PINNED_PART = 8,
};

static void check_stall(peri_timer *timer);

peri_channel *peri_channel_new(peri_loop *loop, const peri_carrier_ops *carrier) {
  peri_owner_check(&loop->owner);
  peri_channel *channel = peri_calloc(1, sizeof *channel);
  channel->carrier = carrier;
  channel->loop = loop;
  channel->limits = PERI_CHANNEL_LIMITS_DEFAULT;
  channel->last_in_ms = peri_loop_now_ms(loop);
  peri_list_init(&channel->touch);
  peri_list_init(&channel->ready);
  peri_timer_init(&channel->stall, check_stall);
  return channel;
}

size_t peri_output_len(const peri_output *out) {
  return out->buf.len + out->piece_bytes;
}

unsigned peri_output_buffers(const peri_output *out, size_t skip, uv_buf_t *bufs, unsigned max) {
  unsigned count = 0;
  size_t from = 0;  // position in out->buf
  for (uint32_t i = 0; i <= out->count && count < max; i++) {
    const peri_piece *piece = i < out->count ? &out->pieces[i] : NULL;
    size_t to = piece != NULL ? piece->at : out->buf.len;
    peri_bytes parts[2] = {{from < to ? out->buf.data + from : NULL, to - from},
                           piece != NULL ? piece->bytes : (peri_bytes){NULL, 0}};
    for (int k = 0; k < 2 && count < max; k++) {
      size_t cut = skip < parts[k].len ? skip : parts[k].len;
      skip -= cut;
      if (cut < parts[k].len) {
        // libuv's buffers are not const, but writing only reads them.
        char *base = (char *)(uintptr_t)(parts[k].ptr + cut);
        bufs[count++] = (uv_buf_t){base, parts[k].len - cut};
      }
    }
    from = to;
  }
  return count;
}

void peri_output_clear(peri_loop *loop, peri_output *out) {
  for (uint32_t i = 0; i < out->count; i++) {
    peri_block_unref(out->pieces[i].block);
  }
  free(out->pieces);
  peri_loop_take_back(loop, &out->buf);
  *out = (peri_output){0};
}

static void free_transform(peri_transform *transform) {
  if (transform != NULL) {
    if (transform->ops->free != NULL) {
      transform->ops->free(transform->self);
    }
    peri_buf_fini(&transform->raw);
    peri_buf_fini(&transform->plain);
    free(transform);
  }
}

void peri_channel_closed(peri_channel *channel) {
  peri_loop_enter(channel->loop);
  if (channel->handler != NULL) {
    channel->handler->closed(channel->arg, channel, channel->code);
  }
  peri_loop_want_drain(channel->loop);  // what `closed` queued must run before the loop sleeps
  peri_output_clear(channel->loop, &channel->out);  // appended after close
  peri_block *own = channel->own;
  peri_channel_set_own(channel, NULL);
  peri_block_unref(own);
  free_transform(channel->transform);
  free(channel->peer);
  free(channel);
}

// Below this much output a channel that is to be flushed anyway has nothing to be looked at for.
static uint32_t calm_below(const peri_channel *channel) {
  const peri_channel_limits *limits = &channel->limits;
  uint32_t least =
      limits->high_water < limits->hard_limit ? limits->high_water : limits->hard_limit;
  return channel->transform != NULL ? 0 : least < EARLY ? least : EARLY;
}

void peri_channel_start(peri_channel *channel, const peri_channel_handler *handler, void *arg,
                        const peri_channel_limits *limits) {
  peri_owner_check(&channel->loop->owner);
  channel->handler = handler;
  channel->arg = arg;
  if (limits != NULL) {
    channel->limits = *limits;
  }
  channel->calm = calm_below(channel);
  if (channel->state != PERI_CHANNEL_OPENED) {
    return;
  }
  channel->state = PERI_CHANNEL_STARTED;
  if (channel->transform != NULL || peri_output_len(&channel->out) != 0) {
    peri_channel_touch(channel);  // a client's handshake begins with encoding nothing
  }
  peri_channel_update_reading(channel);
}

void peri_channel_set_handler(peri_channel *channel, const peri_channel_handler *handler,
                              void *arg) {
  peri_owner_check(&channel->loop->owner);
  channel->handler = handler;
  channel->arg = arg;
}

void peri_channel_set_transform(peri_channel *channel, const peri_transform_ops *ops, void *self) {
  peri_owner_check(&channel->loop->owner);
  peri_check(channel->transform == NULL && channel->state == PERI_CHANNEL_OPENED);
  channel->transform = peri_calloc(1, sizeof *channel->transform);
  channel->transform->ops = ops;
  channel->transform->self = self;
}

peri_buf *peri_channel_out(peri_channel *channel) {
  peri_owner_check(&channel->loop->owner);
  if (channel->out.buf.cap == 0) {
    peri_loop_lend(channel->loop, &channel->out.buf);
  }
  return &channel->out.buf;
}

size_t peri_channel_held(const peri_channel *channel) {
  const peri_transform *transform = channel->transform;
  return transform != NULL && transform->ops->held != NULL ? transform->ops->held(transform->self)
                                                           : 0;
}

// Bytes the carrier has not seen yet.
static size_t queued(const peri_channel *channel) {
  size_t raw = channel->transform != NULL ? channel->transform->raw.len : 0;
  return peri_output_len(&channel->out) + raw + peri_channel_held(channel);
}

size_t peri_channel_pending(const peri_channel *channel) {
  peri_owner_check(&channel->loop->owner);
  size_t flying = channel->writing != NULL ? channel->carrier->in_flight(channel) : 0;
  return queued(channel) + flying;
}

bool peri_channel_is_full(const peri_channel *channel) {
  return channel->full;
}

// Out of line: most calls are for a channel that is touched already.
static __attribute__((noinline)) void touch(peri_channel *channel) {
  if (channel->state == PERI_CHANNEL_CLOSING) {
    channel->out.buf.len = 0;  // nobody will read it; the memory goes back when the channel does
    return;
  }
  size_t pending = peri_channel_pending(channel);
  if (pending > channel->limits.hard_limit) {
    peri_limit_hit(PERI_LIMIT_OUTPUT_LIMIT);
    peri_log(PERI_LOG_WARN, "CHANNEL-OUTPUT",
             "%s: %zu bytes wait for it, output_limit = %u; the connection is closed",
             channel->peer != NULL ? channel->peer : "peer", pending, channel->limits.hard_limit);
    peri_channel_close(channel, PERI_ETOO_BIG);
    return;
  }
  channel->full |= pending > channel->limits.high_water;
  if (peri_output_len(&channel->out) >= EARLY && channel->state == PERI_CHANNEL_STARTED &&
      channel->writing == NULL && channel->transform == NULL) {
    channel->carrier->send(channel);
    if (channel->state == PERI_CHANNEL_CLOSING) {
      return;
    }
  }
  if (peri_list_empty(&channel->touch)) {
    peri_list_push(&channel->loop->touched, &channel->touch);
  }
}

void peri_channel_touch(peri_channel *channel) {
  peri_owner_check(&channel->loop->owner);
  if (peri_output_len(&channel->out) >= channel->calm || channel->writing != NULL ||
      peri_list_empty(&channel->touch)) {
    touch(channel);
  }
}

void peri_channel_add_block(peri_channel *channel, peri_block *block, peri_bytes bytes) {
  peri_owner_check(&channel->loop->owner);
  peri_output *out = &channel->out;
  if (bytes.len == 0 || channel->state == PERI_CHANNEL_CLOSING) {
    return;
  }
  bool small = bytes.len < WORTH_PINNING || bytes.len < block->cap / PINNED_PART;
  if (channel->writing != NULL && small) {
    peri_buf_add(peri_channel_out(channel), bytes.ptr, bytes.len);
    return;
  }
  if (out->count == out->cap) {
    out->cap = out->cap != 0 ? out->cap * 2 : 32;
    out->pieces = peri_realloc(out->pieces, out->cap * sizeof *out->pieces);
  }
  out->pieces[out->count++] = (peri_piece){peri_block_ref(block), bytes, out->buf.len};
  out->piece_bytes += bytes.len;
}

void peri_channel_pause(peri_channel *channel) {
  peri_owner_check(&channel->loop->owner);
  channel->pauses++;
  peri_channel_update_reading(channel);
}

void peri_channel_resume(peri_channel *channel) {
  peri_owner_check(&channel->loop->owner);
  peri_check(channel->pauses != 0);
  channel->pauses--;
  if (channel->pauses == 0 && channel->held && peri_list_empty(&channel->ready)) {
    peri_list_push(&channel->loop->state->ready, &channel->ready);
  }
  peri_channel_update_reading(channel);
}

void peri_channel_update_reading(peri_channel *channel) {
  bool open = channel->state == PERI_CHANNEL_STARTED || channel->state == PERI_CHANNEL_FINISHING;
  // A finishing channel reads on, only to see the peer's end.
  bool waits = channel->state == PERI_CHANNEL_STARTED && (channel->pauses != 0 || channel->stopped);
  bool wants = open && !waits && !channel->ended;
  if (wants == channel->reading) {
    return;
  }
  channel->reading = wants;
  if (!wants) {
    channel->carrier->read_stop(channel);
  } else if (channel->carrier->read_start(channel) != 0) {
    peri_channel_close(channel, PERI_ECLOSED);
  }
}

void peri_channel_close(peri_channel *channel, int code) {
  peri_owner_check(&channel->loop->owner);
  if (channel->state == PERI_CHANNEL_CLOSING) {
    return;
  }
  bool started = channel->state != PERI_CHANNEL_OPENED;
  channel->state = PERI_CHANNEL_CLOSING;
  channel->code = code;
  if (started) {
    peri_channel_update_reading(channel);
  }
  peri_loop_cancel(channel->loop, &channel->stall);
  peri_list_remove(&channel->touch);
  peri_list_remove(&channel->ready);
  peri_output_clear(channel->loop, &channel->out);
  channel->carrier->close(channel);
}

// Everything is out. The descriptor is not closed at once: closing it with unread input would make
// the system throw away what the peer has not yet read.
static void end_output(peri_channel *channel) {
  if (channel->ended) {
    peri_channel_close(channel, channel->code);
  } else if (!channel->shut) {
    channel->shut = true;
    channel->carrier->shutdown(channel);
    uint32_t stall = channel->limits.stall_ms;
    peri_loop_arm(channel->loop, &channel->stall, stall < LINGER_MS ? stall : LINGER_MS);
  }
}

void peri_channel_finish(peri_channel *channel) {
  peri_owner_check(&channel->loop->owner);
  if (channel->state == PERI_CHANNEL_OPENED) {
    peri_channel_close(channel, 0);
  }
  if (channel->state != PERI_CHANNEL_STARTED) {
    return;
  }
  channel->state = PERI_CHANNEL_FINISHING;
  peri_loop_arm(channel->loop, &channel->stall, channel->limits.stall_ms / 4);
  channel->stalls = 0;
  channel->stall_seen = peri_channel_bytes_out(channel);
  peri_channel_update_reading(channel);
  peri_channel_touch(channel);
}

bool peri_channel_is_closing(const peri_channel *channel) {
  return channel->state >= PERI_CHANNEL_FINISHING;
}

// Looks four times per stall_ms, so that a peer that reads nothing is found between one and one and
// a quarter of it.
static void check_stall(peri_timer *timer) {
  peri_channel *channel = peri_container(timer, peri_channel, stall);
  if (channel->shut) {
    peri_channel_close(channel, channel->code);
    return;
  }
  uint64_t out = peri_channel_bytes_out(channel);
  channel->stalls = out == channel->stall_seen ? (uint8_t)(channel->stalls + 1) : 0;
  channel->stall_seen = out;
  if (channel->stalls >= 4) {
    peri_limit_hit(PERI_LIMIT_OUTPUT_STALL);
    peri_log(PERI_LOG_WARN, "CHANNEL-STALL",
             "%s: took no output within output_stall = %u ms; the connection is closed",
             channel->peer != NULL ? channel->peer : "peer", channel->limits.stall_ms);
    peri_channel_close(channel, PERI_ETIMEOUT);
  } else {
    peri_loop_arm(channel->loop, timer, channel->limits.stall_ms / 4);
  }
}

// After a flush, or when what was in flight is gone.
static void settle_output(peri_channel *channel) {
  if (channel->full && peri_channel_pending(channel) <= channel->limits.high_water / 2) {
    channel->full = false;
    if (channel->handler->writable != NULL && channel->state == PERI_CHANNEL_STARTED) {
      channel->handler->writable(channel->arg, channel);
    }
  }
  if (channel->state == PERI_CHANNEL_CLOSING) {
    return;
  }
  bool stopped = channel->full && peri_channel_held(channel) == 0;  // a handshake needs to read
  if (channel->stopped != stopped) {
    channel->stopped = stopped;
    if (stopped) {
      peri_limit_hit(PERI_LIMIT_OUTPUT_HIGH_WATER);
    }
    peri_channel_update_reading(channel);
  }
  bool waits = channel->writing != NULL;
  if (channel->state == PERI_CHANNEL_FINISHING) {
    if (!waits && queued(channel) == 0) {
      end_output(channel);
    }
  } else if (!waits) {
    peri_loop_cancel(channel->loop, &channel->stall);
  } else if (channel->stall.link.next == &channel->stall.link) {
    channel->stalls = 0;
    channel->stall_seen = peri_channel_bytes_out(channel);
    peri_loop_arm(channel->loop, &channel->stall, channel->limits.stall_ms / 4);
  }
}

void peri_channel_sent(peri_channel *channel) {
  if (channel->state == PERI_CHANNEL_CLOSING) {
    return;
  }
  if (queued(channel) != 0) {
    peri_channel_touch(channel);
  }
  if (channel->state != PERI_CHANNEL_CLOSING) {
    settle_output(channel);
  }
}

static int encode_part(peri_transform *transform, const uint8_t *bytes, size_t len,
                       peri_buf *wire) {
  return transform->ops->encode(transform->self, (peri_bytes){bytes, len}, wire);
}

// Replaces the queue by its wire form.
static int encode_output(peri_channel *channel) {
  peri_transform *transform = channel->transform;
  peri_output *out = &channel->out;
  peri_output wire = {0};
  size_t from = 0;
  int code = 0;
  peri_loop_lend(channel->loop, &wire.buf);
  peri_buf_add(&wire.buf, transform->raw.data, transform->raw.len);
  peri_buf_fini(&transform->raw);
  for (uint32_t i = 0; i < out->count && code == 0; i++) {
    peri_piece *piece = &out->pieces[i];
    if (piece->at != from) {
      code = encode_part(transform, out->buf.data + from, piece->at - from, &wire.buf);
    }
    if (code == 0) {
      code = encode_part(transform, piece->bytes.ptr, piece->bytes.len, &wire.buf);
    }
    from = piece->at;
  }
  if (code == 0) {
    code = encode_part(transform, from < out->buf.len ? out->buf.data + from : NULL,
                       out->buf.len - from, &wire.buf);
  }
  peri_output_clear(channel->loop, out);
  *out = wire;
  return code;
}

static void flush(peri_channel *channel) {
  if (channel->state == PERI_CHANNEL_OPENED) {
    return;  // start touches it again
  }
  if (channel->writing == NULL && !channel->shut) {
    int code = channel->transform != NULL ? encode_output(channel) : 0;
    if (code < 0) {
      peri_channel_close(channel, code);
      return;
    }
    if (peri_output_len(&channel->out) != 0) {
      channel->carrier->send(channel);
    }
  }
  if (channel->state != PERI_CHANNEL_CLOSING) {
    settle_output(channel);
  }
}

static void move_list(peri_list *from, peri_list *to) {
  peri_list_init(to);
  if (!peri_list_empty(from)) {
    *to = *from;
    to->next->prev = to;
    to->prev->next = to;
    peri_list_init(from);
  }
}

void peri_channels_flush(peri_loop *loop) {
  peri_list touched;
  move_list(&loop->touched, &touched);
  for (peri_list *node; (node = peri_list_pop(&touched)) != NULL;) {
    flush(peri_container(node, peri_channel, touch));
  }
}

void peri_channels_deliver(peri_loop *loop) {
  peri_list ready;
  move_list(&loop->state->ready, &ready);
  for (peri_list *node; (node = peri_list_pop(&ready)) != NULL;) {
    peri_channel_deliver(peri_container(node, peri_channel, ready));
  }
}

void peri_channels_reap(peri_loop *loop) {
  peri_list closing;
  move_list(&loop->state->closing, &closing);
  for (peri_list *node; (node = peri_list_pop(&closing)) != NULL;) {
    peri_channel_closed(peri_container(node, peri_channel, touch));
  }
}

void peri_channel_set_peer(peri_channel *channel, const char *peer, bool local) {
  channel->peer = peri_strdup(peer);
  channel->local = local;
}

peri_loop *peri_channel_loop(const peri_channel *channel) {
  return channel->loop;
}

const char *peri_channel_peer(const peri_channel *channel) {
  return channel->peer != NULL ? channel->peer : "";
}

bool peri_channel_is_local(const peri_channel *channel) {
  return channel->local;
}

uint64_t peri_channel_bytes_in(const peri_channel *channel) {
  return channel->bytes_in;
}

uint64_t peri_channel_bytes_out(const peri_channel *channel) {
  size_t flying = channel->writing != NULL ? channel->carrier->in_flight(channel) : 0;
  return channel->bytes_out - flying;
}

uint64_t peri_channel_last_in_ms(const peri_channel *channel) {
  return channel->last_in_ms;
}
