#!/usr/bin/env node
"use strict";
const { mkdirSync, statSync } = require("node:fs");
const { enableCompileCache } = require("node:module");

// Since Node 22.1: what V8 made of the program is kept for the next run. In a folder of the user's
// own, not in Node's default below /tmp, where others could leave us something to run.
const { HOME, XDG_CACHE_HOME = `${HOME}/.cache` } = process.env;
if (HOME && enableCompileCache && process.getuid) {
  const folder = `${XDG_CACHE_HOME}/portcat`;
  try {
    for (const each of [XDG_CACHE_HOME, folder])
      if (!statSync(each, { throwIfNoEntry: false })) mkdirSync(each, { mode: 0o700 });
    if (statSync(folder).uid === process.getuid()) enableCompileCache(folder);
  } catch {
    // A home that is not there or not ours: no cache.
  }
}

const { main } = require("../dist/portcat.js");

void main(process.argv.slice(2));
