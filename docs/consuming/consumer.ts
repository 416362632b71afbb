import { DatabaseSync } from 'node:sqlite'
import { Kafka } from 'kafkajs'

/**
 * Keeps a table of items as the gateway publishes them, each event once. The table remembers lineage and revision of
 * each key, so what comes again (a restart, a rebalance, a topic read anew) is known and changes nothing.
 *
 *     BROKERS=localhost:9092 TOPIC=erp.item.v1 GROUP=items DATABASE=items.sqlite node consumer.ts
 */
const { BROKERS = 'localhost:9092', TOPIC = 'erp.item.v1', GROUP = 'items' } = process.env
const database = new DatabaseSync(process.env['DATABASE'] ?? 'items.sqlite')
database.exec(`CREATE TABLE IF NOT EXISTS item
  (key TEXT PRIMARY KEY, lineage TEXT NOT NULL, revision INTEGER NOT NULL, deleted INTEGER NOT NULL, data TEXT NOT NULL)`)
const upsert = database.prepare(`INSERT INTO item VALUES (?, ?, ?, ?, ?)
  ON CONFLICT (key) DO UPDATE SET lineage = excluded.lineage, revision = excluded.revision,
    deleted = excluded.deleted, data = excluded.data
  WHERE (excluded.lineage, excluded.revision) > (item.lineage, item.revision)`)

/** The part of the envelope that a table needs. Fields that are not known are left alone. */
type Event = Readonly<{ type: string; lineage: string; revision: number; data: unknown }>

// kafkajs hands over committed records only, unless it is asked for others (`readUncommitted`).
const consumer = new Kafka({ clientId: 'items', brokers: BROKERS.split(',') }).consumer({ groupId: GROUP })
process.once('SIGTERM', () => void consumer.disconnect())
await consumer.connect()
await consumer.subscribe({ topics: [TOPIC], fromBeginning: true })
await consumer.run({
  eachMessage: async ({ message }) => {
    const key = message.key?.toString() ?? ''
    const event: Event = JSON.parse(message.value?.toString() ?? '')
    console.log(`${apply(key, event) ? 'applied' : 'known'} ${event.type} ${key} r${event.revision}`)
  },
})

/** Whether the event was news. What follows from it belongs into the same transaction. */
function apply(key: string, { type, lineage, revision, data }: Event): boolean {
  const isDeleted = type.endsWith('.deleted.v1') ? 1 : 0
  return upsert.run(key, lineage, revision, isDeleted, JSON.stringify(data)).changes === 1
}
