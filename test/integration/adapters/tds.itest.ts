import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AdapterError } from '../../../adapters/errors.ts'
import { byTime, createReader, recordsOf } from '../../adapters/database/reader.ts'
import { ask, boundOf, offered, trackedSince } from '../../adapters/database/sqlserver-commit-ordered.ts'
import type { Lab } from '../../adapters/database/sqlserver-lab.ts'
import { startLab } from '../../adapters/database/sqlserver-lab.ts'
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

  test('the bound stays below what an open transaction wrote, however much is committed above it [F29]', async () => {
    const transport = await lab.connect()
    await lab.erp('CREATE TABLE dbo.late (no int PRIMARY KEY, rv rowversion)')
    const slow = await writer(lab)
    await slow.run('INSERT INTO dbo.late (no) VALUES (1)')
    await lab.erp('INSERT INTO dbo.late (no) VALUES (2); UPDATE dbo.late SET no = 3')
    const bound = await boundOf(transport)
    const seen = async () => {
      const text = `SELECT ${transport.dialect.selected('q.no', 'int')}, ${transport.dialect.selected('q.rv', 'binary(8)')} FROM dbo.late q ORDER BY q.rv`
      return ask(transport, { text, parameters: [] })
    }
    const [[, above = ''] = []] = (await seen()) as [string[]?]
    expect(BigInt(bound)).toBeLessThan(BigInt(above))
    await slow.commit()
    expect((await seen())[0]).toEqual(['1', bound])
    expect(BigInt(await boundOf(transport))).toBeGreaterThan(BigInt(above))
    await slow.close()
    await transport.close()
  })

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

  test('header and lines are read as they were at one moment, with snapshots and without', async () => {
    for (const snapshots of [1, 0]) {
      await lab.setServer(`snapshots = ${snapshots}`)
      const table = `dbo.doc${snapshots}`
      await lab.erp(
        `CREATE TABLE ${table} (no int PRIMARY KEY, version int NOT NULL, changed datetimeoffset(6) NOT NULL);
         CREATE TABLE ${table}_line (no int, pos int, version int NOT NULL, PRIMARY KEY (no, pos));
         INSERT INTO ${table} VALUES (1, 0, SYSDATETIMEOFFSET());
         INSERT INTO ${table}_line VALUES (1, 1, 0), (1, 2, 0), (1, 3, 0), (1, 4, 0), (1, 5, 0)`,
      )
      const lines = [{ name: 'lines', table: `${table}_line`, key: ['pos'], on: { no: 'no' } }]
      const reader = createReader(await lab.connect(), { ...byTime(table), lines })
      const changing = (async () => {
        for (let version = 1; version <= 150; version += 1) {
          await pause(snapshots === 1 ? 0 : version % 20)
          await lab.erp(
            `UPDATE ${table} SET version = ${version}, changed = SYSDATETIMEOFFSET(); UPDATE ${table}_line SET version = ${version}`,
          )
        }
      })()
      try {
        for (let polls = 0; polls < 40; polls += 1) {
          for (const { data } of recordsOf(await reader.poll().catch(unlessRestless))) {
            const rows = data['lines'] as readonly Readonly<Record<string, string>>[]
            expect(new Set(rows.map((row) => row['version']))).toEqual(new Set([data['version']]))
          }
        }
      } finally {
        await changing
        await reader.session.close()
      }
    }
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
