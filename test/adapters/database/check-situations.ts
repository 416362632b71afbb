import { expect } from 'vitest'
import type { Reader } from './reader.ts'
import { byTime, createReader } from './reader.ts'
import type { Situation } from './situation.ts'
import { situation } from './situation.ts'
import { FAR, insert, written } from './words.ts'

const NEVER = new AbortController().signal

/** What a person is told before a table is read. */
export const CHECK_SITUATIONS: readonly Situation[] = [
  situation('a check says what slows reading down or makes it unsafe', async (source, table) => {
    await source.erp(
      `CREATE TABLE [${table}] ([no] int NOT NULL, [changed] ${source.words.types.instant} NOT NULL)`,
    )
    const reader = createReader(await source.transport(), byTime(table))
    const notes = (await notesOf(reader)).join('\n')
    expect(notes).toContain('begins with changed: every poll reads the whole table')
    expect(notes).toContain('rows that share a key are rejected')
    const warning = `Feed docs: The account may change ${table}; grant it SELECT and nothing else.`
    expect(await notesOf(reader, 'warnings')).toContain(warning)
    await source.erp(
      `ALTER TABLE [${table}] ADD PRIMARY KEY ([no])`,
      `CREATE INDEX [doc_by_changed] ON [${table}] ([changed], [no])`,
    )
    expect(await notesOf(reader)).toEqual([])
  }),

  situation('a check says where the database keeps another time than the source', async (source, table) => {
    const { types } = source.words
    await source.erp(
      `CREATE TABLE [${table}] ([no] int PRIMARY KEY, [changed] ${types.instant}, [at] ${types.local}, [day] ${types.date})`,
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
    const select = written(source.words, `SELECT [no], [changed], [day] FROM [${table}]`)
    const zoned = { select, key: ['no'], cursor: { strategy: 'snapshot' } }
    expect(await aboutZone('Pacific/Kiritimati', zoned)).toEqual([])
  }),

  ...(['instant', 'local', 'date'] as const).map((kind) =>
    situation(
      `a check says where the newest ${kind} of a cursor lies in the future, once an index tells it`,
      async (source, table) => {
        const { words } = source
        const at = (day: string) => words[kind](kind === 'date' ? day : `${day} 00:00:00`)
        await source.erp(
          `CREATE TABLE [${table}] ([no] int PRIMARY KEY, [changed] ${words.types[kind]})`,
          ...insert(table, `1, ${at(FAR)}`, `2, ${at('2026-03-01')}`, '3, NULL'),
        )
        const reader = createReader(await source.transport(), byTime(table, '1d'), {
          context: { zone: 'UTC' },
        })
        const aboutFuture = async () =>
          (await notesOf(reader)).filter((note) => note.includes(`The newest changed of ${table}`))
        expect(await aboutFuture()).toEqual([])
        await source.erp(`CREATE INDEX [doc_by_changed] ON [${table}] ([changed])`)
        const [note = ''] = await aboutFuture()
        expect(note).toMatch(/^Feed docs: .* is 2037-12-31.*, but the database's clock says \d{4}-\d\d-\d\d/)
        expect(note.includes("in the source's zone UTC")).toBe(kind !== 'instant')
        await source.erp(`UPDATE [${table}] SET [changed] = ${words.now[kind]} WHERE [no] = 1`)
        expect(await aboutFuture()).toEqual([])
      },
    ),
  ),
]

/** The notes of a check that finds the feed readable. */
async function notesOf(reader: Reader, kind: 'notes' | 'warnings' = 'notes'): Promise<readonly string[]> {
  const answer = await reader.session.check(NEVER)
  expect(answer).toMatchObject({ ok: true })
  return answer.ok ? (answer[kind] ?? []) : []
}
