import type { SourceRecord } from '../../../adapters/contract.ts'
import { joinKey, splitKey } from '../../../adapters/cursor.ts'
import type { Transport } from '../../../adapters/database/transport.ts'
import type { AdapterWorld } from '../../kit/adapter-contract.ts'

/** An empty schema of its own in some PostgreSQL, and connections to it. */
export type TableSource = Readonly<{
  schema: string
  /** Runs statements as the ERP does, committed when it returns. */
  erp(statements: string): Promise<void>
  transport(): Promise<Transport>
  drop(): Promise<void>
}>

/** A way to read a table, for the kit. */
export type TableWorld = Readonly<{
  title: string
  make(source: TableSource): Promise<AdapterWorld<Transport>>
}>

/** Equal time stamps, as an ERP writes them that saves many rows at once: pages must part them by their keys. */
const SAME_MOMENT = "'2026-03-02 07:30:00.123456'"

export const TABLE_WORLDS: readonly TableWorld[] = [
  { title: 'by a watermark, with equal time stamps and strange keys', make: documents },
  { title: 'by a watermark, with changes that only show in the lines', make: withLines },
  { title: 'by a watermark on a nullable local date of a select', make: selected },
  { title: 'whole, by a composite key', make: compared },
]

async function documents(source: TableSource): Promise<AdapterWorld<Transport>> {
  const table = `${source.schema}.doc`
  await source.erp(
    `CREATE TABLE ${table} (no text PRIMARY KEY, version int NOT NULL, changed timestamptz NOT NULL);
     CREATE INDEX ON ${table} (changed, no)`,
  )
  const cursor = { strategy: 'watermark', columns: ['changed'], overlap: '10m' }
  return {
    ...common(source, { table, key: ['no'], cursor }),
    keys: ['K-1', 'K/2', 'K%3', 'ä4', 'k-5', "Z' 6", '中7'].map((key) => joinKey([key])),
    add: (key) =>
      source.erp(
        `INSERT INTO ${table} VALUES (${part(key, 0)}, 1, timestamptz ${SAME_MOMENT} AT TIME ZONE 'UTC')`,
      ),
    change: (key, version) =>
      source.erp(
        `UPDATE ${table} SET version = ${version}, changed = changed + interval '1 second' WHERE no = ${part(key, 0)}`,
      ),
    remove: (key) => source.erp(`DELETE FROM ${table} WHERE no = ${part(key, 0)}`),
  }
}

async function withLines(source: TableSource): Promise<AdapterWorld<Transport>> {
  const { schema } = source
  await source.erp(
    `CREATE TABLE ${schema}."Order" (id bigint PRIMARY KEY, version int, seq bigint NOT NULL);
     CREATE TABLE ${schema}.line (id numeric(20, 2), pos int, version int, seq int, PRIMARY KEY (id, pos));
     CREATE SEQUENCE ${schema}.tick`,
  )
  const tick = `nextval('${schema}.tick')`
  const feed = {
    table: `${schema}.Order`,
    key: ['id'],
    lines: [
      {
        name: 'lines',
        table: `${schema}.line`,
        key: ['id', 'pos'],
        on: { id: 'id' },
        cursor: { columns: ['seq'] },
      },
    ],
    cursor: { strategy: 'watermark', columns: ['seq'], overlap: '2' },
  }
  return {
    ...common(source, feed),
    keys: ['9007199254740993', '2', '11', '-4', '5', '600000000000', '7'],
    add: (key) =>
      source.erp(
        `INSERT INTO ${schema}."Order" VALUES (${key}, 0, ${tick});
         INSERT INTO ${schema}.line SELECT ${key}, pos, 1, ${tick} FROM generate_series(1, 2) pos`,
      ),
    change: (key, version) =>
      source.erp(
        `UPDATE ${schema}.line SET version = ${version}, seq = ${tick} WHERE id = ${key} AND pos = 2`,
      ),
    remove: (key) =>
      source.erp(
        `DELETE FROM ${schema}.line WHERE id = ${key}; DELETE FROM ${schema}."Order" WHERE id = ${key}`,
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
  await source.erp(`CREATE TABLE ${table} (no varchar(9), version smallint, day date)`)
  const cursor = { strategy: 'watermark', columns: ['day'], overlap: '1d' }
  const select = `SELECT c.no, c.version, c.day FROM ${table} c -- with all days`
  // Rows without a day are read in every round; the kit's first ones have one, so that a start from now is possible.
  const day = (key: string) => (Number(key.slice(1)) > 5 ? 'NULL' : "date '2026-03-01'")
  return {
    ...common(source, { select, key: ['no'], cursor }),
    keys: ['c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7'],
    add: (key) => source.erp(`INSERT INTO ${table} VALUES (${part(key, 0)}, 1, ${day(key)})`),
    change: (key, version) =>
      source.erp(`UPDATE ${table} SET version = ${version} WHERE no = ${part(key, 0)}`),
    remove: (key) => source.erp(`DELETE FROM ${table} WHERE no = ${part(key, 0)}`),
    spoil: () => source.erp(`INSERT INTO ${table} VALUES (NULL, 1, date '2026-03-01')`),
  }
}

async function compared(source: TableSource): Promise<AdapterWorld<Transport>> {
  const table = `${source.schema}.stock`
  await source.erp(
    `CREATE TABLE ${table} (item char(6), place bigint, version int, on_hand numeric(18, 3), PRIMARY KEY (item, place))`,
  )
  const where = (key: string) => `item = ${part(key, 0)} AND place = ${part(key, 1)}`
  return {
    ...common(source, { table, key: ['item', 'place'], cursor: { strategy: 'snapshot' } }),
    keys: ['A     /10', 'A     /9', 'a     /10', 'B%2F    /-1', 'é     /0', 'Z     /7', '0010  /7'],
    add: (key) => source.erp(`INSERT INTO ${table} VALUES (${part(key, 0)}, ${part(key, 1)}, 1, 1.500)`),
    change: (key, version) => source.erp(`UPDATE ${table} SET version = ${version} WHERE ${where(key)}`),
    remove: (key) => source.erp(`DELETE FROM ${table} WHERE ${where(key)}`),
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
function part(key: string, place: number): string {
  return `'${(splitKey(key)[place] ?? '').replaceAll("'", "''")}'`
}
