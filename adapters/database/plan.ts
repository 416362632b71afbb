import { AdapterError } from '../errors.ts'
import { assertSelect } from './select-guard.ts'
import type { Feed, Lines } from './settings.ts'
import type { Dialect, Row, Snapshot, Transport } from './transport.ts'
import { binding } from './transport.ts'

/** Something that rows come from, as the database describes it now. In statements it is called `q`. */
export type Relation = Readonly<{
  /** For people: the table, or the feed where it is a select. */
  name: string
  /** What stands after FROM, without a name for it. */
  source: string
  /** The same, called `q`. */
  from: string
  columns: readonly string[]
  /** Name of each column's type, in the engine's own words. */
  types: readonly string[]
  /** What the driver gives for each column's type; another one later means that the table was changed. */
  typeMarks: readonly string[]
  neverNull: ReadonlySet<string>
  /**
   * A row's fields, all null, in the order of their names: each row begins as a copy. An object that grows field by field
   * costs several times as much to make and to read, and sorted names need no more sorting where rows are hashed.
   */
  blank: Readonly<Record<string, null>>
}>

/** Lines of a feed with their table. `on` pairs places of columns: in the lines, in the header. */
export type LinesPlan = Readonly<{
  settings: Lines
  relation: Relation
  on: readonly Readonly<{ line: number; header: number }>[]
}>

/** A feed as it stands in the database at this moment. */
export type Plan = Readonly<{
  feed: string
  dialect: Dialect
  header: Relation
  /** Places of the key columns in the header. */
  key: readonly number[]
  lines: readonly LinesPlan[]
  /** Every field with its type, those of lines as `lines.field`. */
  fields: Readonly<Record<string, string>>
}>

/** Describes a feed anew. Throws ADAPTER_ENTITY_UNKNOWN naming what is not there. */
export async function planFeed(
  dialect: Dialect,
  snapshot: Snapshot,
  name: string,
  feed: Feed,
  signal: AbortSignal,
): Promise<Plan> {
  const header = await describe(dialect, snapshot, name, feed, signal)
  const lines: LinesPlan[] = []
  for (const settings of feed.lines) {
    if (header.columns.includes(settings.name))
      throw new AdapterError(
        'ADAPTER_CONFIG_INVALID',
        `Feed ${name}: lines are called ${settings.name}, like a column of ${header.name}; give them another name.`,
      )
    const relation = await describe(dialect, snapshot, `${name}.${settings.name}`, settings, signal)
    const on = Object.entries(settings.on).map(([line, of]) => ({
      line: placeOf(relation, line),
      header: placeOf(header, of),
    }))
    placesOf(relation, settings.key)
    lines.push({ settings, relation, on })
  }
  return {
    feed: name,
    dialect,
    header,
    key: placesOf(header, feed.key),
    lines,
    fields: fieldsOf(header, lines),
  }
}

/** Runs a piece of work in a snapshot of its own, which ends however the work ends. */
export async function inSnapshot<Result>(
  transport: Transport,
  signal: AbortSignal,
  work: (snapshot: Snapshot) => Promise<Result>,
): Promise<Result> {
  const snapshot = await transport.snapshot(signal)
  try {
    return await work(snapshot)
  } finally {
    await snapshot.end()
  }
}

/** Places of columns. Throws ADAPTER_ENTITY_UNKNOWN naming the first that is not there, and what is. */
export function placesOf(relation: Relation, columns: readonly string[]): readonly number[] {
  return columns.map((column) => placeOf(relation, column))
}

export function typeAt(relation: Relation, place: number): string {
  return relation.types[place] ?? 'text'
}

export function valuesAt(row: Row, places: readonly number[]): Row {
  return places.map((place) => row[place] ?? null)
}

/** Columns as texts, for what a statement gives. */
export function selected(
  dialect: Dialect,
  relation: Relation,
  places: readonly number[],
  alias = 'q',
): readonly string[] {
  return listed(dialect, relation, places, alias).map((column, index) =>
    dialect.selected(column, typeAt(relation, places[index] ?? 0)),
  )
}

/** A whole row of a relation as a statement gives it: its columns, and behind them its fingerprint where the engine computes it. */
export function wholeRow(dialect: Dialect, relation: Relation): readonly string[] {
  const columns = selected(
    dialect,
    relation,
    relation.columns.map((_, place) => place),
  )
  return [...columns, ...fingerprints(dialect, relation)]
}

