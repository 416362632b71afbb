import { createServer } from 'node:net'
import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { adapter } from '../../../adapters/database/adapter.ts'
import { reviewHash } from '../../../adapters/database/select-guard.ts'
import type { Transport } from '../../../adapters/database/transport.ts'
import { createRuntime } from '../../../gateway/node/runtime.ts'
import { testEdges } from '../../adapters/database/edges.ts'
import { POSTGRES_EDGES } from '../../adapters/database/postgres-edges.ts'
import { postgresWords } from '../../adapters/database/postgres-words.ts'
import { createReader, keysOf, recordsOf } from '../../adapters/database/reader.ts'
import { testSituations } from '../../adapters/database/situations.ts'
import type { TableSource } from '../../adapters/database/tables.ts'
import { TABLE_WORLDS } from '../../adapters/database/tables.ts'
import { written } from '../../adapters/database/words.ts'
import { testAdapter } from '../../kit/adapter-contract.ts'
import { everythingIn } from '../../kit/adapter-surroundings.ts'
import type { Postgres } from '../../kit/services.ts'
import { describeWithService } from '../../kit/services.ts'
import { connectTo } from './postgres-connection.ts'

const NEVER = new AbortController().signal
const LONG_MS = 900_000

describeWithService('postgres', 'the database adapter on a real PostgreSQL', (postgres) => {
  for (const { title, make } of TABLE_WORLDS)
    describe('keeps its promises', { timeout: LONG_MS }, () => {
      testAdapter(`for a table read ${title}`, {
        adapter,
        world: async () => make(await schemaOf(postgres)),
      })
    })
  describe('in a table', () => {
    testSituations(postgresWords, () => schemaOf(postgres))
    testEdges(POSTGRES_EDGES, () => schemaOf(postgres))
  })
  describe('with others at work', () => testOthersAtWork(postgres))
  describe('and its server', () => testServer(postgres))
})

