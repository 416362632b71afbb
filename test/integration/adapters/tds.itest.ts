import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AdapterError } from '../../../adapters/errors.ts'
import { createReader, recordsOf } from '../../adapters/database/reader.ts'
import { ask, offered, trackedSince } from '../../adapters/database/sqlserver-commit-ordered.ts'
import type { Lab } from '../../adapters/database/sqlserver-lab.ts'
import { PASSWORD, startLab } from '../../adapters/database/sqlserver-lab.ts'
import { testTdsServer } from '../../adapters/database/sqlserver-served.ts'
import type { Database, Postgres } from '../../kit/services.ts'
import { describeWithService } from '../../kit/services.ts'
import type { DatabaseSession } from '../../lab/tds/database.ts'
import { openDatabase } from '../../lab/tds/database.ts'
import { createServerEngine } from '../../lab/tds/engine.ts'

// The stand-in for SQL Server over a PostgreSQL with many connections: transactions stay open while others commit.
describeWithService('postgres', 'the database adapter on the stand-in for SQL Server', testOthersAtWork)

function testOthersAtWork(postgres: Postgres): void {
  let database: Database
  let lab: Lab
  beforeAll(async () => {
    database = await postgres.database()
    lab = await startLab({ engine: createServerEngine(database.url) })
  })
  afterAll(async () => {
    await lab.stop()
    await database.drop()
  })

  describe('is as any server', () =>
    testTdsServer(
      () => `mssql://reader:${encodeURIComponent(PASSWORD)}@127.0.0.1:${lab.server.port}/erp?encrypt=false`,
      13,
    ))

  test('tracked changes of an open transaction are not passed over', async () => {
    const transport = await lab.connect()
    const { versions } = offered(transport).tracked
    await lab.erp('CREATE TABLE dbo.noted (no int PRIMARY KEY); ALTER TABLE dbo.noted ENABLE CHANGE_TRACKING')
    const slow = await writer(lab)
    await slow.run('INSERT INTO dbo.noted VALUES (1)')
    await lab.erp('INSERT INTO dbo.noted VALUES (2)')
    const [[now = ''] = []] = (await ask(transport, versions('dbo.noted'))) as [string[]?]
    await slow.commit()
    expect(await trackedSince(transport, 'dbo.noted', now)).toContainEqual(['1', '0'])
    await slow.close()
    await transport.close()
  })

  test('header and lines are read as they were at one moment where the database gives no snapshots', async () => {
    await lab.setServer('snapshots = 0')
    await lab.erp(
      `CREATE TABLE dbo.doc (no int PRIMARY KEY, version int NOT NULL);
       CREATE TABLE dbo.line (no int, pos int, version int NOT NULL, PRIMARY KEY (no, pos));
       INSERT INTO dbo.doc VALUES (1, 0); INSERT INTO dbo.line VALUES (1, 1, 0), (1, 2, 0), (1, 3, 0)`,
    )
    const lines = [{ name: 'lines', table: 'dbo.line', key: ['pos'], on: { no: 'no' } }]
    const feed = { table: 'dbo.doc', key: ['no'], lines, cursor: { strategy: 'snapshot' } }
    const reader = createReader(await lab.connect(), feed)
    const changing = (async () => {
      for (let version = 1; version <= 150; version += 1) {
        await pause(version % 20)
        await lab.erp(`UPDATE dbo.doc SET version = ${version}; UPDATE dbo.line SET version = ${version}`)
      }
    })()
    const seen = new Set<unknown>()
    const poll = async () => {
      for (const { data } of recordsOf(await reader.poll().catch(unlessRestless))) {
        const rows = data['lines'] as readonly Readonly<Record<string, string>>[]
        expect(new Set(rows.map((row) => row['version']))).toEqual(new Set([data['version']]))
        seen.add(data['version'])
      }
    }
    try {
      for (let polls = 0; polls < 40; polls += 1) await poll()
    } finally {
      await changing
    }
    await poll()
    expect(seen).toContain('150')
    await reader.session.close()
    await lab.setServer('snapshots = 1')
  })
}

/** Where nothing holds a record still, one that never rests is tried again by a later poll. */
function unlessRestless(error: unknown): readonly [] {
  if (error instanceof AdapterError && error.code === 'ADAPTER_TIMEOUT') return []
  throw error
}

/** A transaction of the ERP that is not over yet. */
async function writer(lab: Lab): Promise<DatabaseSession> {
  const session = await openDatabase(lab.engine)
  await session.begin('committed')
  return session
}
