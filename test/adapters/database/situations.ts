import { expect, test } from 'vitest'
import { adapter } from '../../../adapters/database/adapter.ts'
import { createSurroundings } from '../../kit/adapter-surroundings.ts'
import { LATE_SITUATIONS } from './late-situations.ts'
import { OLDER_STATES } from './older-states.ts'
import type { Reader } from './reader.ts'
import { byTime, createReader, keysOf, recordsOf } from './reader.ts'
import type { TableSource } from './tables.ts'

const NEVER = new AbortController().signal

export type Situation = Readonly<{ name: string; run(source: TableSource, table: string): Promise<void> }>

/** What happens to tables of an ERP; told once, and true of any PostgreSQL, in memory or real. */
export function testSituations(makeSource: () => Promise<TableSource>): void {
  for (const { name, run } of [...SITUATIONS, ...LATE_SITUATIONS])
    test(name, async () => {
      const source = await makeSource()
      try {
        await run(source, `${source.schema}.doc`)
      } finally {
        await source.drop()
      }
    })
}

function situation(name: string, run: Situation['run']): Situation {
  return { name, run }
}

/** The notes of a check that finds the feed readable. */
async function notesOf(reader: Reader): Promise<readonly string[]> {
  const answer = await reader.session.check(NEVER)
  expect(answer).toMatchObject({ ok: true })
  return answer.ok ? (answer.notes ?? []) : []
}

const ALTERED = (
  [
    ['dropped', 'DROP COLUMN amount'],
    ['renamed', 'RENAME COLUMN amount TO total'],
    ['widened', 'ALTER COLUMN amount TYPE text'],
  ] as const
).map(([how, statement]) =>
  situation(
    `a column that is ${how} between two pages breaks the poll off, and the next describes it [F28]`,
    async (source, table) => {
      await source.erp(
        `CREATE TABLE ${table} (no int PRIMARY KEY, changed timestamp NOT NULL, amount numeric);
         INSERT INTO ${table} SELECT no, '2026-03-01', 1 FROM generate_series(1, 10) no`,
      )
      const reader = createReader(await source.transport(), byTime(table), { batchRecordsMax: 4 })
      const poll = reader.session.poll('docs', null, NEVER)[Symbol.asyncIterator]()
      const first = await poll.next()
      await source.erp(`ALTER TABLE ${table} ${statement}`)
      await expect(poll.next()).rejects.toMatchObject({ code: 'ADAPTER_SCHEMA_MOVED', remedy: 'retry' })
      reader.resumeAt(first.done === true ? null : first.value.next)
      const rest = await reader.poll()
      expect(rest[0]?.fields).not.toEqual(first.done === true ? null : first.value.fields)
      expect(new Set(keysOf(rest)).size).toBeGreaterThanOrEqual(6)
    },
  ),
)

