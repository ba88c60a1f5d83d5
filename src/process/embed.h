// SPDX-License-Identifier: MIT
// The runtime inside another program, behind perilune.h: what threads of that program and the
// runtime's own tell each other. One per process at a time.
#pragma once
#include "process/process.h"

// What the runtime tells; `embed` outlives the process. Any thread.
void peri_embed_began(peri_embed *embed, peri_process *process);
void peri_embed_ready(peri_embed *embed);
// Why the script did not start: what peri_runtime_run leaves as its message.
void peri_embed_failed(peri_embed *embed, const char *why);
// The process is about to be freed: calls that wait fail.
void peri_embed_ended(peri_embed *embed);
// The end of call `id`: a result (code 0) or the text of an error. Unknown ids are ignored.
void peri_embed_answer(peri_embed *embed, uint64_t id, int code, const char *text, size_t len);
