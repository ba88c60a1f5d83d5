// SPDX-License-Identifier: MIT
// Channels inside one loop: the same contract as a socket, without one. A listener is a name on its
// loop; `inproc://name` connects to it. One thread.
#pragma once
#include "transport/channel.h"

typedef struct peri_inproc peri_inproc;

// Listens as `name` (copied). `accepted` receives the other end of each connection, not started.
// Returns owned until peri_inproc_close, or NULL with err when the name is taken.
peri_inproc *peri_inproc_listen(peri_loop *loop, const char *name,
                                void (*accepted)(void *arg, peri_channel *channel), void *arg,
                                peri_err *err);
// Connections made stay open. Before peri_loop_fini.
void peri_inproc_close(peri_inproc *listener);

extern const peri_transport_ops peri_transport_inproc;
