import { parentPort, workerData } from 'node:worker_threads'
import { connectEmbeddedLog, type EmbeddedDescriptor } from '../../../gateway/log/embedded.ts'
import { createRuntime } from '../../../gateway/node/runtime.ts'
import { ORDERS } from '../../kit/log-contract.ts'

/** A source's thread: writes 50 transactions of its own, reads them back, and tells how many it found. */
type Settings = Readonly<{ descriptor: EmbeddedDescriptor; lane: string }>

async function live({ descriptor, lane }: Settings): Promise<void> {
  const never = new AbortController().signal
  const log = connectEmbeddedLog(descriptor, createRuntime())
  const writer = await log.writer(lane, never)
  let found = 0
  for (let number = 1; number <= 50; number += 1) {
    const records = [{ topic: ORDERS.name, key: lane, value: Buffer.from(String(number)) }]
    const answer = await writer.transact({ records }, never)
    const [placed] = answer.kind === 'committed' ? answer.placed : []
    if (placed === undefined) throw new Error(JSON.stringify(answer))
    const at = { topic: ORDERS.name, partition: placed.partition }
    for await (const { records } of log.readTo(at, placed.offset, { signal: never })) {
      found += records.filter(({ key, offset }) => key === lane && offset === placed.offset).length
    }
  }
  await writer.close()
  await log.close()
  parentPort?.postMessage(found)
}

await live(workerData)
