import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import type { SecretReference } from '../../../adapters/contract.ts'
import { reviewHash } from '../../../adapters/database/select-guard.ts'
import { createRuntime } from '../../../gateway/node/runtime.ts'
import { createReader, keysOf } from '../../adapters/database/reader.ts'
import { insert } from '../../adapters/database/words.ts'
import { everythingIn } from '../../kit/adapter-surroundings.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import { connectTo } from './connection.ts'
import type { Engine, EngineDatabase } from './engine.ts'

const NEVER = new AbortController().signal
const FEED = { table: 'doc', key: ['no'], cursor: { strategy: 'snapshot' } }
const DOC = 'CREATE TABLE [doc] ([no] int PRIMARY KEY)'

/** What must be true of a server: who it is, what it lets an account do, and how its troubles are told. */
export function testServer(engine: Engine): void {
  testAccess(engine)
  testTrouble(engine)
  testRefusals(engine)
  testTls(engine)
}

function testAccess(engine: Engine): void {
  test('tells two databases apart, and one from connection to connection', async () => {
    await using first = await engine.database()
    await using second = await engine.database()
    const seen: (string | null)[] = []
    for (const { connect } of [first, first, second]) {
      const { session } = createReader(await connect(), FEED)
      seen.push(await session.identity(NEVER))
      await session.close()
    }
    expect(seen[0]).toBe(seen[1])
    expect(seen[0]).not.toBe(seen[2])
    expect(seen[0]).toMatch(engine.identity)
  })

  test('is read by an account that may do nothing but read', async () => {
    await using database = await engine.database()
    await using account = await accountFor(engine, database, 'doc')
    await account.erp.run(...insert('doc', '1'), 'CREATE TABLE [hidden] ([no] int PRIMARY KEY)')
    const reader = createReader(await connectTo(account.url), FEED)
    expect(keysOf(await reader.poll())).toEqual(['1'])
    expect(await reader.session.check(NEVER)).toEqual({ ok: true })
    expect(await reader.session.identity(NEVER)).toMatch(engine.identity)
    const other = createReader(await connectTo(account.url), { ...FEED, table: 'hidden' })
    await expect(other.poll()).rejects.toMatchObject({ code: 'ADAPTER_AUTH_FAILED', remedy: 'fix-config' })
    await Promise.all([reader.session.close(), other.session.close()])
  })

  test('is written to by no select, whatever it calls', async () => {
    await using database = await engine.database()
    const erp = await database.erp()
    await erp.run(DOC, ...insert('doc', '1'), ...engine.spill)
    for (const select of engine.writes) {
      const { table: _, ...feed } = FEED
      const reader = createReader(await database.connect(), { ...feed, select, reviewed: reviewHash(select) })
      await expect(reader.poll(), select).rejects.toMatchObject({ code: 'ADAPTER_CONFIG_INVALID' })
      await reader.session.close()
    }
    expect(await erp.rows('SELECT [no] FROM [doc]')).toEqual([['1']])
    await erp.end()
  })
}

function testTrouble(engine: Engine): void {
  const { table: _, ...rest } = FEED
  // Reviewed, so that it reaches the server.
  const slow = { ...rest, select: engine.sleeps, reviewed: reviewHash(engine.sleeps) }

  test('ends a statement that takes too long', async () => {
    await using database = await engine.database()
    const reader = createReader(await database.connect({ statementTimeout: '200ms' }), slow)
    await expect(reader.poll()).rejects.toMatchObject({ code: 'ADAPTER_TIMEOUT', remedy: 'retry' })
    await reader.session.close()
  })

  test('is let go at once when the gateway stops', async () => {
    await using database = await engine.database()
    const reader = createReader(await database.connect(), slow)
    const stop = new AbortController()
    const poll = reader.session.poll('docs', null, stop.signal)[Symbol.asyncIterator]()
    const first = poll.next()
    const reason = new Error('The test said stop.')
    setImmediate(() => stop.abort(reason))
    await expect(first).rejects.toBe(reason)
    await reader.session.close()
  })

  test('is unreachable when it ends the connection, and says so at the next call as well', async () => {
    await using database = await engine.database()
    const erp = await database.erp()
    await erp.run(DOC)
    await erp.end()
    const reader = createReader(await database.connect(), FEED)
    await reader.poll()
    await database.breakOff()
    for (let times = 0; times < 2; times += 1)
      await expect(reader.poll()).rejects.toMatchObject({ code: 'ADAPTER_UNREACHABLE', remedy: 'retry' })
    expect(await reader.session.check(NEVER)).toMatchObject({ ok: false })
    await reader.session.close()
  })

  test('that has no such database is told in plain words', async () => {
    await using database = await engine.database()
    await expect(connectTo(spoilt(database.url, { pathname: '/no_such_shop' }))).rejects.toMatchObject({
      code: 'ADAPTER_CONFIG_INVALID',
      message: expect.stringMatching(/there is no such database \(.*no_such_shop.*\); check `database`/),
    })
  })

  test('that accepts and never answers costs no more than the deadline', async () => {
    await using database = await engine.database()
    const deaf = createServer((socket) => void socket.resume())
    await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve))
    const address = deaf.address()
    const port = typeof address === 'object' && address !== null ? String(address.port) : ''
    const runtime = { ...createRuntime(), deadline: () => AbortSignal.timeout(200) }
    const connecting = connectTo(spoilt(database.url, { port }), {}, { runtime })
    await expect(connecting).rejects.toMatchObject({ code: 'ADAPTER_TIMEOUT' })
    await new Promise((resolve) => deaf.close(resolve))
  })
}

