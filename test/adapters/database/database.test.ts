import { afterAll, describe, expect, test } from 'vitest'
import type { Json } from '../../../adapters/contract.ts'
import { adapter } from '../../../adapters/database/adapter.ts'
import { testAdapter } from '../../kit/adapter-contract.ts'
import { testEdges } from './edges.ts'
import { startPglite } from './pglite-source.ts'
import { POSTGRES_EDGES } from './postgres-edges.ts'
import { postgresWords } from './postgres-words.ts'
import { byTime, createReader, recordsOf } from './reader.ts'
import { testSituations } from './situations.ts'
import { TABLE_WORLDS } from './tables.ts'

const pglite = await startPglite()
afterAll(() => pglite.stop())

// Every thirteenth call is broken off here; test/integration breaks off each of them, on a real server.
for (const { title, make } of TABLE_WORLDS)
  testAdapter(`a table read ${title}`, { adapter, world: async () => make(await pglite.source()), every: 13 })

describe('in a table of PostgreSQL', () => {
  testSituations(postgresWords, pglite.source)
  testEdges(POSTGRES_EDGES, pglite.source)
})

describe('lines', () => {
  test('may come from a select, with codes of another table and a cursor of their own', async () => {
    await using source = await disposable()
    const { schema } = source
    await source.erp(
      `CREATE TABLE ${schema}.doc (no int PRIMARY KEY, changed timestamp NOT NULL);
       CREATE TABLE ${schema}.line (no int, pos int, item int, changed timestamp, PRIMARY KEY (no, pos));
       CREATE TABLE ${schema}.item (id int PRIMARY KEY, code text);
       INSERT INTO ${schema}.doc VALUES (1, '2026-03-01');
       INSERT INTO ${schema}.item VALUES (7, '0007');
       INSERT INTO ${schema}.line VALUES (1, 2, 8, '2026-03-01'), (1, 1, 7, '2026-03-01')`,
    )
    const select = `SELECT l.no, l.pos, l.changed, i.code FROM ${schema}.line l LEFT JOIN ${schema}.item i ON i.id = l.item`
    const lines = [
      { name: 'lines', select, key: ['pos'], on: { no: 'no' }, cursor: { columns: ['changed'] } },
    ]
    const reader = createReader(await source.transport(), { ...byTime(`${schema}.doc`, '0s'), lines })
    const codes = async () => {
      const record = recordsOf(await reader.poll()).at(-1)
      return (record?.data['lines'] as readonly Json[] | undefined)?.map((line) => Object(line).code)
    }
    expect(await codes()).toEqual(['0007', null])
    await source.erp(`UPDATE ${schema}.line SET item = 7, changed = '2026-03-02' WHERE pos = 2`)
    expect(await codes()).toEqual(['0007', '0007'])
    expect(await reader.session.check(new AbortController().signal)).toMatchObject({ ok: true })
  })

  test('come from a table or a select, not from neither or both', () => {
    const faultsOf = (from: object) => {
      const lines = [{ name: 'lines', key: ['pos'], on: { no: 'no' }, ...from }]
      const feed = adapter.feed.parse({ ...byTime('doc'), lines })
      return adapter.feedFaults?.(feed, CONNECTION).map(({ path }) => path.join('.'))
    }
    expect(faultsOf({ table: 'line' })).toEqual([])
    expect(faultsOf({})).toEqual(['lines.0.table'])
    const both = faultsOf({ table: 'line', select: 'DELETE FROM line;' })
    expect(new Set(both)).toEqual(new Set(['lines.0.select']))
    expect(both?.length).toBeGreaterThan(1)
  })
})

const CONNECTION = adapter.connection.parse({
  ...{ engine: 'postgres', host: 'erp-db', database: 'erp', user: 'reader' },
})

async function disposable() {
  const source = await pglite.source()
  return { ...source, [Symbol.asyncDispose]: () => source.drop() }
}
