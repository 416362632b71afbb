import sql from 'mssql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { adapter } from '../../../adapters/database/adapter.ts'
import type { Transport } from '../../../adapters/database/transport.ts'
import { testAdapter } from '../../kit/adapter-contract.ts'
import { createReader, recordsOf } from './reader.ts'
import { testSituations } from './situations.ts'
import { ask, boundOf, offered } from './sqlserver-commit-ordered.ts'
import { testValues } from './sqlserver-edges.ts'
import { connectTo } from './sqlserver-lab.ts'
import { sqlServerWords } from './sqlserver-words.ts'
import type { TableSource } from './tables.ts'
import { TABLE_WORLDS } from './tables.ts'
import { written } from './words.ts'

const NEVER = new AbortController().signal
const LONG_MS = 900_000

/**
 * What must be true of any server that speaks TDS: SQL Server 2008 R2 and later, Babelfish 4, and our stand-in. `url`
 * is known when the tests run; every so many calls of the kit are broken off.
 */
export function testTdsServer(url: () => string, every = 1): void {
  const server = { pool: poolOf(''), isBabelfish: false }
  beforeAll(async () => {
    server.pool = await poolOf(url()).connect()
    const { recordset } = await server.pool.query("SELECT SERVERPROPERTY('Babelfish') AS babelfish")
    server.isBabelfish = String(recordset[0]?.babelfish) === '1'
  })
  afterAll(() => server.pool.close())
  const erp = async (batch: string) => void (await server.pool.request().batch(batch))
  const connect = (settings: object = {}) => connectBy(url(), settings)
  const tablesIn = async (schema: string) => {
    const { recordset } = await server.pool.query<{ name: string }>(
      `SELECT t.name FROM sys.tables t WHERE t.schema_id = SCHEMA_ID('${schema}')`,
    )
    return recordset.map(({ name }) => name)
  }
  const source = () => schemaOf(erp, tablesIn, connect)

  for (const { title, make } of TABLE_WORLDS)
    describe('keeps its promises', { timeout: LONG_MS }, () => {
      testAdapter(`for a table read ${title}`, { adapter, world: async () => make(await source()), every })
    })
  describe('in a table', () => testSituations(sqlServerWords, source))
  describe('of each type', () => testValues(() => ({ erp, connect })))

  test('knows who answers, and how far it has come', async () => {
    await using table = await tableOf(erp, 'no int PRIMARY KEY, rv rowversion')
    const transport = await connect()
    const { session } = createReader(transport, {
      table: table.name,
      key: ['no'],
      cursor: { strategy: 'snapshot' },
    })
    expect(await session.identity(NEVER)).toMatch(/^sqlserver:/)
    const horizon = async () =>
      BigInt((await ask(transport, { text: transport.dialect.horizon ?? '', parameters: [] }))[0]?.[0] ?? '')
    const before = await horizon()
    await erp(`INSERT INTO ${table.name} (no) VALUES (1)`)
    expect(await horizon()).toBeGreaterThan(before)
    await session.close()
  })

  test('holds the bound below a transaction that is open [F29]', async ({ skip }) => {
    skip(server.isBabelfish, 'Babelfish has no MIN_ACTIVE_ROWVERSION()')
    await using table = await tableOf(erp, 'no int PRIMARY KEY, rv rowversion')
    const transport = await connect()
    const slow = server.pool.transaction()
    await slow.begin()
    await slow.request().query(`INSERT INTO ${table.name} (no) VALUES (1)`)
    await erp(`INSERT INTO ${table.name} (no) VALUES (2)`)
    const bound = BigInt(await boundOf(transport))
    await slow.commit()
    const rows = await ask(transport, {
      text: `SELECT ${transport.dialect.selected('q.rv', 'binary(8)')} FROM ${table.name} q ORDER BY q.no`,
      parameters: [],
    })
    const [first, second] = rows.map(([rv]) => BigInt(rv ?? ''))
    expect([first === bound, (second ?? 0n) > bound]).toEqual([true, true])
    await transport.close()
  })

  test('is read in the order of commits: nothing from above an open transaction, and then all of it [P1 P3 F29]', async ({
    skip,
  }) => {
    skip(server.isBabelfish, 'Babelfish has no MIN_ACTIVE_ROWVERSION()')
    await using table = await tableOf(erp, 'no int PRIMARY KEY, content nvarchar(20), rv rowversion')
    await erp(`CREATE INDEX by_rv ON ${table.name} (rv)`)
    const cursor = { strategy: 'commit-ordered', columns: ['rv'] }
    const feed = { table: table.name, key: ['no'], cursor }
    const reader = createReader(await connect(), feed, { remembers: true })
    const seen = async () =>
      recordsOf(await reader.poll()).map(({ data }) => `${data['no']} ${data['content']}`)
    await erp(`INSERT INTO ${table.name} (no, content) VALUES (1, N'one'), (2, N'two')`)
    expect(await seen()).toEqual(['1 one', '2 two'])
    const slow = server.pool.transaction()
    await slow.begin()
    await slow.request().query(`INSERT INTO ${table.name} (no, content) VALUES (3, N'slow')`)
    await erp(`UPDATE ${table.name} SET content = N'newer' WHERE no = 1`)
    expect(await seen()).toEqual([])
    await slow.commit()
    expect(await seen()).toEqual(['3 slow', '1 newer'])
    expect(await seen()).toEqual([])
    const late = createReader(await connect(), feed, { remembers: true })
    late.resumeAt((await late.session.startAt?.('docs', 'now', NEVER)) ?? null)
    await erp(`UPDATE ${table.name} SET content = N'last' WHERE no = 2`)
    expect(recordsOf(await late.poll()).map(({ key }) => key)).toEqual(['2'])
    await Promise.all([reader.session.close(), late.session.close()])
  })

  test('refuses an order of commits that the column does not tell', async () => {
    await using table = await tableOf(erp, 'no int PRIMARY KEY, changed int NOT NULL')
    const cursor = { strategy: 'commit-ordered', columns: ['changed'] }
    const reader = createReader(await connect(), { table: table.name, key: ['no'], cursor })
    await expect(reader.poll()).rejects.toMatchObject({ code: 'ADAPTER_CONFIG_INVALID' })
    await reader.session.close()
  })

  test('names its rowversion, and the index that begins with it', async () => {
    await using table = await tableOf(erp, 'no int PRIMARY KEY, rv rowversion')
    const transport = await connect()
    const told = () => ask(transport, offered(transport).column(table.name))
    expect(await told()).toEqual([['rv', expect.stringContaining('No index')]])
    await erp(`CREATE INDEX by_rv ON ${table.name} (rv)`)
    expect(await told()).toEqual([['rv', null]])
    await transport.close()
  })

  test('ends a statement that takes too long', async () => {
    const select = `SELECT COUNT_BIG(*) AS no FROM sys.all_columns a CROSS JOIN sys.all_columns b CROSS JOIN sys.all_columns c`
    const transport = await connect({ statementTimeout: '300ms' })
    const reader = createReader(transport, { select, key: ['no'], cursor: { strategy: 'snapshot' } })
    await expect(reader.poll()).rejects.toMatchObject({ code: 'ADAPTER_TIMEOUT', remedy: 'retry' })
    await reader.session.close()
  })

  test('reads header and lines as they were at one moment', async () => {
    await using header = await tableOf(erp, 'no int PRIMARY KEY, version int NOT NULL')
    await using line = await tableOf(erp, 'no int, pos int, version int NOT NULL, PRIMARY KEY (no, pos)')
    await erp(
      `INSERT INTO ${header.name} VALUES (1, 0); INSERT INTO ${line.name} VALUES (1, 1, 0), (1, 2, 0), (1, 3, 0)`,
    )
    const lines = [{ name: 'lines', table: line.name, key: ['pos'], on: { no: 'no' } }]
    const feed = { table: header.name, key: ['no'], lines, cursor: { strategy: 'snapshot' } }
    const reader = createReader(await connect(), feed)
    const changing = (async () => {
      for (let version = 1; version <= 100; version += 1)
        await erp(
          `BEGIN TRANSACTION; UPDATE ${header.name} SET version = ${version}; UPDATE ${line.name} SET version = ${version}; COMMIT`,
        )
    })()
    try {
      for (let polls = 0; polls < 30; polls += 1) {
        for (const { data } of recordsOf(await reader.poll())) {
          const rows = data['lines'] as readonly Readonly<Record<string, string>>[]
          expect(new Set(rows.map((row) => row['version']))).toEqual(new Set([data['version']]))
        }
      }
    } finally {
      await changing
      await reader.session.close()
    }
  })
}

