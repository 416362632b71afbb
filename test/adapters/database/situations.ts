import { expect, test } from 'vitest'
import { adapter } from '../../../adapters/database/adapter.ts'
import { createSurroundings } from '../../kit/adapter-surroundings.ts'
import { CHECK_SITUATIONS } from './check-situations.ts'
import { LATE_SITUATIONS } from './late-situations.ts'
import { OLDER_STATES } from './older-states.ts'
import { byTime, createReader, keysOf, recordsOf } from './reader.ts'
import type { Situation } from './situation.ts'
import { situation } from './situation.ts'
import { SWEEP_SITUATIONS } from './sweep-situations.ts'
import type { TableSource } from './tables.ts'
import type { Words } from './words.ts'
import { FAR, fill, insert } from './words.ts'

const NEVER = new AbortController().signal

/** What happens to tables of an ERP; told once, and true of every engine. What one of them cannot do is skipped, and says why. */
export function testSituations(words: Words, makeSource: () => Promise<TableSource>): void {
  for (const { name, run, missing } of [...SITUATIONS, ...LATE_SITUATIONS]) {
    const why = missing?.(words) ?? null
    const define = async () => {
      const source = await makeSource()
      try {
        await run(source, `${source.schema}.doc`)
      } finally {
        await source.drop()
      }
    }
    if (why === null) test(name, define)
    else test.skip(`${name} [skipped: ${why}]`, define)
  }
}

type Alteration = (words: Words, table: string, column: string) => string | null

const ALTERED = (
  [
    ['dropped', ({ dropColumn }, table, column) => dropColumn(table, column)],
    ['renamed', ({ renameColumn }, table, column) => renameColumn(table, column, 'total')],
    ['widened', ({ becomesText }, table, column) => becomesText(table, column)],
  ] as const satisfies readonly (readonly [string, Alteration])[]
).map(
  ([how, alter]): Situation => ({
    name: `a column that is ${how} between two pages breaks the poll off, and the next describes it [F28]`,
    missing: (words) => (alter(words, '', '') === null ? 'the engine alters no column so' : null),
    async run(source, table) {
      const { words } = source
      const { local, decimal } = words.types
      await source.erp(
        `CREATE TABLE [${table}] ([no] int PRIMARY KEY, [changed] ${local} NOT NULL, [amount] ${decimal(9, 2)})`,
        fill(words, table, 1, 10, `n, ${words.local('2026-03-01 00:00:00')}, 1`),
      )
      const reader = createReader(await source.transport(), byTime(table), { batchRecordsMax: 4 })
      const poll = reader.session.poll('docs', null, NEVER)[Symbol.asyncIterator]()
      const first = await poll.next()
      await source.erp(alter(words, table, 'amount') ?? '')
      await expect(poll.next()).rejects.toMatchObject({ code: 'ADAPTER_SCHEMA_MOVED', remedy: 'retry' })
      reader.resumeAt(first.done === true ? null : first.value.next)
      const rest = await reader.poll()
      expect(rest[0]?.fields).not.toEqual(first.done === true ? null : first.value.fields)
      expect(new Set(keysOf(rest)).size).toBeGreaterThanOrEqual(6)
    },
  }),
)