/** The fingerprint of the row `q` of a relation, as text; none where the engine computes none. */
export function fingerprints(dialect: Dialect, relation: Relation): readonly string[] {
  const number = fingerprintOf(dialect, relation)
  return number === null || dialect.checksums === null ? [] : [dialect.checksums.text(number)]
}

/** The same as a number. */
export function fingerprintOf(dialect: Dialect, relation: Relation): string | null {
  const places = relation.columns.map((_, place) => place)
  return dialect.checksums?.fingerprint(columnsOf(dialect, relation, places)) ?? null
}

/** Columns, each with the text that stands for its value. */
export function columnsOf(
  dialect: Dialect,
  relation: Relation,
  places: readonly number[],
  alias = 'q',
): readonly Readonly<{ column: string; text: string }>[] {
  const texts = selected(dialect, relation, places, alias)
  return listed(dialect, relation, places, alias).map((column, index) => ({
    column,
    text: texts[index] ?? column,
  }))
}

/** `q."a", q."b"`: always qualified, since an output column of the same name would be sorted as text. */
export function listed(
  dialect: Dialect,
  relation: Relation,
  places: readonly number[],
  alias = 'q',
): readonly string[] {
  return places.map((place) => `${alias}.${dialect.column(relation.columns[place] ?? '')}`)
}

function placeOf(relation: Relation, column: string): number {
  const place = relation.columns.indexOf(column)
  if (place >= 0) return place
  const same = relation.columns.find((known) => known.toLowerCase() === column.toLowerCase())
  const hint = same === undefined ? `its columns are ${relation.columns.join(', ')}` : `it is written ${same}`
  throw new AdapterError('ADAPTER_ENTITY_UNKNOWN', `${relation.name} has no column ${column}; ${hint}.`, {
    details: { relation: relation.name, column },
  })
}

async function describe(
  dialect: Dialect,
  snapshot: Snapshot,
  feed: string,
  source: Readonly<{
    table?: string | undefined
    select?: string | undefined
    reviewed?: string | undefined
  }>,
  signal: AbortSignal,
): Promise<Relation> {
  const { table, select = '', reviewed } = source
  const name = table ?? feed
  if (table === undefined) assertSelect(feed, select, dialect.engine, reviewed)
  // A select may end in a comment, which must not swallow the parenthesis.
  const unnamed = table === undefined ? `(\n${select}\n)` : dialect.table(table)
  const from = `${unnamed} q`
  const shape = await snapshot.query(dialect.shape(from), [], signal)
  const columns = shape.columns.map((column) => column.name)
  const twice = columns.find((column, place) => columns.indexOf(column) !== place)
  if (twice !== undefined)
    throw new AdapterError(
      'ADAPTER_CONFIG_INVALID',
      `The select of feed ${feed} gives two columns called ${twice}; name each once.`,
    )
  if (columns.includes('__proto__'))
    throw new AdapterError(
      'ADAPTER_CONFIG_INVALID',
      `${name} has a column called __proto__; rename it in a select.`,
    )
  const typeMarks = shape.columns.map((column) => column.type)
  const types = await typesOf(dialect, snapshot, typeMarks, signal)
  const neverNull = await neverNullColumns(dialect, snapshot, table, signal)
  const blank = Object.fromEntries(columns.toSorted().map((column) => [column, null]))
  return { name, source: unnamed, from, columns, types, typeMarks, neverNull, blank }
}

async function typesOf(
  dialect: Dialect,
  snapshot: Snapshot,
  marks: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (dialect.typeNames === null) return marks
  const { parameters, bind } = binding()
  const named = await snapshot.query(dialect.typeNames(marks, bind), parameters, signal)
  return marks.map((_, place) => named.rows[0]?.[place] ?? 'text')
}

async function neverNullColumns(
  dialect: Dialect,
  snapshot: Snapshot,
  table: string | undefined,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  if (table === undefined) return new Set()
  const { parameters, bind } = binding()
  const answer = await snapshot.query(dialect.neverNull(table, bind), parameters, signal)
  return new Set(answer.rows.map((row) => row[0] ?? ''))
}

function fieldsOf(header: Relation, lines: readonly LinesPlan[]): Readonly<Record<string, string>> {
  const fields: [string, string][] = header.columns.map((column, place) => [column, typeAt(header, place)])
  for (const { settings, relation } of lines) {
    for (const [place, column] of relation.columns.entries())
      fields.push([`${settings.name}.${column}`, typeAt(relation, place)])
  }
  return Object.fromEntries(fields)
}
