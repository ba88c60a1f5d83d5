// SPDX-License-Identifier: MIT
// The Node side of the hessian cases: hessian.js, warm.
//
//   NODE_PATH=FOLDER/node_modules node hessian.js SECONDS < order.hex
'use strict';
const fs = require('fs');
const hessian = require('hessian.js');

const bytes = Buffer.from(fs.readFileSync(0, 'latin1').trim(), 'hex');
const seconds = Number(process.argv[2] || 2);
// With their types, so that encoding writes the same classes again.
const value = hessian.decode(bytes, '2.0', true);

function measure(work) {
  let best = Infinity;
  for (let round = -1; round < 5; round++) {
    const end = process.hrtime.bigint() + BigInt(Math.floor((seconds / 12) * 1e9));
    const began = process.cpuUsage();
    let runs = 0;
    while (process.hrtime.bigint() < end) {
      for (let i = 0; i < 100; i++) work();
      runs += 100;
    }
    const used = process.cpuUsage(began);
    if (round >= 0) best = Math.min(best, (used.user + used.system) / runs);
  }
  return best;
}

const decode_us = measure(() => hessian.decode(bytes, '2.0'));
const encode_us = measure(() => hessian.encode(value, '2.0'));
console.log(JSON.stringify({ decode_us, encode_us }));
