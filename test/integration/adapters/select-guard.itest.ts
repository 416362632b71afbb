import { createServer, connect as dial, type Socket } from 'node:net'
import pg from 'pg'
import { expect, test } from 'vitest'
import { adapter } from '../../../adapters/database/adapter.ts'
import { reviewHash } from '../../../adapters/database/select-guard.ts'
import { createRuntime } from '../../../gateway/node/runtime.ts'
import { openShop } from '../../acceptance/shop/shop.ts'
import { createReader, keysOf } from '../../adapters/database/reader.ts'
import { HONEST, HOSTILE } from '../../adapters/database/selects.ts'
import { createSurroundings } from '../../kit/adapter-surroundings.ts'
import { describeWithService } from '../../kit/services.ts'

const NEVER = new AbortController().signal
const SNAPSHOT = { strategy: 'snapshot' }
const hostile = HOSTILE.postgres.map(([select]) => select).filter((select) => select !== '')

describeWithService('postgres', 'a hostile select', (postgres) => {
  test('is refused by check, preview and run, before the server hears of it', {
    timeout: 120_000,
  }, async () => {
    await using recorder = await startRecorder()
    const feeds = hostile.map(
      (select, index) =>
        `      f${index}: { mapping: shop/item, key: [no], cursor: { strategy: snapshot }, select: ${JSON.stringify(select)} }`,
    )
    const config = (connection: string) => {
      recorder.target(Number(/port: (\d+)/.exec(connection)?.[1]))
      const recorded = connection.replace(/port: \d+/, `port: ${recorder.port}`)
      return [
        'companies: { "1000": { name: Shop, currency: EUR, zone: UTC } }',
        'mappings: [./mappings]',
        `sources:\n  erp:\n    kind: database\n    system: shop\n    company: 1000\n    connection: ${recorded}\n    feeds:`,
        ...feeds,
      ].join('\n')
    }
    await using shop = await openShop(postgres, { config })
    await logEverything(shop.database.url)
    for (const verb of [['check'], ['preview', 'erp', 'f0'], ['run', '--once']]) {
      const { err } = await shop.must(2, ...verb)
      const places = [...err.matchAll(/gateway\.yaml:(\d+):\d+ sources\.erp\.feeds\.(f\d+)\.select: /g)]
      expect(new Set(places.map(([, , feed]) => feed)).size).toBe(hostile.length)
    }
    expect(recorder.connections()).toBe(0)
  })

  test('is refused where it got past the config, and the log of the server shows none of it', async () => {
    await using recorder = await startRecorder()
    await using database = await postgres.database()
    await logEverything(database.url)
    const erp = new pg.Client({ connectionString: database.url })
    await erp.connect()
    await erp.query('CREATE TABLE doc (no int PRIMARY KEY, qty int); INSERT INTO doc VALUES (1, 2)')
    recorder.target(Number(new URL(database.url).port))
    const url = new URL(database.url)
    url.port = String(recorder.port)
    const transport = await connect(url)
    const readerOf = (settings: object) =>
      createReader(transport, { key: ['no'], cursor: SNAPSHOT, ...settings })
    for (const select of hostile) {
      const { session, poll } = readerOf({ select })
      expect(await session.check(NEVER), select).toMatchObject({ ok: false })
      const refused = { code: 'ADAPTER_CONFIG_INVALID', message: expect.stringContaining('was not sent') }
      await expect(poll(), select).rejects.toMatchObject(refused)
      await expect(session.preview('docs', 1, NEVER), select).rejects.toMatchObject(refused)
      await expect(session.discover(NEVER), select).rejects.toMatchObject(refused)
      await expect(session.read?.('docs', ['1'], NEVER), select).rejects.toMatchObject(refused)
    }
    const select = "SELECT no, lpad(qty::text, 4, '0') AS qty FROM doc -- honest"
    expect(keysOf(await readerOf({ select }).poll())).toEqual(['1'])
    const reviewed = 'SELECT no, current_setting($$server_version$$) AS version FROM doc'
    expect(keysOf(await readerOf({ select: reviewed, reviewed: reviewHash(reviewed) }).poll())).toEqual(['1'])
    await Promise.all([transport.close(), erp.end()])

    expect(hostile.length).toBeGreaterThanOrEqual(40)
    const statements = recorder.statements()
    expect(statements.some((statement) => statement.includes(select))).toBe(true)
    expect(statements.some((statement) => statement.includes(reviewed))).toBe(true)
    for (const one of hostile) expect(statements.filter((statement) => statement.includes(one))).toEqual([])
  })

  test('should be refused by the account too: check warns where it may write, whatever the table', async () => {
    await using database = await postgres.database()
    const erp = new pg.Client({ connectionString: database.url })
    await erp.connect()
    const user = `reader_${database.name}`
    await erp.query(
      `CREATE TABLE doc (no int PRIMARY KEY); CREATE TABLE other (no int); CREATE TABLE third (no int);
       CREATE ROLE ${user} LOGIN PASSWORD 'right'; GRANT SELECT ON doc TO ${user}`,
    )
    const url = new URL(database.url)
    const warnings = async (account: URL) => {
      const reader = createReader(await connect(account), {
        select: 'SELECT no FROM doc',
        key: ['no'],
        cursor: SNAPSHOT,
      })
      const check = await reader.session.check(NEVER)
      await reader.session.close()
      return check.ok ? (check.warnings ?? []) : [check.reason]
    }
    expect((await warnings(url)).join()).toContain('superuser')
    url.username = user
    url.password = 'right'
    expect(await warnings(url)).toEqual([])
    await erp.query(`GRANT DELETE ON other, third TO ${user}`)
    expect((await warnings(url)).join()).toContain('may change tables of this database: other and 1 more;')
    await erp.query(`DROP OWNED BY ${user}; DROP ROLE ${user}`)
    await erp.end()
  })

  test('is told from an honest one, which the server takes as it stands', async () => {
    await using database = await postgres.database()
    const erp = new pg.Client({ connectionString: database.url })
    await erp.connect()
    const unknown = new Set(['42P01', '42703', '3F000', '42883'])
    for (const select of HONEST.postgres) {
      // Most tables are not there; what is asked is that the server reads the text as SQL.
      const failure = await erp.query(`SELECT * FROM (\n${select}\n) q LIMIT 0`).then(
        () => null,
        (error: unknown) => (error instanceof pg.DatabaseError ? error.code : error),
      )
      expect(failure === null || unknown.has(String(failure)), `${select}: ${failure}`).toBe(true)
    }
    await erp.end()
  })
})

