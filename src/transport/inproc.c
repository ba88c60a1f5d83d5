// SPDX-License-Identifier: MIT
// A pair of channels. `send` hands the whole output to the other end as its inbox, which it reads in
// its next turn, when it wants to: what it has not read counts as the sender's pending output, so
// that back-pressure, limits and stalls work as with a socket whose kernel buffer is empty.
#include "transport/inproc.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "transport/channel_priv.h"

struct peri_inproc {
  peri_list link;  // in the loop's list
  char *name;      // owned
  void (*accepted)(void *arg, peri_channel *channel);
  void *arg;
};

static void make_ready(peri_channel *channel) {
  if (channel->state != PERI_CHANNEL_CLOSING && peri_list_empty(&channel->ready)) {
    peri_list_push(&channel->loop->state->ready, &channel->ready);
  }
}

static void free_write(peri_channel *channel, peri_write *write) {
  peri_output_clear(channel->loop, &write->out);
  free(write);
}

static void send_output(peri_channel *channel) {
  peri_channel *other = channel->io.pair.other;
  if (other == NULL) {
    peri_channel_close(channel, PERI_ECLOSED);
    return;
  }
  peri_write *write = peri_calloc(1, sizeof *write);
  write->channel = channel;
  write->out = channel->out;
  channel->out = (peri_output){0};
  channel->bytes_out += peri_output_len(&write->out);
  channel->writing = write;
  other->io.pair.inbox = write;
  make_ready(other);
}

static size_t in_flight(const peri_channel *channel) {
  return peri_output_len(&channel->writing->out) - channel->writing->done;
}

static int read_start(peri_channel *channel) {
  make_ready(channel);
  return 0;
}

static void read_stop(peri_channel *channel) {
  (void)channel;
}

// Copies from the inbox to `space`. Returns the bytes copied.
static size_t take(peri_write *write, uv_buf_t space) {
  size_t copied = 0;
  uv_buf_t part;
  while (copied < space.len && peri_output_buffers(&write->out, write->done, &part, 1) != 0) {
    size_t len = part.len < space.len - copied ? part.len : space.len - copied;
    memcpy(space.base + copied, part.base, len);
    copied += len;
    write->done += len;
  }
  return copied;
}

// One read. Returns false when there is nothing to read now.
static bool read_once(peri_channel *channel) {
  peri_write *write = channel->io.pair.inbox;
  if (write == NULL || !channel->reading) {
    return false;
  }
  uv_buf_t space = peri_channel_space(channel);
  if (space.base == NULL) {
    make_ready(channel);  // had its share of this turn
    return false;
  }
  size_t len = take(write, space);
  bool whole = write->done == peri_output_len(&write->out);
  if (whole) {
    channel->io.pair.inbox = NULL;
  }
  peri_channel_arrived(channel, len);
  if (whole) {
    peri_channel *sender = write->channel;
    free_write(channel, write);
    if (sender != NULL) {
      sender->writing = NULL;
      peri_channel_sent(sender);
    }
  }
  return true;
}

static void pump(peri_channel *channel) {
  while (read_once(channel)) {
  }
  if (channel->state != PERI_CHANNEL_CLOSING && channel->io.pair.inbox == NULL &&
      channel->io.pair.ended && channel->reading) {
    peri_channel_ended(channel, channel->io.pair.end_code);
  }
}

static void end_output(peri_channel *channel) {
  peri_channel *other = channel->io.pair.other;
  if (other != NULL) {
    other->io.pair.ended = true;
    make_ready(other);
  }
}

// The sender has nothing to wait for any more: it goes on reading, up to the end that it was told of.
static void drop_unread(peri_channel *channel, peri_write *inbox) {
  peri_channel *sender = inbox->channel;
  if (sender != NULL) {
    sender->writing = NULL;
    sender->full = sender->stopped = false;
    peri_channel_update_reading(sender);
  }
  free_write(channel, inbox);
}

