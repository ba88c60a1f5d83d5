# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# What the examples with a Java half share; sourced by their `run`, which says where it lies: $here.
bin=${PERI_BIN:-$here/../../build/release/perilune}
target=$here/target
command -v mvn >/dev/null && command -v java >/dev/null || {
  echo 'run: needs java and mvn (Debian: default-jdk-headless maven)' >&2
  exit 1
}
command -v "$bin" >/dev/null || {
  echo "run: no $bin: ./dev build makes it, or PERI_BIN names another" >&2
  exit 1
}

work=$(mktemp -d)
started=
finish() {
  code=$?
  trap - EXIT INT TERM
  exec 9>&- # the Java provider ends with its input
  # shellcheck disable=SC2086
  [ -z "$started" ] || { kill $started && wait $started || :; } 2>/dev/null
  [ "$code" -eq 0 ] || tail -n 20 "$work"/*.log >&2 || :
  rm -rf "$work"
  exit $code
}
trap finish EXIT INT TERM

# What the libraries reach into, which a JDK above 8 forbids; 8 itself does not read the variable.
opens=${JDK_JAVA_OPTIONS-}
for package in lang lang.reflect util util.concurrent time math io net text; do
  opens="$opens --add-opens java.base/java.$package=ALL-UNNAMED"
done

# It runs where the classes are: JoyRPC compiles some of its own beside itself, Dubbo keeps files.
java_run() {
  cd "$target"
  JDK_JAVA_OPTIONS=$opens exec java -Xmx256m -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
    -cp 'example.jar:.:lib/*' "$@"
}

# port_in FILE PID: the port that the process has written at the end of a line.
port_in() {
  tries=0
  until found=$(sed -n 's/.*[: ]\([0-9]*\)$/\1/p' "$1" 2>/dev/null) && [ -n "$found" ]; do
    tries=$((tries + 1))
    if [ "$tries" -gt 600 ] || ! kill -0 "$2" 2>/dev/null; then
      echo 'run: a provider did not start' >&2
      exit 1
    fi
    sleep 0.05
  done
  echo "$found"
}

if [ ! -f "$target/example.jar" ] || [ -n "$(find "$here/src" "$here/pom.xml" -newer "$target/example.jar")" ]; then
  echo 'building the Java half'
  mvn -q -B -f "$here/pom.xml" package >"$work/maven.log" 2>&1
fi

# Starts both providers, Lua's at the address given; their ports are $lua_port and $java_port.
providers() {
  PERILUNE_PORT_FILE=$work/lua.port "$bin" run --workers 1 "$here/provider.lua" -- "$1" \
    >"$work/lua.log" 2>&1 &
  lua=$!
  started=$lua
  mkfifo "$work/input"
  java_run demo.Provider <"$work/input" >"$work/java.port" 2>"$work/provider.log" &
  java=$!
  started="$lua $java"
  exec 9>"$work/input"
  lua_port=$(port_in "$work/lua.port" $lua)
  java_port=$(port_in "$work/java.port" $java)
}
