import { createEmbeddedLog } from '../../gateway/log/embedded.ts'
import type { KafkaClientName } from '../../gateway/log/kafka.ts'
import type { Log, TopicSpec } from '../../gateway/log/port.ts'
import { createRuntime } from '../../gateway/node/runtime.ts'
import { plainKafka } from '../../test/kit/plain-kafka.ts'
import { PAGE_ROWS } from './payments.ts'

/** `node log-load.ts append|read DRIVER WHERE ROWS BYTES`: one log at work, as a process of its own. */
const TOPIC: TopicSpec = { name: 'erp.payment.v1', cleanup: 'compact', keepMs: 86_400_000 }
const PARTITIONS = 6
const NEVER = new AbortController().signal
const HEADERS = { 'content-type': 'application/cloudevents+json; charset=UTF-8' }

const [what, driver = '', where = '', rows = '', bytes = ''] = process.argv.slice(2)
const log = await open()
await log.ensure([TOPIC], NEVER)
if (what === 'append') await append(log, Number(rows), Number(bytes))
else await readAll(log, Number(rows))
await log.close()
process.exit(0)

async function open(): Promise<Log> {
  const runtime = createRuntime()
  if (driver === 'embedded') {
    return await createEmbeddedLog({
      folder: where,
      runtime,
      partitions: PARTITIONS,
      diskMaxBytes: 50_000_000_000,
    })
  }
  return plainKafka(driver as KafkaClientName, where, { prefix: `${driver}.`, partitions: PARTITIONS })
}

async function append(to: Log, count: number, size: number): Promise<void> {
  const writer = await to.writer('bench', NEVER)
  const value = Buffer.alloc(size, 'x')
  for (let from = 0; from < count; from += PAGE_ROWS) {
    const records = Array.from({ length: Math.min(PAGE_ROWS, count - from) }, (_, index) => ({
      topic: TOPIC.name,
      key: `bench/001/${String(from + index).padStart(10, '0')}`,
      value,
      headers: HEADERS,
    }))
    const { kind } = await writer.transact({ records }, NEVER)
    if (kind !== 'committed') throw new Error(`A transaction was ${kind}.`)
  }
}

async function readAll(from: Log, count: number): Promise<void> {
  let found = 0
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    for await (const { records } of from.readTo({ topic: TOPIC.name, partition }, 0, { signal: NEVER })) {
      found += records.length
    }
  }
  if (found !== count) throw new Error(`${count} records were written, ${found} are read.`)
}
