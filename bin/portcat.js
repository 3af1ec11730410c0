#!/usr/bin/env node
"use strict";
const {
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} = require("node:fs");
const { enableCompileCache } = require("node:module");
const { isAbsolute } = require("node:path");
const { Script } = require("node:vm");

const program = `${__dirname}/../dist/portcat.js`;

/**
 * A folder for what V8 makes of the program, so that the next run need not make it again. Not Node's
 * default below /tmp, but one that nobody else can write to or has put in the way: what is in there
 * is run.
 */
function cacheFolder() {
  const { HOME, XDG_CACHE_HOME, NODE_DISABLE_COMPILE_CACHE } = process.env;
  const uid = process.getuid?.();
  // A relative one is to be ignored (XDG Base Directory Specification).
  const given = isAbsolute(XDG_CACHE_HOME ?? "");
  if (uid === undefined || NODE_DISABLE_COMPILE_CACHE || !(given || HOME)) return undefined;
  const parent = given ? XDG_CACHE_HOME : `${HOME}/.cache`;
  const folder = `${parent}/portcat`;
  try {
    if (!given && statSync(HOME).uid !== uid) return undefined;
    for (const each of [parent, folder])
      if (!lstatSync(each, { throwIfNoEntry: false })) mkdirSync(each, { mode: 0o700 });
    const found = lstatSync(folder);
    const ours = found.uid === uid && statSync(parent).uid === uid;
    return ours && found.isDirectory() && !(found.mode & 0o022) ? folder : undefined;
  } catch {
    // A home that is not there or not ours: no cache.
    return undefined;
  }
}

/**
 * What was kept for this source, or undefined. The source is kept, too, for V8 compares nothing but
 * its length; what V8 made of it twice, to be compared, for V8 does not survive a damaged one.
 */
function readCache(file, source) {
  try {
    // Not a pipe, which would be waited for.
    if (!lstatSync(file).isFile()) return undefined;
    const kept = readFileSync(file);
    const half = (kept.length - source.length) / 2;
    const [first, second] = [kept.subarray(source.length, -half), kept.subarray(-half)];
    const same = half > 0 && source.equals(kept.subarray(0, source.length));
    return same && first.equals(second) ? first : undefined;
  } catch {
    // The first run.
    return undefined;
  }
}

function writeCache(file, source, data) {
  const unfinished = `${file}.${process.pid}`;
  try {
    writeFileSync(unfinished, Buffer.concat([source, data, data]), { flag: "wx", mode: 0o600 });
    renameSync(unfinished, file);
  } catch {
    // A folder that is full or cannot be written: no cache, and nothing is left there.
    try {
      unlinkSync(unfinished);
    } catch {
      // It was not made.
    }
  }
}

/** What Node does by itself since 22.1, for the one file that we have. */
function requireCached(folder) {
  const file = `${folder}/${process.version}-${process.arch}`;
  const source = readFileSync(program);
  const cachedData = readCache(file, source);
  const text = `(function (exports, require, module) {${source}\n})`;
  const script = new Script(text, { filename: program, cachedData });
  if (cachedData === undefined || script.cachedDataRejected)
    process.once("exit", () => writeCache(file, source, script.createCachedData()));
  const module = { exports: {} };
  script.runInThisContext()(module.exports, require, module);
  return module.exports;
}

const folder = cacheFolder();
if (folder) enableCompileCache?.(folder);
const { main } = folder && !enableCompileCache ? requireCached(folder) : require(program);

void main(process.argv.slice(2));
