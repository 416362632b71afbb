#!/usr/bin/env node
// Starts the gateway, as JavaScript where it was built (an installed package), else straight from TypeScript (a
// checkout). Plain JavaScript of an old dialect, so that an old Node reads far enough to be told what is wrong.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const NODE_MAJOR = 24

const major = Number(process.versions.node.split('.')[0])
if (major < NODE_MAJOR) {
  console.error(
    `erpgw needs Node ${NODE_MAJOR} or newer; this is Node ${process.versions.node} (${process.execPath}). ` +
      `Install Node ${NODE_MAJOR}, or in a checkout of the project use "npm run erpgw --", which brings its own.`,
  )
  process.exit(1)
}

// Node strips no types below node_modules, and a checkout never runs what an earlier "npm pack" left in dist/.
const source = new URL('../main.ts', import.meta.url)
await import(
  existsSync(fileURLToPath(source))
    ? source.href
    : new URL('../../dist/gateway/main.js', import.meta.url).href
)