function testOthersAtWork(postgres: Postgres): void {
  const cursor = { strategy: 'watermark', columns: ['changed'], overlap: [{ reach: '10m' }] }

  test('delivers what is committed below the highest value already read [F29]', async () => {
    await using database = await postgres.database()
    const [slow, fast] = [await connected(database.url), await connected(database.url)]
    await fast.query('CREATE TABLE doc (no int PRIMARY KEY, changed timestamptz NOT NULL)')
    await slow.query('BEGIN')
    await slow.query('INSERT INTO doc VALUES (10, clock_timestamp())')
    await fast.query('INSERT INTO doc VALUES (11, clock_timestamp())')
    const reader = createReader(await connectTo(database.url), { table: 'doc', key: ['no'], cursor })
    expect(keysOf(await reader.poll())).toEqual(['11'])
    await slow.query('COMMIT')
    expect(keysOf(await reader.poll())).toEqual(['10', '11'])
    await Promise.all([slow.end(), fast.end(), reader.session.close()])
  })

  test('delivers what is committed late while a broken-off round waits [F29]', async () => {
    await using database = await postgres.database()
    const erp = await connected(database.url)
    await erp.query('CREATE TABLE doc (no int PRIMARY KEY, changed timestamptz NOT NULL)')
    await erp.query("INSERT INTO doc SELECT no, now() - interval '2 hours' FROM generate_series(1, 9) no")
    const feed = { table: 'doc', key: ['no'], cursor }
    const reader = createReader(await connectTo(database.url), feed, { batchRecordsMax: 3 })
    await reader.poll(2)
    // Behind the place where the round was broken off, and then an hour of newer rows.
    await erp.query("INSERT INTO doc VALUES (0, now() - interval '2 hours' - interval '5 minutes')")
    await erp.query('INSERT INTO doc SELECT no, now() FROM generate_series(20, 29) no')
    expect(new Set(keysOf(await reader.poll()))).toContain('0')
    await Promise.all([erp.end(), reader.session.close()])
  })

  test('ends at the true versions while rows change under its pages [F31]', async () => {
    await using database = await postgres.database()
    const erp = await connected(database.url)
    await erp.query(
      `CREATE TABLE doc (no int PRIMARY KEY, version int NOT NULL, changed timestamptz NOT NULL);
       INSERT INTO doc SELECT no, 1, clock_timestamp() FROM generate_series(1, 500) no`,
    )
    const feed = { table: 'doc', key: ['no'], cursor }
    const reader = createReader(await connectTo(database.url), feed, { batchRecordsMax: 20 })
    const seen = new Map<string, number>()
    const takeAll = (batches: Awaited<ReturnType<typeof reader.poll>>) => {
      for (const { key, data } of recordsOf(batches)) {
        expect(Number(data['version'])).toBeGreaterThanOrEqual(seen.get(key) ?? 0)
        seen.set(key, Number(data['version']))
      }
    }
    for (let round = 0; round < 15; round += 1) {
      const changing = erp.query(
        `UPDATE doc SET version = version + 1, changed = clock_timestamp() WHERE no % 15 = ${round}`,
      )
      takeAll(await reader.poll(4))
      await changing
    }
    takeAll(await reader.poll())
    const truth = await erp.query<{ no: number; version: number }>('SELECT no, version FROM doc')
    for (const { no, version } of truth.rows) expect(seen.get(String(no)), String(no)).toBe(version)
    await Promise.all([erp.end(), reader.session.close()])
  })

  test('reads header and lines as they were at one moment', async () => {
    await using database = await postgres.database()
    const erp = await connected(database.url)
    await erp.query(
      `CREATE TABLE doc (no int PRIMARY KEY, version int NOT NULL, changed timestamptz NOT NULL);
       CREATE TABLE line (no int, pos int, version int NOT NULL, PRIMARY KEY (no, pos));
       INSERT INTO doc VALUES (1, 0, now()); INSERT INTO line SELECT 1, pos, 0 FROM generate_series(1, 5) pos`,
    )
    const lines = [{ name: 'lines', table: 'line', key: ['pos'], on: { no: 'no' } }]
    const reader = createReader(await connectTo(database.url), { table: 'doc', key: ['no'], cursor, lines })
    const changing = (async () => {
      for (let version = 1; version <= 200; version += 1)
        await erp.query(
          `BEGIN; UPDATE doc SET version = ${version}, changed = clock_timestamp();
           UPDATE line SET version = ${version}; COMMIT`,
        )
    })()
    for (let polls = 0; polls < 60; polls += 1) {
      for (const { data } of recordsOf(await reader.poll())) {
        const rows = data['lines'] as readonly Readonly<Record<string, string>>[]
        expect(new Set(rows.map((row) => row['version']))).toEqual(new Set([data['version']]))
      }
    }
    await changing
    await Promise.all([erp.end(), reader.session.close()])
  })

  test('reads pages of a large table by its index, never sorting it', async () => {
    await using database = await postgres.database()
    const erp = await connected(database.url)
    await erp.query(
      `CREATE TABLE doc (no int PRIMARY KEY, changed timestamptz NOT NULL, text text);
       INSERT INTO doc SELECT no, timestamptz '2026-01-01' + no * interval '1 second', repeat('x', 50)
         FROM generate_series(1, 100000) no;
       CREATE INDEX ON doc (changed, no)`,
    )
    await erp.query('ANALYZE doc')
    const asked: { text: string; parameters: readonly (string | null)[] }[] = []
    const transport = await connectTo(database.url)
    const reader = createReader(recording(transport, asked), { table: 'doc', key: ['no'], cursor })
    await reader.poll(3)
    await reader.poll(3)
    const pages = asked.filter(({ text }) => text.includes('ORDER BY'))
    expect(pages.length).toBeGreaterThan(5)
    for (const { text, parameters } of pages) {
      const plan = await erp.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${text}`, [...parameters])
      const said = plan.rows.map((row) => row['QUERY PLAN']).join('\n')
      expect(said, text).toMatch(/Index (Only )?Scan/)
      expect(said, text).not.toContain('Sort')
    }
    await Promise.all([erp.end(), reader.session.close()])
  })
}

function testServer(postgres: Postgres): void {
  test('tells two databases apart, and one from connection to connection', async () => {
    await using first = await postgres.database()
    await using second = await postgres.database()
    const seen: (string | null)[] = []
    for (const url of [first.url, first.url, second.url]) {
      const { session } = createReader(await connectTo(url), { table: 'x', key: ['x'], cursor: SNAPSHOT })
      seen.push(await session.identity(NEVER))
      await session.close()
    }
    expect(seen[0]).toBe(seen[1])
    expect(seen[0]).not.toBe(seen[2])
    expect(seen[0]).toMatch(/^postgres:\d+\/\d+:erpgw_.*\/timeline-1$/)
  })

  test('tells how far it has come, which rises with what is committed and costs it no transaction', async () => {
    await using database = await postgres.database()
    const erp = await connected(database.url)
    const transport = await connectTo(database.url)
    const ask = async () => {
      const snapshot = await transport.snapshot(NEVER)
      const horizon = await snapshot.query(transport.dialect.horizon ?? '', [], NEVER)
      const taken = await snapshot.query('SELECT txid_current_if_assigned()::text', [], NEVER)
      await snapshot.end()
      expect(taken.rows).toEqual([[null]])
      return BigInt(horizon.rows[0]?.[0] ?? '')
    }
    const before = await ask()
    await erp.query('CREATE TABLE doc (no int PRIMARY KEY)')
    expect(await ask()).toBeGreaterThan(before)
    await Promise.all([erp.end(), transport.close()])
  })

  test('is read by an account that may do nothing but read', async () => {
    await using database = await postgres.database()
    const erp = await connected(database.url)
    const user = `reader_${database.name}`
    await erp.query(
      `CREATE TABLE doc (no int PRIMARY KEY); INSERT INTO doc VALUES (1); CREATE TABLE hidden (no int PRIMARY KEY);
       CREATE ROLE ${user} LOGIN PASSWORD 'right'; GRANT SELECT ON doc TO ${user}`,
    )
    const url = new URL(database.url)
    url.username = user
    url.password = 'right'
    const reader = createReader(await connectTo(url.href), { table: 'doc', key: ['no'], cursor: SNAPSHOT })
    expect(keysOf(await reader.poll())).toEqual(['1'])
    expect(await reader.session.check(NEVER)).toEqual({ ok: true })
    expect(await reader.session.identity(NEVER)).toMatch(/^postgres:/)
    const other = createReader(await connectTo(url.href), { table: 'hidden', key: ['no'], cursor: SNAPSHOT })
    await expect(other.poll()).rejects.toMatchObject({ code: 'ADAPTER_AUTH_FAILED', remedy: 'fix-config' })
    await Promise.all([reader.session.close(), other.session.close()])
    await erp.query(`DROP OWNED BY ${user}; DROP ROLE ${user}`)
    await erp.end()
  })

  test('is written to by no select, whatever it calls and whoever reviewed it', async () => {
    await using database = await postgres.database()
    const erp = await connected(database.url)
    await erp.query(
      `CREATE TABLE doc (no int PRIMARY KEY); INSERT INTO doc VALUES (1);
       CREATE FUNCTION spill() RETURNS int LANGUAGE sql AS 'DELETE FROM doc RETURNING no'`,
    )
    for (const select of [
      'SELECT spill() AS no',
      'WITH gone AS (DELETE FROM doc RETURNING no) SELECT no FROM gone',
      'SELECT no FROM doc FOR UPDATE',
    ]) {
      const reader = createReader(await connectTo(database.url), selecting(select))
      await expect(reader.poll(), select).rejects.toMatchObject({ code: 'ADAPTER_CONFIG_INVALID' })
      await reader.session.close()
    }
    expect((await erp.query('SELECT * FROM doc')).rowCount).toBe(1)
    await erp.end()
  })

  test('ends a statement that takes too long', async () => {
    await using database = await postgres.database()
    const transport = await connectTo(database.url, { statementTimeout: '200ms' })
    const select = 'SELECT 1 AS no, pg_sleep(30)::text AS slept'
    const reader = createReader(transport, selecting(select))
    await expect(reader.poll()).rejects.toMatchObject({ code: 'ADAPTER_TIMEOUT', remedy: 'retry' })
    await reader.session.close()
  })

  test('is let go at once when the gateway stops', async () => {
    await using database = await postgres.database()
    const select = 'SELECT 1 AS no, pg_sleep(30)::text AS slept'
    const reader = createReader(await connectTo(database.url), selecting(select))
    const stop = new AbortController()
    const poll = reader.session.poll('docs', null, stop.signal)[Symbol.asyncIterator]()
    const first = poll.next()
    const reason = new Error('The test said stop.')
    setImmediate(() => stop.abort(reason))
    await expect(first).rejects.toBe(reason)
    await reader.session.close()
  })

  test('is unreachable when it ends the connection, and says so at the next call as well', async () => {
    await using database = await postgres.database()
    const erp = await connected(database.url)
    await erp.query('CREATE TABLE doc (no int PRIMARY KEY)')
    const reader = createReader(await connectTo(database.url), {
      table: 'doc',
      key: ['no'],
      cursor: SNAPSHOT,
    })
    await reader.poll()
    await erp.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'erp-gateway'",
    )
    for (let times = 0; times < 2; times += 1)
      await expect(reader.poll()).rejects.toMatchObject({ code: 'ADAPTER_UNREACHABLE', remedy: 'retry' })
    expect(await reader.session.check(NEVER)).toMatchObject({ ok: false })
    await Promise.all([erp.end(), reader.session.close()])
  })

  test('that has no such database is told in plain words', async () => {
    await using database = await postgres.database()
    const url = new URL(database.url)
    url.pathname = '/no_such_shop'
    await expect(connectTo(url.href)).rejects.toMatchObject({
      code: 'ADAPTER_CONFIG_INVALID',
      message: expect.stringMatching(/there is no such database \(.*no_such_shop.*\); check `database`/),
    })
  })

  test('that accepts and never answers costs no more than the deadline', async () => {
    const deaf = createServer((socket) => void socket.resume())
    await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve))
    const address = deaf.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const runtime = { ...createRuntime(), deadline: () => AbortSignal.timeout(200) }
    const connecting = connectTo(`postgres://u:secret@127.0.0.1:${port}/d`, {}, { runtime })
    await expect(connecting).rejects.toMatchObject({ code: 'ADAPTER_TIMEOUT' })
    await new Promise((resolve) => deaf.close(resolve))
  })

  test.for([
    ['a wrong password', { password: 'not-the-right-one' }, 'ADAPTER_AUTH_FAILED'],
    ['a database that is not there', { pathname: '/nowhere' }, 'ADAPTER_CONFIG_INVALID'],
    ['a port where nobody listens', { port: '1' }, 'ADAPTER_UNREACHABLE'],
  ] as const)('refuses %s without showing the password', async ([, spoilt, code], { skip }) => {
    await using database = await postgres.database()
    const erp = await connected(database.url)
    const user = `guest_${database.name}`
    await erp.query(`CREATE ROLE ${user} LOGIN PASSWORD 'the-right-one'`)
    const url = new URL(database.url)
    url.username = user
    url.password = 'the-right-one'
    Object.assign(url, spoilt)
    const failure: unknown = await connectTo(url.href).then(
      () => null,
      (error: unknown) => error,
    )
    await erp.query(`DROP ROLE ${user}`)
    await erp.end()
    skip(failure === null && code === 'ADAPTER_AUTH_FAILED', 'this server trusts local connections')
    expect(failure).toMatchObject({ code })
    expect(everythingIn(failure)).not.toContain(url.password)
  })
}

const SNAPSHOT = { strategy: 'snapshot' }

/** A feed of a select that was reviewed, so that it reaches the server whatever it does. */
function selecting(select: string) {
  return { select, reviewed: reviewHash(select), key: ['no'], cursor: SNAPSHOT }
}

async function connected(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return client
}

let schemas = 0

/** A database for all of a file's worlds would be quicker, but then they could see each other. */
async function schemaOf(postgres: Postgres): Promise<TableSource> {
  schemas += 1
  const database = await shared(postgres)
  const schema = `t${schemas}`
  const erp = async (...statements: readonly string[]) =>
    void (await database.client.query(written(postgresWords, statements.join(';\n'))))
  await erp(`CREATE SCHEMA ${schema}`)
  const open: Transport[] = []
  return {
    schema,
    words: postgresWords,
    erp,
    async transport() {
      const transport = await connectTo(database.url)
      open.push(transport)
      return transport
    },
    async drop() {
      for (const transport of open) await transport.close().catch(() => undefined)
      await erp(`DROP SCHEMA ${schema} CASCADE`)
    },
  }
}

let pending: Promise<Readonly<{ url: string; client: pg.Client }>> | null = null

function shared(postgres: Postgres): Promise<Readonly<{ url: string; client: pg.Client }>> {
  pending ??= (async () => {
    const { url } = await postgres.database()
    return { url, client: await connected(url) }
  })()
  return pending
}

/** Notes what is asked. */
function recording(
  transport: Transport,
  asked: { text: string; parameters: readonly (string | null)[] }[],
): Transport {
  return {
    ...transport,
    async snapshot(signal) {
      const snapshot = await transport.snapshot(signal)
      return {
        ...snapshot,
        query(text, parameters, aborts) {
          asked.push({ text, parameters })
          return snapshot.query(text, parameters, aborts)
        },
      }
    },
  }
}
