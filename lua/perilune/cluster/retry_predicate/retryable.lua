-- SPDX-License-Identifier: MIT
-- What is repeated when nothing else is said: what was not sent or refused, and of idempotent calls
-- what the node is to blame for.
return {
  name = 'retryable',
  retry_predicate = function(_, _, err)
    return err.retryable
  end,
}
