#!/usr/bin/env node
// Committed, so that package managers can link it before the package is built.
import "../dist/runctl-conformance.js";