/** `mssql://user:password@host:1433/database`, with `?encrypt=false` where the server has no certificate. */
function partsOf(url: string) {
  const { hostname, port, username, password, pathname, searchParams } = new URL(url || 'mssql://nowhere')
  return {
    host: hostname,
    port: Number(port || 1433),
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
    database: pathname.slice(1),
    encrypt: searchParams.get('encrypt') !== 'false',
  }
}

function poolOf(url: string): sql.ConnectionPool {
  const { host, encrypt, ...others } = partsOf(url)
  return new sql.ConnectionPool({ ...others, server: host, options: { encrypt } })
}

function connectBy(url: string, settings: object): Promise<Transport> {
  const { host, port, user, password, database, encrypt } = partsOf(url)
  const encryption = encrypt ? { encrypt } : { encrypt, unencryptedReason: 'a test' }
  return connectTo(port, { host, user, database, ...encryption, ...settings }, { secret: () => password })
}

type Erp = (batch: string) => Promise<void>

let made = 0

async function tableOf(erp: Erp, columns: string): Promise<Readonly<{ name: string }> & AsyncDisposable> {
  made += 1
  const name = `dbo.erpgw_${process.pid}_${made}`
  await erp(`CREATE TABLE ${name} (${columns})`)
  return { name, [Symbol.asyncDispose]: () => erp(`DROP TABLE ${name}`) }
}

async function schemaOf(
  erp: Erp,
  tablesIn: (schema: string) => Promise<readonly string[]>,
  connect: () => Promise<Transport>,
): Promise<TableSource> {
  made += 1
  const schema = `erpgw_${process.pid}_${made}`
  await erp(`CREATE SCHEMA ${schema}`)
  const open: Transport[] = []
  return {
    schema,
    words: sqlServerWords,
    erp: (...statements) => erp(written(sqlServerWords, statements.join(';\n'))),
    async transport() {
      const transport = await connect()
      open.push(transport)
      return transport
    },
    async drop() {
      for (const transport of open) await transport.close()
      for (const name of await tablesIn(schema)) await erp(`DROP TABLE [${schema}].[${name}]`)
      await erp(`DROP SCHEMA ${schema}`)
    },
  }
}