const SITUATIONS: readonly Situation[] = [
  situation(
    'a page border between rows of one time stamp loses none and repeats none [F30]',
    async (source, table) => {
      const { words } = source
      await source.erp(
        createDocs(words, table),
        fill(words, table, 1, 10_000, `n, ${words.local('2026-03-01 12:00:00')}`),
      )
      const reader = createReader(await source.transport(), byTime(table))
      const keys = keysOf(await reader.poll())
      expect([keys.length, new Set(keys).size]).toEqual([10_000, 10_000])
    },
  ),

  situation('a dropped column is gone from the fields of the next poll', async (source, table) => {
    const { words } = source
    const { types } = words
    await source.erp(
      `CREATE TABLE [${table}] ([no] int PRIMARY KEY, [changed] ${types.local} NOT NULL, [amount] ${types.decimal(12, 2)})`,
      ...insert(table, `1, ${words.local('2026-03-01 00:00:00')}, 1.10`),
    )
    const reader = createReader(await source.transport(), byTime(table))
    const [before] = await reader.poll()
    await source.erp(words.dropColumn(table, 'amount'))
    const [after] = await reader.poll()
    const { amount, ...others } = before?.fields ?? {}
    expect([amount === undefined, Object.keys(others)]).toEqual([false, ['no', 'changed']])
    expect(after?.fields).toEqual(others)
  }),

  ...ALTERED,

  situation('a table that is gone is named', async (source, table) => {
    const reader = createReader(await source.transport(), byTime(table))
    await expect(reader.poll()).rejects.toMatchObject({ code: 'ADAPTER_ENTITY_UNKNOWN' })
    expect(await reader.session.check(NEVER)).toMatchObject({ ok: false })
  }),

  situation(
    'a check names what is wrong with each feed, and what is wrong with all once',
    async (source, table) => {
      await source.erp(createDocs(source.words, table))
      const transport = await source.transport()
      const feeds = {
        gone: adapter.feed.parse(byTime(`${table}_gone`)),
        well: adapter.feed.parse(byTime(table)),
        unkeyed: adapter.feed.parse({ ...byTime(table), key: ['nr'] }),
        twice: adapter.feed.parse({ ...byTime(table), key: ['nr'] }),
      }
      const { context } = createSurroundings({ batchRecordsMax: 10, marks: new Map() })
      const answer = await adapter.session(transport, feeds, context).check(NEVER)
      const reason = answer.ok ? '' : answer.reason
      expect(reason).toContain(`${table}_gone`)
      expect(reason.split('has no column nr')).toHaveLength(2)
    },
  ),

  situation('a column that is not there is named with what is', async (source, table) => {
    await source.erp(`CREATE TABLE [${table}] ([No] int, [changed] ${source.words.types.local})`)
    const reader = createReader(await source.transport(), byTime(table))
    await expect(reader.poll()).rejects.toThrow(`${table} has no column no; it is written No.`)
  }),

  ...OLDER_STATES,

  situation('a row from the future does not drag the cursor with it', async (source, table) => {
    const { words } = source
    const { instant } = words.now
    await source.erp(
      `CREATE TABLE [${table}] ([no] int PRIMARY KEY, [changed] ${words.types.instant} NOT NULL)`,
      ...insert(table, `1, ${words.instant(`${FAR} 00:00:00`)}`, `2, ${words.later(instant, -3600)}`),
    )
    const reader = createReader(await source.transport(), byTime(table, '1m'))
    expect([...keysOf(await reader.poll())].sort()).toEqual(['1', '2'])
    await source.erp(...insert(table, `3, ${words.later(instant, 60)}`))
    expect(keysOf(await reader.poll())).toContain('3')
    await source.erp(`UPDATE [${table}] SET [changed] = ${words.later(instant, 120)} WHERE [no] = 2`)
    expect(keysOf(await reader.poll())).toContain('2')
  }),

  situation('rows without a cursor value are read in every poll', async (source, table) => {
    const { types, local } = source.words
    await source.erp(
      `CREATE TABLE [${table}] ([no] int PRIMARY KEY, [changed] ${types.local})`,
      ...insert(table, ...[1, 2, 3, 4, 5, 6, 7].map((no) => `${no}, NULL`)),
      ...insert(table, `8, ${local('2026-03-01 00:00:00')}`),
    )
    const reader = createReader(await source.transport(), byTime(table), { batchRecordsMax: 3 })
    expect(new Set(keysOf(await reader.poll())).size).toBe(8)
    await source.erp(...insert(table, '9, NULL'))
    expect(keysOf(await reader.poll())).toContain('9')
    await expect(reader.session.startAt?.('docs', 'now', NEVER)).rejects.toMatchObject({
      code: 'ADAPTER_CONFIG_INVALID',
    })
  }),

  situation('a start since a value reads that value and what is above', async (source, table) => {
    const day = await byDays(source, table, ['1', '2026-02-27'], ['2', '2026-02-28'], ['3', '2026-03-01'])
    const reader = createReader(await source.transport(), byTime(table, '10d'))
    reader.resumeAt((await reader.session.startAt?.('docs', { since: '2026-02-28' }, NEVER)) ?? null)
    expect(keysOf(await reader.poll())).toEqual(['2', '3'])
    await day(['4', '2026-02-20'], ['5', '2026-03-01'])
    expect(keysOf(await reader.poll())).toEqual(['2', '3', '5'])
    const wrong = reader.session.startAt?.('docs', { since: 'yesterday-ish' }, NEVER)
    await expect(wrong).rejects.toMatchObject({ code: 'ADAPTER_CONFIG_INVALID' })
  }),

  situation('a start from now takes what is committed late, and of the same day', async (source, table) => {
    const day = await byDays(source, table, ['5', '2026-03-01'], ['6', '2026-03-01'], ['7', FAR])
    const reader = createReader(await source.transport(), byTime(table, '2d'))
    reader.resumeAt((await reader.session.startAt?.('docs', 'now', NEVER)) ?? null)
    expect(keysOf(await reader.poll())).toEqual([])
    await day(['1', '2026-02-28'], ['2', '2026-03-01'], ['3', '2026-03-02'])
    expect(keysOf(await reader.poll())).toEqual(['1', '2', '3'])
  }),

  situation(
    'rows that share a key are rejected but for one, also across a page border',
    async (source, table) => {
      const { types, local } = source.words
      const changed = local('2026-03-01 00:00:00')
      await source.erp(
        `CREATE TABLE [${table}] ([no] int, [changed] ${types.local} NOT NULL)`,
        ...insert(table, ...[1, 2, 2, 3, 4, 4, 4, 'NULL'].map((no) => `${no}, ${changed}`)),
      )
      for (const batchRecordsMax of [2, 3, 100]) {
        const reader = createReader(await source.transport(), byTime(table), { batchRecordsMax })
        const batches = await reader.poll()
        expect(keysOf(batches)).toEqual(['1', '2', '3', '4'])
        const reasons = new Set(batches.flatMap(({ unreadable }) => unreadable.map(({ reason }) => reason)))
        expect(reasons).toEqual(
          new Set([
            'has the key of another row: the key of the feed must be unique',
            'has no key: a column of it is null',
          ]),
        )
      }
    },
  ),

  situation(
    'a record comes with its lines, in their order, and without them when it has none',
    async (source, table) => {
      const { types, local } = source.words
      const changed = local('2026-03-01 00:00:00')
      await source.erp(
        `CREATE TABLE [${table}] ([no] ${types.char(4)} PRIMARY KEY, [changed] ${types.local} NOT NULL)`,
        `CREATE TABLE [${table}_line] ([no] ${types.text(10)}, [pos] int, [qty] ${types.decimal(9, 3)}, PRIMARY KEY ([no], [pos]))`,
        ...insert(table, `'A', ${changed}`, `'B', ${changed}`),
        ...insert(`${table}_line`, "'A', 10, 1.500", "'A', 9, 2", "'A   ', 2, 0.001", "'C', 1, 1"),
      )
      const lines = [{ name: 'lines', table: `${table}_line`, key: ['pos'], on: { no: 'no' } }]
      const reader = createReader(await source.transport(), { ...byTime(table), lines })
      const [batch] = await reader.poll()
      expect(recordsOf(batch === undefined ? [] : [batch]).map(({ data }) => data['lines'])).toEqual([
        [
          { no: 'A   ', pos: '2', qty: '0.001' },
          { no: 'A', pos: '9', qty: '2.000' },
          { no: 'A', pos: '10', qty: '1.500' },
        ],
        [],
      ])
      expect(Object.keys(batch?.fields ?? {})).toEqual([
        'no',
        'changed',
        'lines.no',
        'lines.pos',
        'lines.qty',
      ])
    },
  ),

  situation(
    'a record with more lines than can be held is rejected, and its neighbours flow',
    async (source, table) => {
      const { words } = source
      await source.erp(
        createDocs(words, table),
        `CREATE TABLE [${table}_line] ([no] int, [pos] int, PRIMARY KEY ([no], [pos]))`,
        fill(words, table, 1, 4, `n, ${words.local('2026-03-01 00:00:00')}`),
        fill(words, `${table}_line`, 1, 50_001, '2, n'),
        fill(words, `${table}_line`, 3, 4, 'n, 1'),
      )
      const lines = [{ name: 'lines', table: `${table}_line`, key: ['pos'], on: { no: 'no' } }]
      const reader = createReader(await source.transport(), { ...byTime(table), lines })
      const batches = await reader.poll()
      expect(keysOf(batches)).toEqual(['1', '3', '4'])
      expect(batches.flatMap(({ unreadable }) => unreadable)).toMatchObject([{ key: '2' }])
    },
  ),

  situation('a column that cannot order changes is refused with the reason', async (source, table) => {
    const { types } = source.words
    await source.erp(
      `CREATE TABLE [${table}] ([no] int PRIMARY KEY, [changed] ${types.text(20)}, [seq] ${types.double}, [n] int)`,
    )
    const transport = await source.transport()
    for (const [column, overlap] of [
      ['changed', '1m'],
      ['seq', '1'],
      ['n', '10m'],
    ] as const) {
      const cursor = { strategy: 'watermark', columns: [column], overlap }
      const reader = createReader(transport, { table, key: ['no'], cursor })
      expect(await reader.session.check(NEVER), column).toMatchObject({ ok: false })
      await expect(reader.poll(), column).rejects.toMatchObject({ code: 'ADAPTER_CONFIG_INVALID' })
    }
  }),

  ...CHECK_SITUATIONS,
  ...SWEEP_SITUATIONS,

  situation(
    'a key of numbers is read again by its text, and what is none is not there',
    async (source, table) => {
      await source.erp(
        `CREATE TABLE [${table}] ([no] ${source.words.types.bigint} PRIMARY KEY, [version] int)`,
        ...insert(table, '9223372036854775807, 1'),
      )
      const feed = { table, key: ['no'], cursor: { strategy: 'snapshot' } }
      const reader = createReader(await source.transport(), feed)
      const records = recordsOf(await reader.poll())
      expect(records.map(({ key }) => key)).toEqual(['9223372036854775807'])
      expect(await reader.session.read?.('docs', ['9223372036854775807', 'x', '1'], NEVER)).toEqual(records)
    },
  ),

  situation(
    'a pass that was broken off goes on behind its last key, and a whole one follows',
    async (source, table) => {
      const keys = Array.from({ length: 20 }, (_, no) => `'k${no + 1}'`)
      await source.erp(
        `CREATE TABLE [${table}] ([no] ${source.words.types.text(9)} PRIMARY KEY)`,
        ...insert(table, ...keys),
      )
      const feed = { table, key: ['no'], cursor: { strategy: 'snapshot' } }
      const reader = createReader(await source.transport(), feed, { batchRecordsMax: 6 })
      const [first] = await reader.poll(1)
      const rest = await reader.poll()
      const passes = rest.map(({ pass }) => pass)
      expect(first?.pass).toMatchObject({ begins: true, ends: false })
      expect(passes.slice(0, 3)).toEqual([
        { id: first?.pass?.id, begins: false, ends: false },
        { id: first?.pass?.id, begins: false, ends: false },
        { id: first?.pass?.id, begins: false, ends: true },
      ])
      expect(passes[3]).toMatchObject({ begins: true })
      expect(passes.at(-1)).toMatchObject({ ends: true })
      await source.erp(`DELETE FROM [${table}]`)
      expect(await reader.poll()).toMatchObject([{ records: [], pass: { begins: true, ends: true } }])
    },
  ),
]

function createDocs({ types }: Words, table: string): string {
  return `CREATE TABLE [${table}] ([no] int PRIMARY KEY, [changed] ${types.local} NOT NULL)`
}

type Day = readonly [no: string, changed: string]

/** A table of rows by days, and how more of them are saved. */
async function byDays(
  source: TableSource,
  table: string,
  ...days: readonly Day[]
): Promise<(...more: readonly Day[]) => Promise<void>> {
  const { words } = source
  const save = (...more: readonly Day[]) =>
    source.erp(...insert(table, ...more.map(([no, changed]) => `${no}, ${words.date(changed)}`)))
  await source.erp(`CREATE TABLE [${table}] ([no] int PRIMARY KEY, [changed] ${words.types.date} NOT NULL)`)
  await save(...days)
  return save
}
