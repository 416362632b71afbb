import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { adapter } from '../../../adapters/database/adapter.ts'
import { createRuntime } from '../../../gateway/node/runtime.ts'
import { everythingIn } from '../../kit/adapter-surroundings.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import type { ServerOptions, TdsServer } from '../../lab/tds/server.ts'
import { startTdsServer } from '../../lab/tds/server.ts'
import { createReader } from './reader.ts'
import type { Lab } from './sqlserver-lab.ts'
import { connectTo, PASSWORD } from './sqlserver-lab.ts'

const NEVER = new AbortController().signal
const CA = 'file:/run/secrets/ca.pem'

/** Protocols and ciphers as Windows Server 2008 has them. */
const OLD_TLS = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const

/** How a connection is made, and what is said where it cannot be. */
export function testConnections(lab: () => Lab): void {
  const authority = makeAuthority()
  const certificate = authority.sign('erp', ['DNS:erp-db.corp.example', 'IP:127.0.0.1'])
  const secret = (reference: string) => (reference === CA ? authority.ca : PASSWORD)
  const serving = async (tls: ServerOptions['tls'], work: (server: TdsServer) => Promise<void>) => {
    const server = await startTdsServer({
      engine: lab().engine,
      user: 'reader',
      password: PASSWORD,
      ...(tls === undefined ? {} : { tls }),
    })
    try {
      await work(server)
    } finally {
      await server.stop()
    }
  }

  test.each([
    ['name', { ca: CA, name: 'erp-db.corp.example' }],
    ['address', { ca: CA }],
  ])('a connection is encrypted, and the server verified by its authority and %s', (_, tls) =>
    serving(certificate, async ({ port, logins }) => {
      const transport = await connectTo(port, { tls }, { secret })
      expect(logins).toMatchObject([{ appName: 'erp-gateway' }, { appName: 'erp-gateway' }])
      expect(transport.dialect.advice(null)).toEqual([])
      await transport.close()
    }),
  )

  test.each([
    ['by another authority', { ca: 'file:/run/secrets/other.pem', name: 'erp-db.corp.example' }],
    ['for another name', { ca: CA, name: 'elsewhere.corp.example' }],
  ])('a server whose certificate is %s is refused before it hears the password', (_, tls) =>
    serving(certificate, async ({ port, logins }) => {
      const other = makeAuthority()
      const secrets = (reference: string) =>
        reference === 'file:/run/secrets/other.pem' ? other.ca : secret(reference)
      await expect(connectTo(port, { tls }, { secret: secrets })).rejects.toMatchObject({
        code: 'ADAPTER_CONFIG_INVALID',
      })
      expect(logins).toEqual([])
    }),
  )

  test('a server that says it will not encrypt is refused before it hears the password', async () => {
    const before = lab().server.logins.length
    await expect(connectTo(lab().server.port, { tls: {} })).rejects.toMatchObject({
      code: 'ADAPTER_CONFIG_INVALID',
      message: expect.stringContaining('`encrypt: false` needs a reason'),
    })
    expect(lab().server.logins.length).toBe(before)
  })

  test('a server that wants encryption is not spoken to without', () =>
    serving(certificate, async ({ port, logins }) => {
      await expect(connectTo(port)).rejects.toMatchObject({ code: 'ADAPTER_CONFIG_INVALID' })
      expect(logins).toEqual([])
    }))

  test('a server that knows old protocols alone is reached only as far as the settings say, and until when', () =>
    serving({ ...certificate, ...OLD_TLS }, async ({ port }) => {
      const tls = { ca: CA, name: 'erp-db.corp.example' }
      await expect(connectTo(port, { tls }, { secret })).rejects.toMatchObject({
        code: 'ADAPTER_CONFIG_INVALID',
        message: expect.stringContaining('`tls.minimum`, `reason` and `until`'),
      })
      const old = { ...tls, minimum: 'TLSv1.0', reason: 'K/3 on Windows 2008', until: '2999-12-31' }
      const transport = await connectTo(port, { tls: old }, { secret })
      expect(transport.dialect.advice(null)[0]?.parameters).toEqual([
        'Risk: TLSv1.0 is taken until 2999-12-31, which can be broken (K/3 on Windows 2008).',
      ])
      await transport.close()
      await expect(
        connectTo(port, { tls: { ...old, until: '2020-01-01' } }, { secret }),
      ).rejects.toMatchObject({
        code: 'ADAPTER_CONFIG_INVALID',
        message: expect.stringContaining('until 2020-01-01'),
      })
    }))

  test.each([
    ['no encryption without a reason', { encrypt: false }],
    ['an old protocol without a reason and a last day', { tls: { minimum: 'TLSv1.1', reason: 'old' } }],
    ['an authority where nothing is encrypted', { encrypt: false, unencryptedReason: 'x', tls: { ca: CA } }],
    ['a last day that is none', { tls: { minimum: 'TLSv1.1', reason: 'old', until: 'soon' } }],
  ])('settings refuse %s', (_, settings) => {
    const base = { engine: 'sqlserver', host: 'erp-db', database: 'erp', user: 'reader' }
    expect(adapter.connection.safeParse({ ...base, ...settings }).success).toBe(false)
    expect(adapter.connection.safeParse(base).success).toBe(true)
  })

  test('an unencrypted connection to another machine is told as a risk, with the reason', async () => {
    // An address of this machine that does not look like one.
    const transport = await lab().connect({}, { resolve: async () => '::ffff:127.0.0.1' })
    expect(transport.dialect.advice(null)[0]?.parameters).toEqual([
      'Risk: the connection is not encrypted (both are this machine).',
    ])
    await transport.close()
  })

  test('a secondary is told that the connection only reads', async () => {
    const transport = await lab().connect({ readOnlyIntent: true })
    expect(lab().server.logins.at(-1)).toMatchObject({ readOnlyIntent: true })
    await transport.close()
  })

  test.each([
    ['a wrong password', { user: 'nobody' }, 'ADAPTER_AUTH_FAILED', /the password was not accepted/],
    ['a database that is not there', { database: 'nowhere' }, 'ADAPTER_CONFIG_INVALID', /no such database/],
    ['a port where nobody listens', { port: '1' }, 'ADAPTER_UNREACHABLE', /nothing listens there/],
  ])('refuses %s in plain words, without the password', async (_, settings, code, message) => {
    const failure: unknown = await lab()
      .connect(settings)
      .catch((error: unknown) => error)
    expect(failure).toMatchObject({ code, message: expect.stringMatching(message) })
    expect(everythingIn(failure)).not.toContain(PASSWORD)
  })

  test('a server that accepts and never answers costs no more than the deadline', async () => {
    const deaf = createServer((socket) => void socket.resume())
    await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve))
    const address = deaf.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const runtime = { ...createRuntime(), deadline: () => AbortSignal.timeout(200) }
    await expect(connectTo(port, {}, { runtime })).rejects.toMatchObject({ code: 'ADAPTER_TIMEOUT' })
    await new Promise((resolve) => deaf.close(resolve))
  })
}

