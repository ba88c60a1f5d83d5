// SPDX-License-Identifier: MIT
// Listening sockets that whoever started this process passed to it (systemd's socket activation:
// LISTEN_PID, LISTEN_FDS; descriptors from 3 on). They stay open for good: a listener gets a
// descriptor of its own, so that an address can be listened on again after a reload.
#pragma once
#include <sys/socket.h>
#include <sys/un.h>

#include "base/err.h"

struct addrinfo;

// A passed socket that listens on one of `list`, or, with `any`, on every address and the same port;
// a new non-blocking, close-on-exec descriptor, or -1 when there is none.
int peri_inherit_tcp(const struct addrinfo *list, bool any);
// The same for the path of a unix socket.
int peri_inherit_unix(const struct sockaddr_un *address);
// Logs each passed socket that nobody asked for.
void peri_inherit_warn(void);