const SITUATIONS: readonly Situation[] = [
  situation(
    'a page border between rows of one time stamp loses none and repeats none [F30]',
    async (source, table) => {
      await source.erp(
        `CREATE TABLE ${table} (no int PRIMARY KEY, changed timestamp NOT NULL);
       INSERT INTO ${table} SELECT no, '2026-03-01 12:00' FROM generate_series(1, 10000) no`,
      )
      const reader = createReader(await source.transport(), byTime(table))
      const keys = keysOf(await reader.poll())
      expect([keys.length, new Set(keys).size]).toEqual([10_000, 10_000])
    },
  ),

  situation('a dropped column is gone from the fields of the next poll', async (source, table) => {
    await source.erp(
      `CREATE TABLE ${table} (no int PRIMARY KEY, changed timestamp NOT NULL, amount numeric(12, 2));
       INSERT INTO ${table} VALUES (1, '2026-03-01', 1.10)`,
    )
    const reader = createReader(await source.transport(), byTime(table))
    const [before] = await reader.poll()
    await source.erp(`ALTER TABLE ${table} DROP COLUMN amount`)
    const [after] = await reader.poll()
    expect(Object.keys(before?.fields ?? {})).toEqual(['no', 'changed', 'amount'])
    expect(after?.fields).toEqual({ no: 'integer', changed: 'timestamp without time zone' })
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
      await source.erp(`CREATE TABLE ${table} (no int PRIMARY KEY, changed timestamp)`)
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
    await source.erp(`CREATE TABLE ${table} ("No" int, changed timestamp)`)
    const reader = createReader(await source.transport(), byTime(table))
    await expect(reader.poll()).rejects.toThrow(`${table} has no column no; it is written No.`)
  }),

  ...OLDER_STATES,

  situation('a row from the future does not drag the cursor with it', async (source, table) => {
    await source.erp(
      `CREATE TABLE ${table} (no int PRIMARY KEY, changed timestamptz NOT NULL);
       INSERT INTO ${table} VALUES (1, '2999-12-31'), (2, now() - interval '1 hour')`,
    )
    const reader = createReader(await source.transport(), byTime(table, '1m'))
    expect([...keysOf(await reader.poll())].sort()).toEqual(['1', '2'])
    await source.erp(`INSERT INTO ${table} VALUES (3, now() + interval '1 minute')`)
    expect(keysOf(await reader.poll())).toContain('3')
    await source.erp(`UPDATE ${table} SET changed = now() + interval '2 minutes' WHERE no = 2`)
    expect(keysOf(await reader.poll())).toContain('2')
  }),

  situation('rows without a cursor value are read in every poll', async (source, table) => {
    await source.erp(
      `CREATE TABLE ${table} (no int PRIMARY KEY, changed timestamp);
       INSERT INTO ${table} SELECT no, NULL FROM generate_series(1, 7) no; INSERT INTO ${table} VALUES (8, '2026-03-01')`,
    )
    const reader = createReader(await source.transport(), byTime(table), { batchRecordsMax: 3 })
    expect(new Set(keysOf(await reader.poll())).size).toBe(8)
    await source.erp(`INSERT INTO ${table} VALUES (9, NULL)`)
    expect(keysOf(await reader.poll())).toContain('9')
    await expect(reader.session.startAt?.('docs', 'now', NEVER)).rejects.toMatchObject({
      code: 'ADAPTER_CONFIG_INVALID',
    })
  }),

  situation('a start since a value reads that value and what is above', async (source, table) => {
    await source.erp(
      `CREATE TABLE ${table} (no int PRIMARY KEY, changed date NOT NULL);
       INSERT INTO ${table} VALUES (1, '2026-02-27'), (2, '2026-02-28'), (3, '2026-03-01')`,
    )
    const reader = createReader(await source.transport(), byTime(table, '10d'))
    reader.resumeAt((await reader.session.startAt?.('docs', { since: '2026-02-28' }, NEVER)) ?? null)
    expect(keysOf(await reader.poll())).toEqual(['2', '3'])
    await source.erp(`INSERT INTO ${table} VALUES (4, '2026-02-20'), (5, '2026-03-01')`)
    expect(keysOf(await reader.poll())).toEqual(['2', '3', '5'])
    const wrong = reader.session.startAt?.('docs', { since: 'yesterday-ish' }, NEVER)
    await expect(wrong).rejects.toMatchObject({ code: 'ADAPTER_CONFIG_INVALID' })
  }),

  situation('a start from now takes what is committed late, and of the same day', async (source, table) => {
    await source.erp(
      `CREATE TABLE ${table} (no int PRIMARY KEY, changed date NOT NULL);
       INSERT INTO ${table} VALUES (5, '2026-03-01'), (6, '2026-03-01'), (7, '2999-01-01')`,
    )
    const reader = createReader(await source.transport(), byTime(table, '2d'))
    reader.resumeAt((await reader.session.startAt?.('docs', 'now', NEVER)) ?? null)
    expect(keysOf(await reader.poll())).toEqual([])
    await source.erp(`INSERT INTO ${table} VALUES (1, '2026-02-28'), (2, '2026-03-01'), (3, '2026-03-02')`)
    expect(keysOf(await reader.poll())).toEqual(['1', '2', '3'])
  }),

  situation(
    'rows that share a key are rejected but for one, also across a page border',
    async (source, table) => {
      await source.erp(
        `CREATE TABLE ${table} (no int, changed timestamp NOT NULL);
       INSERT INTO ${table} SELECT no, '2026-03-01' FROM unnest(ARRAY[1, 2, 2, 3, 4, 4, 4, NULL]) no`,
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
      await source.erp(
        `CREATE TABLE ${table} (no char(4) PRIMARY KEY, changed timestamp NOT NULL);
       CREATE TABLE ${table}_line (no varchar(10), pos int, qty numeric(9, 3), PRIMARY KEY (no, pos));
       INSERT INTO ${table} VALUES ('A', '2026-03-01'), ('B', '2026-03-01');
       INSERT INTO ${table}_line VALUES ('A', 10, 1.500), ('A', 9, 2), ('A   ', 2, 0.001), ('C', 1, 1)`,
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
      await source.erp(
        `CREATE TABLE ${table} (no int PRIMARY KEY, changed timestamp NOT NULL);
       CREATE TABLE ${table}_line (no int, pos int, PRIMARY KEY (no, pos));
       INSERT INTO ${table} SELECT no, '2026-03-01' FROM generate_series(1, 4) no;
       INSERT INTO ${table}_line SELECT 2, pos FROM generate_series(1, 50001) pos;
       INSERT INTO ${table}_line SELECT no, 1 FROM generate_series(3, 4) no`,
      )
      const lines = [{ name: 'lines', table: `${table}_line`, key: ['pos'], on: { no: 'no' } }]
      const reader = createReader(await source.transport(), { ...byTime(table), lines })
      const batches = await reader.poll()
      expect(keysOf(batches)).toEqual(['1', '3', '4'])
      expect(batches.flatMap(({ unreadable }) => unreadable)).toMatchObject([{ key: '2' }])
    },
  ),

  situation('a column that cannot order changes is refused with the reason', async (source, table) => {
    await source.erp(`CREATE TABLE ${table} (no int PRIMARY KEY, changed text, seq double precision, n int)`)
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

  situation('a check says what slows reading down or makes it unsafe', async (source, table) => {
    await source.erp(`CREATE TABLE ${table} (no int, changed timestamptz)`)
    const reader = createReader(await source.transport(), byTime(table))
    const notes = (await notesOf(reader)).join('\n')
    expect(notes).toContain('begins with changed: every poll reads the whole table')
    expect(notes).toContain('rows that share a key are rejected')
    expect(notes).toContain(`The account may change ${table}`)
    await source.erp(`ALTER TABLE ${table} ADD PRIMARY KEY (no); CREATE INDEX ON ${table} (changed, no)`)
    expect(await notesOf(reader)).toEqual([expect.stringContaining('may change')])
  }),

  situation('a check says where the database keeps another time than the source', async (source, table) => {
    await source.erp(
      `CREATE TABLE ${table} (no int PRIMARY KEY, changed timestamptz, at timestamp(3), day date)`,
    )
    const feed = { table, key: ['no'], cursor: { strategy: 'snapshot' } }
    const aboutZone = async (zone: string, of: object = feed) => {
      const reader = createReader(await source.transport(), of, { context: { zone } })
      return (await notesOf(reader)).filter((note) => note.includes('zone'))
    }
    // No server of a test lies that far east.
    const [note, ...more] = await aboutZone('Pacific/Kiritimati')
    expect(more).toEqual([])
    const [, own = ''] =
      /own zone is (\S+) \(\d\d:\d\d now\), that of the source is Pacific/.exec(note ?? '') ?? []
    expect(note).toContain('in the columns without a zone: docs.at.')
    expect(note).toContain(`set \`zone: ${own}\` at the source`)
    expect(await aboutZone(own)).toEqual([])
    const select = `SELECT no, changed, day FROM ${table}`
    const zoned = { select, key: ['no'], cursor: { strategy: 'snapshot' } }
    expect(await aboutZone('Pacific/Kiritimati', zoned)).toEqual([])
  }),

  ...['timestamptz', 'timestamp', 'date'].map((type) =>
    situation(
      `a check says where the newest ${type} of a cursor lies in the future, once an index tells it`,
      async (source, table) => {
        await source.erp(
          `CREATE TABLE ${table} (no int PRIMARY KEY, changed ${type});
           INSERT INTO ${table} VALUES (1, '2999-12-31'), (2, '2026-03-01'), (3, NULL)`,
        )
        const reader = createReader(await source.transport(), byTime(table, '1d'), {
          context: { zone: 'UTC' },
        })
        const now = type === 'timestamptz' ? 'now()' : `(now() AT TIME ZONE 'UTC')::${type}`
        const aboutFuture = async () =>
          (await notesOf(reader)).filter((note) => note.includes(`The newest changed of ${table}`))
        expect(await aboutFuture()).toEqual([])
        await source.erp(`CREATE INDEX ON ${table} (changed)`)
        const [note = ''] = await aboutFuture()
        expect(note).toMatch(/^Feed docs: .* is 2999-12-31.*, but the database's clock says \d{4}-\d\d-\d\d/)
        expect(note.includes("in the source's zone UTC")).toBe(type !== 'timestamptz')
        await source.erp(`UPDATE ${table} SET changed = ${now} WHERE no = 1`)
        expect(await aboutFuture()).toEqual([])
      },
    ),
  ),

  situation('values come as the database writes them', async (source, table) => {
    await source.erp(
      `CREATE TABLE ${table} (no bigint PRIMARY KEY, ${TYPES.map(([type], index) => `c${index} ${type}`).join(', ')});
       INSERT INTO ${table} VALUES (9223372036854775807, ${TYPES.map(([, value]) => value).join(', ')})`,
    )
    const reader = createReader(await source.transport(), {
      table,
      key: ['no'],
      cursor: { strategy: 'snapshot' },
    })
    const [record] = recordsOf(await reader.poll())
    expect(record?.key).toBe('9223372036854775807')
    expect(TYPES.map((_, index) => record?.data[`c${index}`])).toEqual(TYPES.map(([, , text]) => text))
    expect(await reader.session.read?.('docs', ['9223372036854775807', 'x', '1'], NEVER)).toEqual([record])
  }),

  situation(
    'a pass that was broken off goes on behind its last key, and a whole one follows',
    async (source, table) => {
      await source.erp(
        `CREATE TABLE ${table} (no text PRIMARY KEY);
       INSERT INTO ${table} SELECT 'k' || no FROM generate_series(1, 20) no`,
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
      await source.erp(`DELETE FROM ${table}`)
      expect(await reader.poll()).toMatchObject([{ records: [], pass: { begins: true, ends: true } }])
    },
  ),
]

/** Type, value as SQL, and the text that must arrive: no float, no zone of this machine, no rounding. */
const TYPES: readonly (readonly [string, string, string | null])[] = [
  ['numeric(38, 10)', '1234567890123456789012345678.1000000000', '1234567890123456789012345678.1000000000'],
  ['numeric', "'NaN'", 'NaN'],
  ['numeric(12, 2)', '1.1', '1.10'],
  ['bigint', '-9223372036854775808', '-9223372036854775808'],
  ['double precision', '0.1', '0.1'],
  ['double precision', "'-Infinity'", '-Infinity'],
  ['real', '16777217', '1.6777216e+07'],
  ['money', "'1234567.89'", '$1,234,567.89'],
  ['timestamptz', "'2026-03-01 08:00:00.123456+08'", '2026-03-01 00:00:00.123456+00'],
  ['timestamptz', "'infinity'", 'infinity'],
  ['timestamp', "'2026-10-25 02:30:00'", '2026-10-25 02:30:00'],
  ['timestamp', "'0044-03-15 12:00:00 BC'", '0044-03-15 12:00:00 BC'],
  ['date', "'2026-02-28'", '2026-02-28'],
  ['date', "'-infinity'", '-infinity'],
  ['time', "'24:00:00'", '24:00:00'],
  ['timetz', "'08:00:00+08'", '08:00:00+08'],
  ['interval', "'1 mon 2 days 03:04:05.6'", 'P1M2DT3H4M5.6S'],
  ['boolean', 'true', 't'],
  ['char(6)', "'0010'", '0010  '],
  ['varchar(6)', "' 10 '", ' 10 '],
  ['text', "E'a\\tb\\n\\u4e2d'", 'a\tb\n中'],
  ['bytea', "'\\x00ff'", '\\x00ff'],
  ['integer[]', "'{1,NULL,3}'", '{1,NULL,3}'],
  ['text[]', `'{"a,b","c\\"d"}'`, '{"a,b","c\\"d"}'],
  ['json', `'{"a": 1.10}'`, '{"a": 1.10}'],
  ['jsonb', `'{"a": 1.10}'`, '{"a": 1.10}'],
  ['uuid', "'019C0000-0000-7000-8000-000000000001'", '019c0000-0000-7000-8000-000000000001'],
  ['inet', "'10.0.0.1/8'", '10.0.0.1/8'],
  ['bit(5)', "B'00101'", '00101'],
  ['int4range', "'[1,5)'", '[1,5)'],
  ['text', 'NULL', null],
]
