-- SPDX-License-Identifier: MIT
-- Handlers run in the worker that the call came to.
return { where = 'worker' }
