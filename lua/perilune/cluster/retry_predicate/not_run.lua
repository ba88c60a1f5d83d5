-- SPDX-License-Identifier: MIT
-- Only what the server did not run for certain, even of idempotent calls.
return {
  name = 'not_run',
  retry_predicate = function(_, _, err)
    return err.outcome == 'NOT_SENT' or err.outcome == 'REFUSED'
  end,
}
