import { writeSync } from 'node:fs'
import { createEmbeddedLog } from '../../../gateway/log/embedded.ts'
import { partitionOf } from '../../../gateway/log/partition.ts'
import type { Draft, Log, TopicSpec } from '../../../gateway/log/port.ts'
import { readFailpoint } from '../../../gateway/node/kill-failpoints.ts'
import { createRuntime } from '../../../gateway/node/runtime.ts'

/** Kept whole, so that a reader can count. */
export const HISTORY: TopicSpec = { name: 'erp.history.v1', cleanup: 'compact', keepMs: 10 ** 12 }
/** Pruned all the time while it is written. */
export const STATE: TopicSpec = { name: 'gateway.state', cleanup: 'compact', keepMs: 0 }

export const LANES = ['lane-0', 'lane-1', 'lane-2', 'lane-3']
export const PARTITIONS = 3

/** The position of this group says how many transactions of a lane were committed. */
export function progressOf(lane: string): Readonly<{ group: string; topic: string; partition: number }> {
  return { group: lane, topic: HISTORY.name, partition: partitionOf(lane, PARTITIONS) }
}

/**
 * A process that tests kill. Each lane goes on from where the log says that it is, and writes one line for each
 * transaction: `<lane> <number>` when it is known to be committed, and `!` with the answer when it is another, which
 * ends the lane.
 */
async function live(folder: string, failpoint: string, partBytes: number): Promise<void> {
  const runtime = createRuntime()
  const never = new AbortController().signal
  const setting = failpoint === '-' ? {} : { failpoint: readFailpoint(failpoint) }
  const log = await createEmbeddedLog({
    folder,
    runtime,
    partitions: PARTITIONS,
    diskMaxBytes: 1_000_000_000,
    ...setting,
  })
  await log.ensure([HISTORY, STATE], never)
  writeSync(1, '. ready\n')
  const stopping = new AbortController()
  const pruning = (async () => {
    while (!stopping.signal.aborted) await log.prune(runtime.wall() + 1, never)
  })().catch((error: unknown) => writeSync(1, `! ${error}\n`))
  await Promise.all(LANES.map((lane) => write(log, lane, partBytes)))
  stopping.abort()
  await pruning
  await log.close()
}

async function write(log: Log, lane: string, partBytes: number): Promise<void> {
  const never = new AbortController().signal
  const writer = await log.writer(lane, never)
  const { group, ...at } = progressOf(lane)
  const padding = ' '.repeat(partBytes)
  for (let number = ((await log.position(group, at, never)) ?? 0) + 1; ; number += 1) {
    const draft = ({ name }: TopicSpec, key: string): Draft => {
      return { topic: name, key, value: Buffer.from(`${number}${padding}`) }
    }
    const records = [draft(HISTORY, lane), draft(HISTORY, `${lane}/second`), draft(STATE, lane)]
    const answer = await writer.transact({ records, positions: [{ group, ...at, position: number }] }, never)
    if (answer.kind !== 'committed') return void writeSync(1, `! ${JSON.stringify(answer)}\n`)
    writeSync(1, `${lane} ${number}\n`)
  }
}

const [, script = '', folder, failpoint = '-', partBytes = '300'] = process.argv
if (folder !== undefined && import.meta.url.endsWith(script.split('/').at(-1) ?? '')) {
  await live(folder, failpoint, Number(partBytes))
}
