# Writes the Lua module that returns what stands between FFI-BEGIN and FFI-END in a header.
# usage: cmake -DIN=header -DOUT=module.lua -P ffi_cdef.cmake
file(READ ${IN} text)
string(FIND "${text}" "/* FFI-BEGIN */" begin)
string(FIND "${text}" "/* FFI-END */" end)
if(begin EQUAL -1 OR end EQUAL -1 OR end LESS begin)
  message(FATAL_ERROR "${IN}: needs a region between /* FFI-BEGIN */ and /* FFI-END */")
endif()
math(EXPR length "${end} - ${begin}")
string(SUBSTRING "${text}" ${begin} ${length} region)
file(WRITE ${OUT} "-- Made from src/lua/ffi.h by the build.\nreturn [=[\n${region}]=]\n")
