// SPDX-License-Identifier: MIT
// Socket channels before they are connected, for connect.c.
#pragma once
#include "transport/channel.h"

// A channel around a new, unconnected socket handle of `family` (AF_UNIX, else TCP).
peri_channel *peri_stream_new(peri_loop *loop, int family);
// Sets options and names once the connection stands.
void peri_stream_opened(peri_channel *channel);
// The PERI_E* for an error of libuv.
int peri_stream_code(int uv_error);
// "127.0.0.1:80", "[::1]:80", "unix". `text` has `size` bytes. Returns true for a local address.
bool peri_address_text(const struct sockaddr *address, char *text, size_t size);