static void close_end(peri_channel *channel) {
  peri_channel *other = channel->io.pair.other;
  peri_write *inbox = channel->io.pair.inbox;
  if (channel->writing != NULL) {
    channel->writing->channel = NULL;
    channel->writing = NULL;
  }
  if (other != NULL) {
    other->io.pair.other = NULL;
    other->io.pair.end_code = inbox != NULL ? PERI_ECLOSED : 0;
    end_output(channel);
    if (!other->io.pair.ended) {
      other->io.pair.ended = true;
      make_ready(other);
    }
  }
  if (inbox != NULL) {
    channel->io.pair.inbox = NULL;
    drop_unread(channel, inbox);
  }
  channel->loop->state->inproc_open--;
  peri_list_push(&channel->loop->state->closing, &channel->touch);
}

static const peri_carrier_ops pair_carrier = {
    .send = send_output,
    .in_flight = in_flight,
    .read_start = read_start,
    .read_stop = read_stop,
    .shutdown = end_output,
    .pump = pump,
    .close = close_end,
};

int peri_channel_pair(peri_loop *loop, peri_channel *ends[2]) {
  for (int i = 0; i < 2; i++) {
    ends[i] = peri_channel_new(loop, &pair_carrier);
    peri_channel_set_peer(ends[i], "inproc", true);
  }
  ends[0]->io.pair.other = ends[1];
  ends[1]->io.pair.other = ends[0];
  loop->state->inproc_open += 2;
  return 0;
}

static peri_inproc *find(peri_loop *loop, const char *name) {
  peri_list *head = &loop->state->inproc;
  for (peri_list *node = head->next; node != head; node = node->next) {
    peri_inproc *listener = peri_container(node, peri_inproc, link);
    if (strcmp(listener->name, name) == 0) {
      return listener;
    }
  }
  return NULL;
}

peri_inproc *peri_inproc_listen(peri_loop *loop, const char *name,
                                void (*accepted)(void *arg, peri_channel *channel), void *arg,
                                peri_err *err) {
  if (find(loop, name) != NULL) {
    peri_fail(err, PERI_EALREADY_EXISTS, "listen on inproc://%s: the name is taken", name);
    return NULL;
  }
  peri_inproc *listener = peri_calloc(1, sizeof *listener);
  listener->name = peri_strdup(name);
  listener->accepted = accepted;
  listener->arg = arg;
  peri_list_push(&loop->state->inproc, &listener->link);
  return listener;
}

void peri_inproc_close(peri_inproc *listener) {
  peri_list_remove(&listener->link);
  free(listener->name);
  free(listener);
}

typedef struct dial {
  peri_message message;
  char *name;  // owned
  peri_connected_fn connected;
  void *arg;
} dial;

static void run_dial(peri_message *message, peri_loop *loop) {
  dial *d = peri_container(message, dial, message);
  peri_inproc *listener = find(loop, d->name);
  if (listener == NULL) {
    char why[160];
    snprintf(why, sizeof why, "connect to inproc://%.64s: nothing listens there in this worker",
             d->name);
    d->connected(d->arg, NULL, PERI_EUNAVAILABLE, why);
  } else {
    peri_channel *ends[2];
    peri_channel_pair(loop, ends);
    listener->accepted(listener->arg, ends[1]);
    d->connected(d->arg, ends[0], 0, NULL);
  }
  free(d->name);
  free(d);
}

static int connect_inproc(peri_loop *loop, const char *address, uint32_t timeout_ms,
                          peri_connected_fn connected, void *arg, peri_err *err) {
  (void)timeout_ms;
  if (address[0] == '\0') {
    return peri_fail(err, PERI_ECONFIG, "connect to inproc://: write inproc://name");
  }
  dial *d = peri_calloc(1, sizeof *d);
  d->message.run = run_dial;
  d->name = peri_strdup(address);
  d->connected = connected;
  d->arg = arg;
  peri_loop_post(loop, &d->message);  // never from inside this call
  return 0;
}

const peri_transport_ops peri_transport_inproc = {"inproc", connect_inproc};