const SELECT = { select: 'SELECT 1 AS no', key: ['no'], cursor: { strategy: 'snapshot' } }

/** What happens to statements. */
export function testStatements(lab: () => Lab): void {
  const ofRows = (statement: string) => /^SELECT TOP \(101\)/.test(statement)
  const faulty = async <Result>(
    fault: Parameters<TdsServer['setFault']>[0],
    work: () => Promise<Result>,
  ): Promise<Result> => {
    lab().server.setFault(fault)
    try {
      return await work()
    } finally {
      lab().server.setFault(null)
    }
  }

  test('a statement that takes too long is stopped at the server, and the connection serves the next poll', async () => {
    const reader = createReader(await lab().connect({ statementTimeout: '200ms' }), SELECT)
    await faulty(
      (statement) => (ofRows(statement) ? 'stall' : null),
      () => expect(reader.poll()).rejects.toMatchObject({ code: 'ADAPTER_TIMEOUT', remedy: 'retry' }),
    )
    expect(await reader.poll()).toHaveLength(1)
    await reader.session.close()
  })

  test('a statement is let go at once when the gateway stops', async () => {
    const reader = createReader(await lab().connect(), SELECT)
    const stop = new AbortController()
    const reason = new Error('The test said stop.')
    await faulty(
      (statement) => (ofRows(statement) ? 'stall' : null),
      async () => {
        const first = reader.session.poll('docs', null, stop.signal)[Symbol.asyncIterator]().next()
        const stopped = expect(first).rejects.toBe(reason)
        await expect.poll(() => ofRows(lab().server.statements.at(-1) ?? '')).toBe(true)
        stop.abort(reason)
        await stopped
      },
    )
    await reader.session.close()
  })

  test('a connection that breaks in a statement, or between two, is unreachable from then on', async () => {
    for (const how of ['in', 'between']) {
      const reader = createReader(await lab().connect(), SELECT)
      await reader.poll()
      if (how === 'between') lab().server.hangUp()
      await faulty(
        (statement) => (ofRows(statement) ? 'drop' : null),
        async () => {
          for (let times = 0; times < 2; times += 1)
            await expect(reader.poll(), how).rejects.toMatchObject({
              code: 'ADAPTER_UNREACHABLE',
              remedy: 'retry',
            })
        },
      )
      await reader.session.close()
    }
  })

  test.each([
    [208, 'ADAPTER_SCHEMA_MOVED', 'retry'],
    [229, 'ADAPTER_AUTH_FAILED', 'fix-config'],
    [468, 'ADAPTER_CONFIG_INVALID', 'fix-config'],
    [245, 'ADAPTER_CONFIG_INVALID', 'fix-config'],
    [1205, 'ADAPTER_UNREACHABLE', 'retry'],
    [1222, 'ADAPTER_TIMEOUT', 'retry'],
    [3960, 'ADAPTER_UNREACHABLE', 'retry'],
    [10928, 'ADAPTER_THROTTLED', 'retry'],
    [99999, 'ADAPTER_UNREACHABLE', 'retry'],
  ])('error %i of the server is %s', async (number, code, remedy) => {
    const reader = createReader(await lab().connect(), SELECT)
    const message = 'What the server said of hunter2.'
    const failure: unknown = await faulty(
      (statement) => (ofRows(statement) ? { number, message } : null),
      () => reader.poll().catch((error: unknown) => error),
    )
    expect(failure).toMatchObject({ code, remedy })
    expect(await reader.poll()).toHaveLength(1)
    await reader.session.close()
  })

  test('an error that may hold a value of a row is told by its number alone', async () => {
    const reader = createReader(await lab().connect(), SELECT)
    const message = "Conversion failed when converting the nvarchar value 'hunter2' to data type int."
    const failure: unknown = await faulty(
      (statement) => (ofRows(statement) ? { number: 245, message } : null),
      () => reader.poll().catch((error: unknown) => error),
    )
    expect(failure).toMatchObject({
      message: expect.stringMatching(/answered: error 245; a value does not fit its type\.$/),
      details: { number: 245, badValue: true },
    })
    await reader.session.close()
  })

  test.each([
    ['SELECT 1 AS no) q DELETE FROM dbo.doc COMMIT SELECT * FROM (SELECT 1 AS no', 'closes the parenthesis'],
    ['SELECT 1 AS no FROM (SELECT 1 AS x', 'leaves one open'],
    ["SELECT 1 AS no WHERE 'a' = '", 'leaves a text open'],
    ['SELECT 1 AS no /* ) q DELETE', 'leaves a comment open'],
    ['SELECT 1 AS no /* /* */ ) q DELETE', 'leaves the outer comment open'],
    ['SELECT 1 AS [no', 'leaves a name open'],
  ])('a select that is no whole one never reaches the server: %s', async (select) => {
    const reader = createReader(await lab().connect(), { ...SELECT, select })
    const before = lab().server.statements.length
    await expect(reader.poll()).rejects.toMatchObject({ code: 'ADAPTER_CONFIG_INVALID' })
    expect(
      lab()
        .server.statements.slice(before)
        .filter((statement) => /AS no|DELETE/.test(statement)),
    ).toEqual([])
    await reader.session.close()
  })

  test('parentheses in texts, names and comments of a select count for nothing', async () => {
    const select = "SELECT 1 AS no /* ( ' */, ')''(' AS [a)]]b] -- )"
    const reader = createReader(await lab().connect(), { ...SELECT, select })
    expect((await reader.poll()).flatMap(({ records }) => records)).toMatchObject([
      { data: { no: '1', 'a)]b': ")'(" } },
    ])
    await reader.session.close()
  })

  test('a select that begins with WITH is refused with the reason', async () => {
    const select = 'WITH d AS (SELECT 1 AS no) SELECT no FROM d'
    const reader = createReader(await lab().connect(), { ...SELECT, select })
    await faulty(
      (statement) =>
        /WITH d/.test(statement)
          ? { number: 156, message: "Incorrect syntax near the keyword 'WITH'." }
          : null,
      () => expect(reader.poll()).rejects.toThrow(/may not begin with WITH/),
    )
    await reader.session.close()
  })
}

