import { writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { isMainThread } from 'node:worker_threads'

/** How late the loop of a main thread came to its timers. */
export type LoopLag = Readonly<{ p99Ms: number; maxMs: number }>

/**
 * Loaded before a gateway by `--import`, so that the program itself stays as it is: measures how late the loop of its
 * main thread comes to a timer, and leaves that in a file when the process ends.
 */
const EVERY_MS = 10

const path = process.env['ISOLATION_LAG_FILE']
if (isMainThread && path !== undefined) {
  const delay = monitorEventLoopDelay({ resolution: EVERY_MS })
  // Loading its code is not yet work of a gateway.
  const started = setTimeout(() => delay.enable(), 3_000)
  started.unref()
  process.on('exit', () => {
    // What is measured is the whole interval.
    const ms = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - EVERY_MS)
    const lag: LoopLag = { p99Ms: ms(delay.percentile(99)), maxMs: ms(delay.max) }
    writeFileSync(path, JSON.stringify(lag))
  })
}