/** From now on the server tells each connection to the database what it logs of its statements, which is all of them. */
async function logEverything(url: string): Promise<void> {
  const erp = new pg.Client({ connectionString: url })
  await erp.connect()
  const { rows } = await erp.query<{ name: string }>('SELECT current_database() AS name')
  const name = `"${rows[0]?.name}"`
  await erp.query(
    `ALTER DATABASE ${name} SET log_statement = 'all'; ALTER DATABASE ${name} SET client_min_messages = 'log'`,
  )
  await erp.end()
}

/** Stands between a client and the server, and keeps what the server says. */
async function startRecorder() {
  const said: Buffer[] = []
  const sockets: Socket[] = []
  let connections = 0
  let target = 0
  const server = createServer((client) => {
    connections += 1
    const upstream = dial(target, '127.0.0.1')
    sockets.push(client, upstream)
    for (const socket of [client, upstream]) socket.on('error', () => socket.destroy())
    upstream.on('data', (bytes) => void said.push(Buffer.from(bytes)))
    client.pipe(upstream).pipe(client)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    target: (port: number) => {
      target = port
    },
    connections: () => connections,
    /** Every statement that the server logged. */
    statements: () =>
      [
        ...Buffer.concat(said)
          .toString('utf8')
          .matchAll(/\0M(?:statement|execute [^:]*): ([^\0]*)\0/g),
      ].map(([, statement = '']) => statement),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function connect(url: URL) {
  const { context } = createSurroundings({ batchRecordsMax: 100, marks: new Map() })
  const connection = adapter.connection.parse({
    engine: 'postgres',
    host: url.hostname,
    port: url.port,
    user: decodeURIComponent(url.username),
    database: url.pathname.slice(1),
    ...(url.password === '' ? {} : { password: 'env:PASSWORD' }),
  })
  const real = {
    ...context,
    runtime: createRuntime(),
    secret: () => decodeURIComponent(url.password),
    resolve: async () => '127.0.0.1',
  }
  return adapter.connect(connection, real, NEVER)
}
