import { writeFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

/** Loaded before a program that a bench runs (`--import`): at its end it writes down what all its threads have used. */
const path = process.env['ERPGW_BENCH_USAGE']
if (isMainThread && path !== undefined) {
  process.on('exit', () => {
    const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage()
    writeFileSync(path, JSON.stringify({ cpuMicros: userCPUTime + systemCPUTime, rssBytes: maxRSS * 1024 }))
  })
}
