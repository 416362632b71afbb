import { spawn } from 'node:child_process'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createEmbeddedLog, openEmbeddedReader } from '../../gateway/log/embedded.ts'
import { createRuntime } from '../../gateway/node/runtime.ts'

export type FollowerResult = Readonly<{
  appended: number
  /** As the follower in another process counted them. */
  followed: number
  logBytes: number
  /** The largest that the write-ahead log was, looked at ten times a second. */
  walBytesMax: number
}>

/** The bound that the embedded log keeps, whoever reads beside it. */
export const WAL_BYTES_MAX = 64_000_000

const TOPIC = 'erp.item.v1'
const RECORDS = 500
const VALUE = new Uint8Array(600).fill(65)

/**
 * Appends without a pause for so long while another process follows the log from its beginning. What a reader can do to
 * a writer is to hold up checkpoints, so that the write-ahead log grows without end.
 */
export async function followUnderLoad(
  folder: string,
  durationMs: number,
  report: (line: string) => void,
): Promise<FollowerResult> {
  const runtime = createRuntime()
  const log = await createEmbeddedLog({ folder, runtime, partitions: 1, diskMaxBytes: 60_000_000_000 })
  const { signal } = new AbortController()
  await log.ensure([{ name: TOPIC, cleanup: 'delete', keepMs: 3_600_000 }], signal)
  const follower = startFollower(folder)
  const writer = await log.writer('load', signal)
  const records = Array.from({ length: RECORDS }, (_, index) => ({
    topic: TOPIC,
    key: `k${index}`,
    value: VALUE,
  }))
  let appended = 0
  let walBytesMax = 0
  let told = 0
  const watch = setInterval(() => {
    walBytesMax = Math.max(walBytesMax, sizeOf(join(folder, 'log.sqlite-wal')))
  }, 100)
  const began = performance.now()
  while (performance.now() - began < durationMs) {
    const commit = await writer.transact({ records }, signal)
    if (commit.kind !== 'committed') throw new Error(`The log answered ${JSON.stringify(commit)}.`)
    appended += RECORDS
    if (performance.now() - told > 30_000) {
      told = performance.now()
      report(
        `${Math.round((told - began) / 1_000)} s: ${appended} records, WAL at most ${(walBytesMax / 1e6).toFixed(1)} MB`,
      )
    }
  }
  clearInterval(watch)
  const followed = await follower.until(appended)
  const logBytes = sizeOf(join(folder, 'log.sqlite'))
  await writer.close()
  await log.close()
  return { appended, followed, logBytes, walBytesMax }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

/** This file as a process of its own: follows the log and prints how many records it has read. */
function startFollower(folder: string) {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let read = 0
  let buffered = ''
  child.stdout.on('data', (chunk: Buffer) => {
    buffered += chunk.toString()
    const lines = buffered.split('\n')
    buffered = lines.pop() ?? ''
    read = Number(lines.at(-1) ?? read)
  })
  return {
    /** Waits until it has caught up, for a minute at most, and ends it. */
    async until(count: number): Promise<number> {
      for (let tries = 0; read < count && tries < 600; tries += 1) {
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
      child.kill('SIGKILL')
      return read
    },
  }
}

async function follow(folder: string): Promise<void> {
  const reader = openEmbeddedReader({ folder, runtime: createRuntime() })
  const { signal } = new AbortController()
  let read = 0
  for await (const chunk of reader.follow({ topic: TOPIC, partition: 0 }, 0, signal)) {
    read += chunk.records.length
    process.stdout.write(`${read}\n`)
  }
}

if (import.meta.main) await follow(process.argv[2] ?? '')
