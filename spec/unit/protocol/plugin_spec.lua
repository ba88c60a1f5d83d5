-- SPDX-License-Identifier: MIT
-- Every way in which a shared object can fail to be the plugin that was asked for, and one that is.
local ffi = require 'ffi'
local c = require 'spec.support.c'

local lib = c.cdef('protocol/plugin.h', 'protocol/compression.h', 'protocol/serializer.h')

local folder

local HEAD = [[
#include <perilune.h>
static const peri_plugin_host *host;
static int keep(const peri_plugin_host *given, peri_err *err) {
  (void)err;
  host = given;
  return 0;
}
static int refuse(const peri_plugin_host *given, peri_err *err) {
  return given->fail(err, PERI_PLUGIN_INTERNAL, "needs a %s", "moon");
}
static int refuse_silently(const peri_plugin_host *given, peri_err *err) {
  (void)given, (void)err;
  return PERI_PLUGIN_INTERNAL;
}
static int copy(peri_bytes in, peri_buf *out) {
  peri_append(host, out, in.ptr, in.len);
  return 0;
}
static int copy_back(peri_bytes in, size_t max, peri_buf *out) {
  return in.len > max ? PERI_PLUGIN_TOO_BIG : copy(in, out);
}
#define COPY(called, number)                                                       \
  static const peri_compression_ops ops = {.name = called,                         \
                                           .id = number,                           \
                                           .compress = copy,                       \
                                           .decompress = copy_back};
#define PLUGIN PERI_EXPORT const peri_plugin perilune_plugin =
void unused(void);
void unused(void) {
  (void)keep, (void)refuse, (void)refuse_silently, (void)copy_back;
}
]]

-- Compiles the text and loads it; returns what was wrong.
local function load(name, text, point)
  local source = ('%s/%s.c'):format(folder, name)
  local object = ('%s/%s.so'):format(folder, name)
  local file = assert(io.open(source, 'w'))
  file:write(HEAD, text)
  file:close()
  local command = ('cc -std=c11 -Wall -Wextra -Werror -shared -fPIC -I%s/src -o %s %s'):format(
    c.root,
    object,
    source
  )
  assert.equal(0, os.execute(command))
  local err = ffi.new 'peri_err'
  local rc = lib.peri_plugin_load(object, point or 'compression', name, err)
  return rc == 0 and 'ok' or ffi.string(err.text):gsub(folder .. '/', '', 1), object
end

