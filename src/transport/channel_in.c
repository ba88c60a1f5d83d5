// SPDX-License-Identifier: MIT
// Input. Bytes are read into the loop's shared block, so that an idle channel owns none. What `data`
// leaves is kept in a block of the channel's own:
//
// * of a small or unknown unit only the bytes left, exactly; the next read puts them in front of
//   what it reads into the shared block (one short copy, and many units still come in one read);
// * of a large unit a block into which the rest is read directly: of the unit's size, or, because a
//   size is easily claimed, of four times the bytes that came.
//
// A block with room is therefore read into, a block without is put in front.
#include "base/limit.h"
#include "base/log.h"
#include "base/mem.h"
#include "transport/channel_priv.h"

enum {
  DIRECT = 32 * 1024,      // bytes of the smallest unit that gets a block of its own
  LEAST_READ = 16 * 1024,  // bytes of the smallest read worth a system call
  TRUST = 256 * 1024       // bytes of the largest unit that is made room for as a whole at once
};

static peri_block *shared_block(peri_loop *loop, uint32_t prefix) {
  peri_block *block = loop->read_block;
  if (block != NULL && peri_block_is_alone(block)) {
    block->used = 0;
  } else if (block == NULL || block->cap - block->used < prefix + LEAST_READ) {
    peri_block_unref(block);
    loop->read_block = peri_loop_take_block(loop, PERI_READ_BLOCK);
  }
  return loop->read_block;
}

// Where reading into the own block ends. It may be larger than its unit, but what lies behind that
// would have to be moved.
static uint32_t wanted_end(const peri_channel *channel) {
  uint32_t unit = channel->unit;
  return unit != 0 && unit < channel->own->cap ? unit : channel->own->cap;
}

static bool reads_own(const peri_channel *channel) {
  return channel->own != NULL && channel->own->cap > channel->own->used;
}

uv_buf_t peri_channel_space(peri_channel *channel) {
  peri_loop *loop = channel->loop;
  uv_buf_t none = {NULL, 0};
  if (channel->read_turn != loop->turns) {
    channel->read_turn = loop->turns;
    channel->turn_in = 0;
  }
  if (channel->turn_in >= PERI_READ_BLOCK) {
    return none;  // the other channels first; the rest is announced again by the next poll
  }
  peri_block *own = channel->own;
  if (channel->transform == NULL && reads_own(channel)) {
    return (uv_buf_t){(char *)own->data + own->used, wanted_end(channel) - own->used};
  }
  uint32_t prefix = own != NULL && channel->transform == NULL ? own->used : 0;
  peri_block *block = shared_block(loop, prefix);
  if (block == NULL) {
    peri_channel_close(channel, PERI_ENO_MEMORY);
    return none;
  }
  char *base = (char *)block->data + block->used;
  if (prefix != 0) {
    memcpy(base, own->data, prefix);
  }
  return (uv_buf_t){base + prefix, block->cap - block->used - prefix};
}

// How large a block the `len` bytes left want.
static size_t own_size(const peri_channel *channel, size_t len) {
  if (channel->unit >= DIRECT) {
    size_t trusted = len * 4 > TRUST ? len * 4 : TRUST;
    return channel->unit < trusted ? channel->unit : trusted;
  }
  if (channel->unit == 0 && len >= DIRECT) {
    return len * 2 < channel->limits.unit ? len * 2 : channel->limits.unit;
  }
  return len;
}

// Many peers that each send half a message must not fill the memory together: false for one too many.
static bool may_keep(peri_channel *channel, size_t size) {
  if (channel->limits.partial == 0 || channel->loop->partial + size <= channel->limits.partial) {
    return true;
  }
  peri_limit_hit(PERI_LIMIT_PARTIAL_BYTES);
  peri_log(
      PERI_LOG_WARN, "PARTIAL-BYTES",
      "%s: closed with half a message; this worker keeps %llu bytes of such, partial_bytes = %u",
      channel->peer != NULL ? channel->peer : "?", (unsigned long long)channel->loop->partial,
      channel->limits.partial);
  return false;
}

