// SPDX-License-Identifier: MIT
// A consumer made of the npm package dubbo-remoting: runs its cases against demo.Probe at the address
// given and prints what Java's Cases print.
//
//   NODE_PATH=FOLDER/node_modules node dubbo.js HOST PORT
'use strict';

const net = require('net');
const remoting = require('dubbo-remoting');

const [host, port] = process.argv.slice(2);
const sentReqs = new Map();
const encoder = remoting.encoder({ sentReqs });
const decoder = remoting.decoder({ sentReqs });
const socket = net.connect(Number(port), host);
encoder.pipe(socket);
socket.pipe(decoder);

const waiting = new Map();
let last = 0;
decoder.on('response', (res) => waiting.get(res.packetId)(res.data));
decoder.on('heartbeat_ack', (beat) => waiting.get(beat.packetId)(beat));

function send(write) {
  const id = ++last;
  return new Promise((resolve) => {
    waiting.set(id, resolve);
    write(id);
  });
}

// The result, or an Error with the exception's text.
async function call(methodName, ...args) {
  const req = { serverSignature: 'demo.Probe', group: 'prod', methodName, args, timeout: 5000 };
  const { error, appResponse } = await send((id) => {
    sentReqs.set(id, { req });
    encoder.writeRequest(id, req);
  });
  if (error || appResponse instanceof Error) {
    throw error || appResponse;
  }
  return appResponse;
}

const typed = ($class, $) => ({ $class, $ });
const text = (value) => typed('java.lang.String', value);

function same(expected, seen) {
  const [a, b] = [expected, seen].map((value) => JSON.stringify(value));
  return a === b ? null : `expected ${a}, got ${b}`;
}

const person = typed('demo.Person', {
  name: text('Ada'), age: typed('int', 36), active: typed('boolean', true), score: typed('double', 2.5),
});

const cases = {
  sync: async () => same('Hi moon', await call('sayHello', text('moon'))),
  void: async () => same(null, (await call('touch')) ?? null),
  'null argument': async () => same(null, (await call('echoString', text(null))) ?? null),
  boolean: async () => same(true, await call('echoBoolean', typed('boolean', true))),
  int: async () => same(-70000, await call('echoInt', typed('int', -70000))),
  long: async () => same(1099511627776, await call('echoLong', typed('long', 1099511627776))),
  double: async () => same(0.5, await call('echoDouble', typed('double', 0.5))),
  String: async () => same('\u00e9\u6708\n"', await call('echoString', text('\u00e9\u6708\n"'))),
  List: async () => same(['a', 'b'], await call('echoList', typed('java.util.List', ['a', 'b']))),
  Map: async () => same({ k: 'v' }, await call('echoMap', typed('java.util.Map', { k: 'v' }))),
  object: async () => {
    const back = await call('echoPerson', person);
    return same(['Ada', 36, true, 2.5], [back.name, back.age, back.active, back.score]);
  },
  'undeclared exception': async () => {
    try {
      await call('failUnchecked', text('broken'));
      return 'nothing was thrown';
    } catch (e) {
      return e.message.includes('broken') ? null : e.message;
    }
  },
  heartbeat: async () => same(true, !!(await send((id) => encoder.writeHeartbeat(id, {})))),
};

async function main() {
  for (const [name, body] of Object.entries(cases)) {
    const wrong = await body().catch((e) => `threw ${e.message}`);
    console.log(wrong === null ? `ok ${name}` : `not ok ${name}: ${wrong.replace(/\s+/g, ' ')}`);
  }
  socket.end();
}

setTimeout(() => process.exit(1), 20000).unref();
main();
