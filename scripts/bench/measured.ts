import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** What a program has used: CPU time of all its threads, the most memory that was resident, and how long it took. */
export type Usage = Readonly<{ cpuSeconds: number; rssMegabytes: number; seconds: number }>

const PRELOAD = new URL('./usage.ts', import.meta.url).href

/** Runs a program of Node to its end, which must be a good one, and answers what it has used. */
export async function measured(
  args: readonly string[],
  options: Readonly<{ folder: string; environment?: Readonly<Record<string, string>> }>,
): Promise<Usage> {
  const usageFile = join(options.folder, `usage-${process.hrtime.bigint()}.json`)
  const began = performance.now()
  const child = spawn(process.execPath, ['--import', PRELOAD, ...args], {
    cwd: options.folder,
    env: { ...process.env, ...options.environment, ERPGW_BENCH_USAGE: usageFile },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      printed = `${printed}${chunk.toString()}`.slice(-PRINTED_MAX)
    })
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}:\n${printed}`)
  const { cpuMicros, rssBytes } = JSON.parse(readFileSync(usageFile, 'utf8'))
  const seconds = (performance.now() - began) / 1000
  return { cpuSeconds: cpuMicros / 1e6, rssMegabytes: rssBytes / 1e6, seconds }
}

/** What is shown of a program that failed. */
const PRINTED_MAX = 4_000

/** Of all files in a folder. */
export function folderBytes(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

/** A figure that must be reached. */
export type Goal = Readonly<{ what: string; value: number; limit: number; unit: string }>

/** One line for each goal; false where one is missed. */
export function tellGoals(goals: readonly Goal[], print: (line: string) => void): boolean {
  for (const { what, value, limit, unit } of goals) {
    const verdict = value <= limit ? 'met   ' : 'MISSED'
    print(`${verdict} ${what}: ${value.toFixed(1)} ${unit}, at most ${limit} ${unit}`)
  }
  return goals.every(({ value, limit }) => value <= limit)
}
