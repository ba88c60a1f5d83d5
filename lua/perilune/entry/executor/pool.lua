-- SPDX-License-Identifier: MIT
-- Handlers run in the process's executors (setting `executors`), one call at a time in each.
return { where = 'pool' }
