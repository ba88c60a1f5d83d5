// SPDX-License-Identifier: MIT
// Listening sockets of the process and the hand-over of what they accept: each connection goes to
// the worker that has the fewest. Control thread.
#pragma once
#include "process/process.h"

// Binds; nothing is accepted yet. `protocols` is kept. Returns the bound URL, borrowed until
// stopped, or NULL with err.
const char *peri_accept_listen(peri_process *process, const char *url, const char *const *protocols,
                               peri_err *err);
// Begins to accept on all bound sockets.
int peri_accept_start(peri_process *process, peri_err *err);
// Closes the socket bound to that URL; connections accepted there stay. False when there is none.
bool peri_accept_end(peri_process *process, const char *url);
// Closes all listening sockets, so that new clients are refused at once and go elsewhere.
void peri_accept_stop(peri_process *process);
// The bound URLs, borrowed. Returns their count.
size_t peri_accept_urls(const peri_process *process, const char *urls[PERI_LISTENERS_MAX]);
