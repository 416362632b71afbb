import type { SourceRecord } from '../../../adapters/contract.ts'
import { joinKey, splitKey } from '../../../adapters/cursor.ts'
import type { Transport } from '../../../adapters/database/transport.ts'
import type { AdapterWorld } from '../../kit/adapter-contract.ts'
import type { Words } from './words.ts'
import { insert, written } from './words.ts'

/** An empty schema of its own in some database, and connections to it. */
export type TableSource = Readonly<{
  schema: string
  words: Words
  /** Runs statements as the ERP does, with names in brackets; committed when it returns. */
  erp(...statements: readonly string[]): Promise<void>
  transport(): Promise<Transport>
  drop(): Promise<void>
}>

/** A way to read a table, for the kit. */
export type TableWorld = Readonly<{
  title: string
  make(source: TableSource): Promise<AdapterWorld<Transport>>
}>

/** Equal time stamps, as an ERP writes them that saves many rows at once: pages must part them by their keys. */
const SAME_MOMENT = '2026-03-02 07:30:00.123456'

export const TABLE_WORLDS: readonly TableWorld[] = [
  { title: 'by a watermark, with equal time stamps and strange keys', make: documents },
  { title: 'by a watermark, with changes that only show in the lines', make: withLines },
  { title: 'by a watermark on a nullable local date of a select', make: selected },
  { title: 'whole, by a composite key', make: compared },
]

async function documents(source: TableSource): Promise<AdapterWorld<Transport>> {
  const table = `${source.schema}.doc`
  const { words } = source
  const { types } = words
  await source.erp(
    `CREATE TABLE [${table}] ([no] ${types.text(40)} PRIMARY KEY, [version] int NOT NULL, [changed] ${types.instant} NOT NULL)`,
    `CREATE INDEX [doc_by_changed] ON [${table}] ([changed], [no])`,
  )
  const cursor = { strategy: 'watermark', columns: ['changed'], overlap: '10m' }
  const where = (key: string) => `WHERE [no] = ${part(words, key, 0)}`
  const later = words.later('[changed]', 1)
  return {
    ...common(source, { table, key: ['no'], cursor }),
    keys: ['K-1', 'K/2', 'K%3', 'ä4', 'k-5', "Z' 6", '中7'].map((key) => joinKey([key])),
    add: (key) => source.erp(...insert(table, `${part(words, key, 0)}, 1, ${words.instant(SAME_MOMENT)}`)),
    change: (key, version) =>
      source.erp(`UPDATE [${table}] SET [version] = ${version}, [changed] = ${later} ${where(key)}`),
    remove: (key) => source.erp(`DELETE FROM [${table}] ${where(key)}`),
  }
}

async function withLines(source: TableSource): Promise<AdapterWorld<Transport>> {
  const table = `${source.schema}.Order`
  const lineTable = `${source.schema}.line`
  const { types } = source.words
  await source.erp(
    `CREATE TABLE [${table}] ([id] ${types.bigint} PRIMARY KEY, [version] int, [seq] ${types.bigint} NOT NULL)`,
    `CREATE TABLE [${lineTable}] ([id] ${types.decimal(20, 2)}, [pos] int, [version] int, [seq] int, PRIMARY KEY ([id], [pos]))`,
  )
  let ticks = 0
  const tick = () => {
    ticks += 1
    return ticks
  }
  const feed = {
    table,
    key: ['id'],
    lines: [
      { name: 'lines', table: lineTable, key: ['id', 'pos'], on: { id: 'id' }, cursor: { columns: ['seq'] } },
    ],
    cursor: { strategy: 'watermark', columns: ['seq'], overlap: '2' },
  }
  return {
    ...common(source, feed),
    keys: ['9007199254740993', '2', '11', '-4', '5', '600000000000', '7'],
    add: (key) =>
      source.erp(
        ...insert(table, `${key}, 0, ${tick()}`),
        ...insert(lineTable, `${key}, 1, 1, ${tick()}`, `${key}, 2, 1, ${tick()}`),
      ),
    change: (key, version) =>
      source.erp(
        `UPDATE [${lineTable}] SET [version] = ${version}, [seq] = ${tick()} WHERE [id] = ${key} AND [pos] = 2`,
      ),
    remove: (key) =>
      source.erp(
        `DELETE FROM [${lineTable}] WHERE [id] = ${key}`,
        `DELETE FROM [${table}] WHERE [id] = ${key}`,
      ),
    versionOf(record) {
      const { lines } = record.data
      if (!Array.isArray(lines) || lines.length !== 2) return -1
      return Math.max(...lines.map((line: Readonly<Record<string, string>>) => Number(line['version'])))
    },
  }
}