// Keeps what `data` left. `from` is the block the bytes are in.
static void keep_rest(peri_channel *channel, peri_block *from, const uint8_t *rest, size_t len,
                      size_t need) {
  if (need > channel->limits.unit || len >= channel->limits.unit) {
    peri_channel_close(channel, PERI_ETOO_BIG);
    return;
  }
  channel->unit = need > len ? (uint32_t)need : 0;
  size_t size = own_size(channel, len);
  bool is_own = from != channel->loop->read_block;
  if (is_own && rest == from->data && peri_block_is_alone(from) && from->cap >= size) {
    peri_channel_set_own(channel, peri_block_ref(from));
    return;
  }
  if (!may_keep(channel, size)) {
    peri_channel_close(channel, PERI_EOVERLOADED);
    return;
  }
  peri_block *own = peri_loop_take_block(channel->loop, (uint32_t)size);
  if (own == NULL) {
    peri_channel_close(channel, PERI_ENO_MEMORY);
    return;
  }
  memcpy(own->data, rest, len);
  own->used = (uint32_t)len;
  peri_channel_set_own(channel, own);
}

// Calls `data` until it has seen all it wants, then keeps the rest.
static void present(peri_channel *channel, peri_block *block, const uint8_t *data, size_t len) {
  const peri_channel_handler *handler;
  void *arg;
  size_t need;
  do {
    handler = channel->handler;
    arg = channel->arg;
    need = 0;
    ssize_t used = handler->data(arg, channel, block, data, len, &need);
    if (channel->state != PERI_CHANNEL_STARTED) {
      return;
    }
    if (used < 0) {
      peri_channel_close(channel, (int)used);
      return;
    }
    peri_check((size_t)used <= len);
    data += used;
    len -= (size_t)used;
    // A new handler sees what the old one left.
  } while (len != 0 && channel->pauses == 0 &&
           (handler != channel->handler || arg != channel->arg));
  channel->held = len != 0 && channel->pauses != 0;
  channel->unit = 0;
  if (len != 0) {
    keep_rest(channel, block, data, len, need);
  }
}

// The channel's own block holds all there is.
static void present_own(peri_channel *channel) {
  peri_block *own = channel->own;
  peri_channel_set_own(channel, NULL);  // present may keep it again
  uint32_t len = own->used;
  present(channel, own, own->data, len);
  peri_block_unref(own);
}

static void present_shared(peri_channel *channel, size_t len) {
  peri_block *block = channel->loop->read_block;
  peri_block *prefix = channel->own;
  uint8_t *data = block->data + block->used;
  len += prefix != NULL ? prefix->used : 0;
  peri_channel_set_own(channel, NULL);
  if (len < channel->unit) {
    keep_rest(channel, block, data, len, channel->unit);
  } else {
    present(channel, block, data, len);
  }
  peri_block_unref(prefix);
  if (!peri_block_is_alone(block)) {
    block->used += (uint32_t)((len + 7) & ~(size_t)7);
    block->used = block->used < block->cap ? block->used : block->cap;
  }
}

// Makes room in the own block for `extra` bytes more.
static int grow_own(peri_channel *channel, size_t extra) {
  peri_block *own = channel->own;
  size_t used = own != NULL ? own->used : 0;
  size_t want = used + extra;
  want = want < channel->unit ? own_size(channel, want) : want;
  if (want > (size_t)channel->limits.unit + PERI_READ_BLOCK) {
    return PERI_ETOO_BIG;
  }
  if (own != NULL && own->cap - used >= extra) {
    return 0;
  }
  if (!may_keep(channel, want - (own != NULL ? own->cap : 0))) {
    return PERI_EOVERLOADED;
  }
  peri_block *grown = peri_loop_take_block(channel->loop, (uint32_t)want);
  if (grown == NULL) {
    return PERI_ENO_MEMORY;
  }
  if (used != 0) {
    memcpy(grown->data, own->data, used);
  }
  grown->used = (uint32_t)used;
  peri_channel_set_own(channel, grown);
  peri_block_unref(own);
  return 0;
}

