// SPDX-License-Identifier: MIT
// A listening socket, bound once by the process. Accepting happens on one loop (the control
// worker's); what happens to an accepted socket is the owner's decision: it hands the descriptor to
// the worker with the fewest connections, where peri_channel_from_fd makes it a channel.
#pragma once
#include "base/err.h"
#include "transport/loop.h"

typedef struct peri_listener peri_listener;

typedef struct peri_listen_options {
  int backlog;         // default 1024
  uint32_t unix_mode;  // permissions of a unix socket, default 0600
} peri_listen_options;

// Binds and listens; a taken port is an error here, nothing is accepted yet. `url`: tcp://host:port
// (port 0 = chosen by the system), unix:///path (a stale socket file nobody answers on is
// replaced). A socket for that address that was passed to this process is taken over instead
// (transport/inherit.h). Returns NULL with `err` set to a sentence that names the address and what to do.
peri_listener *peri_listener_open(const char *url, const peri_listen_options *options,
                                  peri_err *err);
// The bound URL with the real port. Borrowed.
const char *peri_listener_url(const peri_listener *listener);
// Begins accepting on `loop`. `accepted` receives a non-blocking, close-on-exec descriptor with
// TCP_NODELAY set, which it owns. When descriptors run out, accepting pauses and resumes by itself.
int peri_listener_start(peri_listener *listener, peri_loop *loop,
                        void (*accepted)(void *arg, peri_listener *listener, int fd), void *arg);
// Stops accepting but keeps the socket (drain). Idempotent. Loop thread.
void peri_listener_stop(peri_listener *listener);
// Stops, closes, removes a unix socket file, frees once the loop has let go.
void peri_listener_close(peri_listener *listener);
