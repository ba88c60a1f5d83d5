// SPDX-License-Identifier: MIT
#include "entry/call_ffi.h"

#include "entry/executor.h"
#include "transport/channel.h"

static const peri_call *call_at(const peri_server *server, uint32_t slot, uint32_t gen) {
  return peri_server_call(server, (peri_id)gen << 32 | slot);
}

static const peri_channel *channel_of(const peri_call *call) {
  return call->conn != NULL ? call->conn->channel : NULL;
}

static bool checked(const peri_call *call) {
  return call->session != NULL && !call->foreign && call->session->authenticated;
}

uint32_t peri_call_facts(const peri_server *server, uint32_t slot, uint32_t gen) {
  const peri_call *call = call_at(server, slot, gen);
  if (call == NULL) {
    return 0;
  }
  const peri_channel *channel = channel_of(call);
  bool inside = peri_call_is_local(call);
  bool local = inside || (call->hired && call->job->is_local) ||
               (channel != NULL && peri_channel_is_local(channel));
  bool native = inside || (call->session != NULL && call->session->native);
  return (local ? PERI_FACT_LOCAL : 0u) | (inside || checked(call) ? PERI_FACT_AUTHENTICATED : 0u) |
         (native ? PERI_FACT_NATIVE : 0u) | (call->oneway ? PERI_FACT_ONEWAY : 0u);
}

const char *peri_call_peer(const peri_server *server, uint32_t slot, uint32_t gen) {
  const peri_call *call = call_at(server, slot, gen);
  if (call == NULL || call->local) {
    return call != NULL ? "inproc" : NULL;
  }
  if (call->hired) {
    return call->job->peer;
  }
  const peri_channel *channel = channel_of(call);
  return channel != NULL ? peri_channel_peer(channel) : "gone";
}

const char *peri_call_identity(const peri_server *server, uint32_t slot, uint32_t gen) {
  const peri_call *call = call_at(server, slot, gen);
  return call != NULL && call->session != NULL && !call->foreign ? call->session->identity : NULL;
}