async function selected(source: TableSource): Promise<AdapterWorld<Transport>> {
  const table = `${source.schema}.card`
  const { words } = source
  await source.erp(
    `CREATE TABLE [${table}] ([no] ${words.types.text(9)}, [version] ${words.types.small}, [day] ${words.types.date})`,
  )
  const cursor = { strategy: 'watermark', columns: ['day'], overlap: '1d' }
  const select = written(words, `SELECT c.[no], c.[version], c.[day] FROM [${table}] c -- with all days`)
  // Rows without a day are read in every round; the kit's first ones have one, so that a start from now is possible.
  const day = (key: string) => (Number(key.slice(1)) > 5 ? 'NULL' : words.date('2026-03-01'))
  const where = (key: string) => `WHERE [no] = ${part(words, key, 0)}`
  return {
    ...common(source, { select, key: ['no'], cursor }),
    keys: ['c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7'],
    add: (key) => source.erp(...insert(table, `${part(words, key, 0)}, 1, ${day(key)}`)),
    change: (key, version) => source.erp(`UPDATE [${table}] SET [version] = ${version} ${where(key)}`),
    remove: (key) => source.erp(`DELETE FROM [${table}] ${where(key)}`),
    spoil: () => source.erp(...insert(table, `NULL, 1, ${words.date('2026-03-01')}`)),
  }
}

async function compared(source: TableSource): Promise<AdapterWorld<Transport>> {
  const table = `${source.schema}.stock`
  const { words } = source
  const { types, traits } = words
  await source.erp(
    `CREATE TABLE [${table}] ([item] ${types.char(6)}, [place] ${types.bigint}, [version] int, [on_hand] ${types.decimal(18, 3)}, PRIMARY KEY ([item], [place]))`,
  )
  const keyOf = (item: string, place: string) => joinKey([traits.padsChar ? item.padEnd(6) : item, place])
  const where = (key: string) => `WHERE [item] = ${part(words, key, 0)} AND [place] = ${part(words, key, 1)}`
  return {
    ...common(source, { table, key: ['item', 'place'], cursor: { strategy: 'snapshot' } }),
    keys: [
      keyOf('A', '10'),
      keyOf('A', '9'),
      keyOf(traits.tellsCase ? 'a' : 'c', '10'),
      keyOf('B/', '-1'),
      keyOf('é', '0'),
      keyOf('Z', '7'),
      keyOf('0010', '7'),
    ],
    add: (key) => source.erp(...insert(table, `${part(words, key, 0)}, ${part(words, key, 1)}, 1, 1.500`)),
    change: (key, version) => source.erp(`UPDATE [${table}] SET [version] = ${version} ${where(key)}`),
    remove: (key) => source.erp(`DELETE FROM [${table}] ${where(key)}`),
  }
}

function common(source: TableSource, feed: object) {
  return {
    feeds: { docs: feed },
    feed: 'docs',
    rereads: true,
    versionOf: (record: SourceRecord) => Number(record.data['version']),
    transport: source.transport,
    close: source.drop,
  }
}

/** A part of a source key as an SQL literal. */
function part(words: Words, key: string, place: number): string {
  return words.text(splitKey(key)[place] ?? '')
}
