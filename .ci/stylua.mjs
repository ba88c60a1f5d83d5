// SPDX-License-Identifier: MIT
// Checks (or with --write rewrites) Lua files with the stylua library of the npm registry, by the
// settings of .stylua.toml. usage: node stylua.mjs MODULE-DIR [--write] FILE...
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const [dir, ...rest] = process.argv.slice(2);
const write = rest[0] === '--write';
const files = write ? rest.slice(1) : rest;
const lib = createRequire(dir + '/')('@johnnymorganz/stylua');

const kinds = {
  indent_type: lib.IndentType,
  line_endings: lib.LineEndings,
  quote_style: lib.QuoteStyle,
  call_parentheses: lib.CallParenType,
  collapse_simple_statement: lib.CollapseSimpleStatement,
};

function config() {
  const made = lib.Config.new();
  for (const line of readFileSync('.stylua.toml', 'utf8').split('\n')) {
    const found = line.match(/^(\w+) *= *(?:"(\w+)"|(\d+))/);
    if (found) {
      const [, key, name, number] = found;
      const value = name === undefined ? Number(number) : kinds[key][name];
      if (value === undefined) throw new Error(`.stylua.toml: ${key} cannot be ${name}`);
      made[key] = value;
    }
  }
  return made;
}

// The first line that differs, which is enough to find the place.
function place(file, before, after) {
  const a = before.split('\n');
  const b = after.split('\n');
  const n = a.findIndex((line, i) => line !== b[i]);
  return `${file}:${n + 1}: not as stylua writes it\n  is:     ${a[n]}\n  should: ${b[n]}`;
}

// Formatting once is not always where formatting twice ends.
function settled(text) {
  for (let turn = 0; turn < 8; turn++) {
    const next = lib.formatCode(text, config(), undefined, lib.OutputVerification.None);
    if (next === text) break;
    text = next;
  }
  return text;
}

let failed = 0;
for (const file of files) {
  const before = readFileSync(file, 'utf8');
  let after;
  try {
    after = settled(before);
  } catch (error) {
    console.log(`${file}: ${error.message ?? error}`);
    failed++;
    continue;
  }
  if (after !== before && write) {
    writeFileSync(file, after);
  } else if (after !== before) {
    console.log(place(file, before, after));
    failed++;
  }
}
process.exit(failed === 0 ? 0 : 1);