static int append_plain(peri_channel *channel, peri_bytes plain) {
  int code = grow_own(channel, plain.len);
  if (code == 0) {
    memcpy(channel->own->data + channel->own->used, plain.ptr, plain.len);
    channel->own->used += (uint32_t)plain.len;
  }
  return code;
}

static void decode(peri_channel *channel, size_t len) {
  peri_transform *transform = channel->transform;
  peri_block *block = channel->loop->read_block;
  peri_bytes wire = {block->data + block->used, len};
  peri_loop_lend(channel->loop, &transform->plain);
  int code = transform->ops->decode(transform->self, wire, &transform->plain, &transform->raw);
  peri_bytes plain = {transform->plain.data, transform->plain.len};
  bool wanted = plain.len != 0 && channel->state == PERI_CHANNEL_STARTED;
  if (code >= 0 && wanted) {
    code = append_plain(channel, plain);
  }
  peri_loop_take_back(channel->loop, &transform->plain);
  if (code < 0) {
    peri_channel_close(channel, code);
    return;
  }
  if (transform->raw.len != 0) {
    peri_channel_touch(channel);
  }
  if (wanted && channel->own->used >= channel->unit) {
    present_own(channel);
  }
}

static void arrived_own(peri_channel *channel, size_t len) {
  channel->own->used += (uint32_t)len;
  if (channel->own->used >= channel->unit) {
    present_own(channel);
  } else if (!reads_own(channel)) {
    int code = grow_own(channel, 1);
    if (code != 0) {
      peri_channel_close(channel, code);
    }
  }
}

void peri_channel_arrived(peri_channel *channel, size_t len) {
  channel->turn_in += (uint32_t)len;
  channel->bytes_in += len;
  channel->last_in_ms = peri_loop_now_ms(channel->loop);
  if (channel->transform != NULL) {
    decode(channel, len);
  } else if (channel->state != PERI_CHANNEL_STARTED) {
    return;  // finishing: only the peer's end is of interest
  } else if (reads_own(channel)) {
    arrived_own(channel, len);
  } else {
    present_shared(channel, len);
  }
  if (channel->full && !channel->stopped && channel->state == PERI_CHANNEL_STARTED &&
      peri_channel_held(channel) == 0) {
    channel->stopped = true;
    peri_channel_update_reading(channel);
  }
}

void peri_channel_deliver(peri_channel *channel) {
  if (channel->state == PERI_CHANNEL_STARTED && channel->pauses == 0 && channel->held) {
    channel->held = false;
    present_own(channel);
  }
  if (channel->carrier->pump != NULL && channel->state != PERI_CHANNEL_CLOSING) {
    channel->carrier->pump(channel);
  }
}

void peri_channel_ended(peri_channel *channel, int code) {
  channel->ended = true;
  peri_channel_update_reading(channel);
  if (channel->state == PERI_CHANNEL_STARTED && channel->held && channel->pauses == 0) {
    channel->held = false;
    present_own(channel);
  }
  if (channel->state == PERI_CHANNEL_CLOSING) {
    return;
  }
  if (code == 0 && channel->state == PERI_CHANNEL_STARTED && channel->own != NULL) {
    code = PERI_ECLOSED;  // in the middle of a unit
  }
  if (code != 0) {
    peri_channel_close(channel, code);
  } else if (peri_channel_pending(channel) == 0) {
    peri_channel_close(channel, channel->code);
  } else {
    peri_channel_finish(channel);  // a peer that only shut its half still wants the replies
  }
}
