import pg from 'pg'
import { expect, test } from 'vitest'
import type { Transport } from '../../../adapters/database/transport.ts'
import { createReader, keysOf } from '../../adapters/database/reader.ts'
import type { Database } from '../../kit/services.ts'
import { describeWithService } from '../../kit/services.ts'
import { connectTo } from './connection.ts'

/** No overlap at all: what is found late here is found by knowing which transactions are open. */
const FEED = {
  table: 'doc',
  key: ['no'],
  cursor: { strategy: 'watermark', columns: ['changed'], overlap: '0s' },
}

describeWithService(
  'postgres',
  'commits that come late to a PostgreSQL that tells what is open',
  (postgres) => {
    test('are found when they come, however late, in whatever order [P1 F29]', async () => {
      await using world = await makeWorld(await postgres.database())
      const [first, second, third] = [await world.begin(), await world.begin(), await world.begin()]
      await first.save(1)
      await second.save(2)
      await world.save(10)
      expect(await world.poll()).toEqual(['10'])
      await third.save(3)
      await world.save(11)
      expect(await world.poll()).toEqual(['11'])
      await second.commit()
      expect(await world.poll()).toEqual(['2'])
      await world.save(12)
      await first.commit()
      expect(await world.poll()).toEqual(['1', '12'])
      await third.commit()
      expect(await world.poll()).toEqual(['3'])
      expect(await world.poll()).toEqual([])
    })

    test('are found after a restart of the gateway, of transactions that were open at its first poll [F29]', async () => {
      await using world = await makeWorld(await postgres.database())
      const open = await world.begin()
      await open.save(1)
      await world.save(10)
      expect(await world.poll()).toEqual(['10'])
      await open.commit()
      expect(await (await world.restarted()).poll()).toContain('1')
    })

    test('are found of a transaction that had not written when it was first seen [F29]', async () => {
      await using world = await makeWorld(await postgres.database())
      const open = await world.begin()
      // now() is the moment at which the transaction began, whenever it writes.
      await open.query('SELECT now()')
      await world.save(10)
      expect(await world.poll()).toEqual(['10'])
      await open.query('INSERT INTO doc VALUES (1, now())')
      await world.save(11)
      expect(await world.poll()).toEqual(['11'])
      await open.commit()
      expect(await world.poll()).toEqual(['1'])
    })

    test('cost one look each, and nothing while they are waited for', async () => {
      await using world = await makeWorld(await postgres.database())
      const open = await world.begin()
      await open.save(0)
      for (let no = 100; no < 120; no += 1) await world.save(no)
      await world.poll()
      for (let polls = 0; polls < 5; polls += 1) {
        await world.save(200 + polls)
        await world.poll()
        // The highest row of the poll before is met again, and no more.
        expect(world.met()).toBeLessThanOrEqual(2)
      }
      await open.commit()
      expect(await world.poll()).toEqual(['0'])
      expect(world.met()).toBe(26)
      await world.poll()
      expect(world.met()).toBe(1)
    })

    test('are looked for by the overlap where the account may not see other transactions [F29]', async () => {
      await using world = await makeWorld(await postgres.database(), { mayMonitor: false, overlap: '10m' })
      const open = await world.begin()
      await open.save(1)
      await world.save(10)
      expect(await world.poll()).toEqual(['10'])
      await open.commit()
      expect(await world.poll()).toEqual(['1'])
    })
  },
)

type Open = Readonly<{
  save(no: number): Promise<void>
  query(text: string): Promise<void>
  commit(): Promise<void>
}>

type World = Readonly<{
  /** A transaction that stays open. */
  begin(): Promise<Open>
  /** Saves a row and commits it. */
  save(no: number): Promise<void>
  /** Keys of the rows that were read whole. */
  poll(): Promise<readonly string[]>
  /** How many rows the last poll met, whole or by their fingerprint. */
  met(): number
  /** The same feed at the same place, over a connection of its own. */
  restarted(): Promise<World>
  [Symbol.asyncDispose](): Promise<void>
}>

async function makeWorld(
  database: Database,
  of: Readonly<{ mayMonitor?: boolean; overlap?: string }> = {},
): Promise<World> {
  const clients: pg.Client[] = []
  const transports: Transport[] = []
  const connected = async (): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: database.url })
    await client.connect()
    clients.push(client)
    return client
  }
  const erp = await connected()
  const role = `reader_${database.name}`
  await erp.query(
    `CREATE TABLE doc (no int PRIMARY KEY, changed timestamptz NOT NULL); CREATE INDEX ON doc (changed, no);
     CREATE ROLE ${role} LOGIN PASSWORD 'read'; GRANT SELECT ON doc TO ${role};
     ${of.mayMonitor === false ? '' : `GRANT pg_read_all_stats TO ${role}`}`,
  )
  const url = new URL(database.url)
  url.username = role
  url.password = 'read'
  const feed = { ...FEED, cursor: { ...FEED.cursor, overlap: of.overlap ?? FEED.cursor.overlap } }
  const open = async (before: ReturnType<typeof createReader> | null): Promise<World> => {
    const transport = await connectTo(url.href)
    transports.push(transport)
    const reader = createReader(transport, feed, { remembers: true })
    if (before !== null) reader.resumeAt(before.cursor())
    let met = 0
    return {
      async begin() {
        const client = await connected()
        await client.query('BEGIN')
        const query = async (text: string) => void (await client.query(text))
        return {
          query,
          save: (no) => query(`INSERT INTO doc VALUES (${no}, clock_timestamp())`),
          commit: () => query('COMMIT'),
        }
      },
      save: async (no) => void (await erp.query(`INSERT INTO doc VALUES (${no}, clock_timestamp())`)),
      async poll() {
        const batches = await reader.poll()
        met = batches.reduce((sum, batch) => sum + batch.records.length + (batch.unchanged ?? []).length, 0)
        return keysOf(batches)
      },
      met: () => met,
      restarted: () => open(reader),
      async [Symbol.asyncDispose]() {
        for (const transport of transports) await transport.close()
        await erp.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
        for (const client of clients) await client.end()
        await database.drop()
      },
    }
  }
  return open(null)
}
