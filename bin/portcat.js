#!/usr/bin/env node
"use strict";
const { main } = require("../dist/portcat.js");

void main(process.argv.slice(2));
