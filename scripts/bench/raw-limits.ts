import { DatabaseSync } from 'node:sqlite'
import { createKafkaLog, type KafkaClientName } from '../../gateway/log/kafka.ts'
import { createRuntime } from '../../gateway/node/runtime.ts'
import { type KeyOrder, PAGE_ROWS, readPayments } from './payments.ts'

/**
 * `node raw-limits.ts read URL | produce CLIENT BROKER ROWS BYTES | sqlite FILE ROWS ORDER`: one thing that a gateway
 * cannot do without, and nothing else, as a process of its own.
 */
const TOPIC = 'erp.payment.v1'
const NEVER = new AbortController().signal
/** A key and hashes, as a projection keeps them at the least. */
const ROW_BYTES = 80

const [what, first = '', second = '', third = '', fourth = ''] = process.argv.slice(2)
if (what === 'read') await readPayments(first)
else if (what === 'produce') await produce(first as KafkaClientName, second, Number(third), Number(fourth))
else if (what === 'sqlite') insert(first, Number(second), third as KeyOrder)
else throw new Error(`There is no raw limit ${what}.`)
process.exit(0)

/** Values of so many bytes under keys as payments have them, in transactions of a page, by our own batches. */
async function produce(client: KafkaClientName, broker: string, rows: number, bytes: number): Promise<void> {
  const [host = '', port = ''] = broker.split(':')
  const log = createKafkaLog({
    client,
    access: { clientId: 'bench', tls: null, sasl: null, connectMs: 5_000 },
    brokers: [{ host, port: Number(port) }],
    prefix: `raw-${client}-${process.pid}.`,
    partitions: 6,
    replication: null,
    resolve: async (name) => name,
    runtime: createRuntime(),
  })
  await log.ensure([{ name: TOPIC, cleanup: 'compact', keepMs: 3_600_000 }], NEVER)
  const writer = await log.writer('bench', NEVER)
  const value = Buffer.alloc(bytes, 'x')
  const headers = { 'content-type': 'application/cloudevents+json; charset=UTF-8' }
  for (let from = 0; from < rows; from += PAGE_ROWS) {
    const records = Array.from({ length: Math.min(PAGE_ROWS, rows - from) }, (_, index) => ({
      topic: TOPIC,
      key: `bench/001/${String(from + index).padStart(10, '0')}`,
      value,
      headers,
    }))
    const { kind } = await writer.transact({ records }, NEVER)
    if (kind !== 'committed') throw new Error(`A transaction was ${kind}.`)
  }
  await log.close()
}

function insert(file: string, rows: number, order: KeyOrder): void {
  const database = new DatabaseSync(file)
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF')
  database.exec('CREATE TABLE rows (key TEXT PRIMARY KEY, row BLOB NOT NULL) STRICT, WITHOUT ROWID')
  const statement = database.prepare('INSERT INTO rows (key, row) VALUES (?, ?)')
  const row = Buffer.alloc(ROW_BYTES, 1)
  for (let from = 0; from < rows; from += PAGE_ROWS) {
    database.exec('BEGIN')
    for (let index = from; index < Math.min(from + PAGE_ROWS, rows); index += 1) {
      const key = order === 'ascending' ? index : Number((BigInt(index) * 611_953n) % 15_485_863n)
      statement.run(String(key).padStart(10, '0'), row)
    }
    database.exec('COMMIT')
  }
  database.close()
}