describe('a C plugin', function()
  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute('mkdir -m 700 ' .. folder) == 0)
  end)
  teardown(function()
    os.execute('rm -rf ' .. folder)
  end)

  it('is loaded, registered and used; twice is once', function()
    local said, object = load(
      'copy',
      [[
COPY("copy", 120)
PLUGIN{PERI_PLUGIN_HEAD, .point = "compression", .name = "copy", .init = keep, .compression = &ops};
]]
    )
    assert.equal('ok', said)
    assert.equal(0, lib.peri_plugin_load(object, 'compression', 'copy', nil))
    local found = lib.peri_compression_by_name 'copy'
    assert.equal(120, found.id)
    local out = c.buf()
    assert.equal(0, found.compress(c.bytes 'moon', out))
    assert.equal('moon', c.string(out))
  end)

  it('may be a serializer', function()
    local said = load(
      'text',
      [[
typedef struct encoder {
  peri_buf *out;
  peri_err *err;
  int count;
} encoder;
static int on_string(void *self, const char *text, size_t len) {
  encoder *e = self;
  e->count++;
  peri_append(host, e->out, text, len);
  return 0;
}
static int on_bytes(void *self, const uint8_t *data, size_t len) {
  return on_string(self, (const char *)data, len);
}
static int on_null(void *self) {
  encoder *e = self;
  return host->fail(e->err, PERI_PLUGIN_BAD_REQUEST, "text carries one string, not %s", "nothing");
}
static const peri_sink_ops sink_ops = {.string = on_string, .bytes = on_bytes, .null = on_null};
static void begin(void *memory, peri_buf *out, const peri_value_limits *limits, peri_err *err,
                  peri_sink *sink) {
  (void)limits;
  encoder *e = memory;
  *e = (encoder){.out = out, .err = err};
  *sink = (peri_sink){&sink_ops, e};
}
static int finish(void *memory) {
  return ((encoder *)memory)->count == 1 ? 0 : PERI_PLUGIN_BAD_REQUEST;
}
static int decode(peri_bytes in, const peri_value_limits *limits, peri_sink *sink, size_t *used,
                  peri_err *err) {
  if (in.len > limits->string) {
    return host->fail(err, PERI_PLUGIN_TOO_BIG, "too long");
  }
  if (used != NULL) {
    *used = in.len;
  }
  return sink->ops->string(sink->self, (const char *)in.ptr, in.len);
}
static const peri_serializer_ops ops = {.name = "text",
                                        .provider = NULL,
                                        .id = 125,
                                        .encoder_init = begin,
                                        .encoder_finish = finish,
                                        .decode = decode};
PLUGIN{PERI_PLUGIN_HEAD, .point = "serializer", .name = "text", .init = keep, .serializer = &ops};
]],
      'serializer'
    )
    assert.equal('ok', said)
    local text = lib.peri_serializer_by_id(125)
    local json = lib.peri_serializer_by_name 'json'
    local limits = ffi.new('peri_value_limits', 64, 1000, 1000, 8)
    local err, out = ffi.new 'peri_err', c.buf()
    local transcode = lib.peri_serializer_transcode
    assert.equal(0, transcode(json, c.bytes '"moon"', text, limits, out, err))
    assert.equal('moon', c.string(out))
    out = c.buf()
    assert.equal(0, transcode(text, c.bytes 'moon', json, limits, out, err))
    assert.equal('"moon"', c.string(out))
    assert.equal(lib.PERI_EBAD_REQUEST, transcode(json, c.bytes 'null', text, limits, out, err))
    assert.equal('text carries one string, not nothing', ffi.string(err.text))
    assert.equal(lib.PERI_ETOO_BIG, transcode(text, c.bytes '123456789', json, limits, out, err))
  end)

  -- file name, its text, what is said
  local wrong = {
    {
      'other_abi',
      [[PLUGIN{.abi = PERI_ABI + 1, .size = sizeof(peri_plugin)};]],
      "compression 'other_abi': made for ABI 4, this perilune has ABI 3; "
        .. 'compile it anew against its perilune.h (other_abi.so)',
    },
    {
      'no_entry',
      [[int perilune_plug_in;]],
      "compression 'no_entry': no_entry.so: has no symbol perilune_plugin, so it is no plugin; "
        .. 'see perilune.h',
    },
    {
      'empty',
      [[PLUGIN{.abi = PERI_ABI};]],
      "compression 'empty': empty.so: its perilune_plugin is not filled; "
        .. 'begin it with PERI_PLUGIN_HEAD',
    },
    {
      'elsewhere',
      [[PLUGIN{PERI_PLUGIN_HEAD, .point = "serializer", .name = "elsewhere"};]],
      "compression 'elsewhere': elsewhere.so: is a plugin for the point 'serializer'",
    },
    {
      'renamed',
      [[PLUGIN{PERI_PLUGIN_HEAD, .point = "compression", .name = "zip"};]],
      "compression 'renamed': renamed.so: calls itself 'zip'",
    },
    {
      'no_ops',
      [[PLUGIN{PERI_PLUGIN_HEAD, .point = "compression", .name = "no_ops"};]],
      "compression 'no_ops': no_ops.so: its `compression` misses a member; "
        .. 'see peri_compression_ops',
    },
    {
      'same_id',
      [[
COPY("same_id", 121)
PLUGIN{PERI_PLUGIN_HEAD, .point = "compression", .name = "same_id", .compression = &ops};]],
      "compression 'same_id': id 121 is that of 'first'",
    },
    {
      'public_id',
      [[
COPY("public_id", 7)
PLUGIN{PERI_PLUGIN_HEAD, .point = "compression", .name = "public_id", .compression = &ops};]],
      "compression 'public_id': public_id.so: its id must be from 112 to 127",
    },
    {
      'lz4',
      [[
COPY("lz4", 122)
PLUGIN{PERI_PLUGIN_HEAD, .point = "compression", .name = "lz4", .compression = &ops};]],
      "compression 'lz4': already exists",
    },
    {
      'refuses',
      [[PLUGIN{PERI_PLUGIN_HEAD, .point = "compression", .name = "refuses", .init = refuse};]],
      'needs a moon',
    },
    {
      'sulks',
      [[PLUGIN{PERI_PLUGIN_HEAD, .point = "compression", .name = "sulks",
              .init = refuse_silently};]],
      "compression 'sulks': its init() failed: internal error",
    },
    {
      'other_point',
      [[PLUGIN{PERI_PLUGIN_HEAD, .point = "filter", .name = "other_point"};]],
      "filter 'other_point': other_point.so: plugins of this point are written in Lua; "
        .. 'C has compression and serializer',
      'filter',
    },
    {
      'half',
      [[
static const peri_serializer_ops ops = {.name = "half", .id = 119};
PLUGIN{PERI_PLUGIN_HEAD, .point = "serializer", .name = "half", .serializer = &ops};]],
      "serializer 'half': half.so: its `serializer` misses a member; see peri_serializer_ops",
      'serializer',
    },
  }

  for _, case in ipairs(wrong) do
    it(('%s is refused'):format(case[1]), function()
      if case[1] == 'same_id' then
        assert.equal('ok', (load(
          'first',
          [[
COPY("first", 121)
PLUGIN{PERI_PLUGIN_HEAD, .point = "compression", .name = "first", .compression = &ops};]]
        )))
      end
      assert.equal(case[3], (load(case[1], case[2], case[4])))
    end)
  end

  it('that is no shared object is refused', function()
    local path = folder .. '/nonsense.so'
    local file = assert(io.open(path, 'w'))
    file:write 'not an object'
    file:close()
    local err = ffi.new 'peri_err'
    assert.equal(lib.PERI_ECONFIG, lib.peri_plugin_load(path, 'compression', 'nonsense', err))
    assert.matches(
      "^compression 'nonsense': cannot be loaded: .*nonsense%.so",
      ffi.string(err.text)
    )
  end)
end)
