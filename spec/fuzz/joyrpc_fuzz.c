// SPDX-License-Identifier: MIT
// The JoyRPC machine; bit 1 of the first byte: after a native negotiation.
#include "machine_fuzz.h"
#include "protocol/joyrpc/joyrpc.h"

static void make_native(peri_conn *conn, uint8_t first) {
  if ((first & 2) == 0) {
    return;
  }
  peri_session *session = peri_conn_session_new(conn, 1, peri_bytes_of("i"), peri_bytes_of("a"));
  session->native = conn->native = true;
  session->timeout_ms = 90000;
  session->serializer = peri_serializer_by_id(PERI_SER_MSGPACK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  return fuzz_machine(&peri_joyrpc, data, len, make_native);
}