function testRefusals(engine: Engine): void {
  test.for([
    ['a wrong password', { password: 'not-the-right-one' }, 'ADAPTER_AUTH_FAILED'],
    ['a database that is not there', { pathname: '/nowhere' }, engine.missingDatabase],
    ['a port where nobody listens', { port: '1' }, 'ADAPTER_UNREACHABLE'],
  ] as const)('refuses %s without showing the password', async ([, changes, code], { skip }) => {
    await using database = await engine.database()
    await using account = await accountFor(engine, database, null)
    const url = spoilt(account.url, changes)
    const failure: unknown = await connectTo(url).then(
      () => null,
      (error: unknown) => error,
    )
    skip(failure === null && code === 'ADAPTER_AUTH_FAILED', 'this server trusts local connections')
    expect(failure).toMatchObject({ code })
    expect(everythingIn(failure)).not.toContain(new URL(url).password)
  })
}

function testTls(engine: Engine): void {
  test('is spoken to through TLS where its certificate and name are right, and not else', async ({
    skip,
  }) => {
    await using database = await engine.database()
    const erp = await database.erp()
    const [[file] = []] = await erp.rows(engine.authority)
    await erp.end()
    const hasAuthority = file !== undefined && file !== null && existsSync(file)
    skip(!hasAuthority, 'this server offers no TLS, or keeps its authority elsewhere')
    const right = readFileSync(file ?? '', 'utf8')
    const password = decodeURIComponent(new URL(database.url).password)
    const connecting = (ca: string, tls: object = {}) =>
      database.connect(
        { tls: { ca: 'env:CA', ...tls } },
        { secret: (reference: SecretReference) => (reference.toString() === 'env:CA' ? ca : password) },
      )
    const transport = await connecting(right)
    const snapshot = await transport.snapshot(NEVER)
    const { rows } = await snapshot.query(engine.cipher, [], NEVER)
    expect(rows[0]?.[0]).toMatch(/^TLS_|^[A-Z0-9-]{10,}$/)
    await snapshot.end()
    await transport.close()
    const refused = { code: 'ADAPTER_CONFIG_INVALID', message: expect.stringMatching(/certificate/i) }
    await expect(connecting(makeAuthority().ca)).rejects.toMatchObject(refused)
    await expect(connecting(right, { name: 'erp.example' })).rejects.toMatchObject(refused)
  })
}

/** An account that may read one table, or may only log in; dropped at the end of the block. */
async function accountFor(engine: Engine, database: EngineDatabase, table: string | null) {
  const erp = await database.erp()
  const user = `r_${database.name}`
  const password = 'the-right-one'
  if (table !== null) await erp.run(`CREATE TABLE [${table}] ([no] int PRIMARY KEY)`)
  await erp.run(...engine.reader(user, password, table))
  return {
    erp,
    url: spoilt(database.url, { username: user, password }),
    async [Symbol.asyncDispose]() {
      await erp.run(...engine.dropReader(user))
      await erp.end()
    },
  }
}

/** A connection string with some of its parts changed. */
function spoilt(url: string, parts: Readonly<Record<string, string>>): string {
  return Object.assign(new URL(url), parts).href
}