/** Who answers, and what it allows. */
export function testServer(lab: () => Lab): void {
  test('a database is known by its recovery fork, which a restore changes, and else by what any account may see', async () => {
    const identity = async () => {
      const { session } = createReader(await lab().connect(), SELECT)
      const told = await session.identity(NEVER)
      await session.close()
      return told
    }
    const first = await identity()
    expect(first).toMatch(/^sqlserver:TDS-LAB\/erp\/family-[0-9A-F-]{36}\/fork-2{8}-/)
    expect(await identity()).toBe(first)
    await lab().setServer("fork = '33333333-3333-4333-8333-333333333333'")
    expect(await identity()).toMatch(/\/fork-3{8}-/)
    await lab().setServer('may_see_fork = false')
    expect(await identity()).toBe('sqlserver:TDS-LAB/5:erp/2020-01-01 08:00:00.000')
    await lab().setServer("may_see_fork = true, fork = '22222222-2222-4222-8222-222222222222'")
  })

  test('its horizon is the last rowversion, and none where no table has one', async () => {
    const ask = async () => {
      const transport = await lab().connect()
      const { horizon } = transport.dialect
      const snapshot = await transport.snapshot(NEVER)
      const rows = horizon === null ? null : (await snapshot.query(horizon, [], NEVER)).rows
      await snapshot.end()
      await transport.close()
      return rows === null ? null : BigInt(rows[0]?.[0] ?? '')
    }
    const before = await ask()
    await lab().erp('CREATE TABLE dbo.counted (no int, rv rowversion)')
    const started = (await ask()) ?? 0n
    await lab().erp('INSERT INTO dbo.counted (no) VALUES (1); UPDATE dbo.counted SET no = 2')
    expect([before, (await ask()) ?? 0n]).toEqual([null, started + 2n])
    await lab().erp('DROP TABLE dbo.counted')
  })

  test('a check says where a key has another collation than the database', async () => {
    await lab().erp('CREATE TABLE dbo.foreign_key (no varchar(20) COLLATE Chinese_PRC_CI_AS PRIMARY KEY)')
    const feed = { table: 'dbo.foreign_key', key: ['no'], cursor: { strategy: 'snapshot' } }
    const { session } = createReader(await lab().connect(), feed)
    const answer = await session.check(NEVER)
    expect(answer.ok ? answer.notes : []).toContainEqual(
      expect.stringMatching(
        /Column no of dbo\.foreign_key has the collation Chinese_PRC_CI_AS, .* COLLATE DATABASE_DEFAULT/,
      ),
    )
    await session.close()
    await lab().erp('DROP TABLE dbo.foreign_key')
  })

  test('a check says what it means that the database allows no snapshots', async () => {
    await lab().setServer('snapshots = 0')
    const { session } = createReader(await lab().connect(), SELECT)
    expect(await session.check(NEVER)).toMatchObject({
      ok: true,
      notes: [expect.stringMatching(/are read twice, .*, and reading waits .* ALLOW_SNAPSHOT_ISOLATION ON/)],
    })
    await session.close()
    await lab().setServer('snapshots = 1')
  })
}
