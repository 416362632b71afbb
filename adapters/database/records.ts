import type { Json, SourceRecord, Unreadable } from '../contract.ts'
import { joinKey } from '../cursor.ts'
import { AdapterError } from '../errors.ts'
import type { LinesPlan, Plan, Relation } from './plan.ts'
import { listed, placesOf, typeAt, valuesAt, wholeRow } from './plan.ts'
import type { Dialect, Row, Rows, Snapshot } from './transport.ts'
import { binding } from './transport.ts'

/** What rows of the header became: the first `rows` of them, with their lines. */
export type Made = Readonly<{
  rows: number
  records: readonly SourceRecord[]
  unreadable: readonly Unreadable[]
}>

/** More lines than this are not held in memory at once: of one table, for all records that are made together. */
const LINES_AT_ONCE = 50_000

/**
 * Makes records of header rows, with their lines read in the same snapshot: one query for each table of lines. Where
 * the lines are too many at once, it makes records of only the first rows and says of how many.
 */
export async function makeRecords(
  plan: Plan,
  snapshot: Snapshot,
  rows: readonly Row[],
  signal: AbortSignal,
  linesAtOnce = LINES_AT_ONCE,
): Promise<Made> {
  if (rows.length === 0) return { rows: 0, records: [], unreadable: [] }
  const lines = await readAllLines(plan, snapshot, rows, signal, linesAtOnce)
  if (lines !== null) return fromRows(plan, rows, lines)
  const [only] = rows
  if (rows.length > 1)
    return makeRecords(plan, snapshot, rows.slice(0, Math.ceil(rows.length / 2)), signal, linesAtOnce)
  return {
    rows: 1,
    records: [],
    unreadable:
      only === undefined ? [] : [unreadableRow(plan, only, `has more than ${linesAtOnce} lines of one kind`)],
  }
}

/** A row that is there but cannot be made a record. */
export function unreadableRow(plan: Plan, row: Row, reason: string): Unreadable {
  const key = keyOf(plan, row)
  return {
    where: `${plan.header.name} ${key ?? '(no key)'}`,
    key,
    raw: new TextEncoder().encode(JSON.stringify(dataOf(plan.header, row))),
    reason,
  }
}

/** Null where a column of the key is. */
export function keyOf(plan: Plan, row: Row): string | null {
  return keyOfParts(valuesAt(row, plan.key))
}

export function keyOfParts(values: Row): string | null {
  const parts: string[] = []
  for (const part of values) {
    if (part === null) return null
    parts.push(part)
  }
  return joinKey(parts)
}

/**
 * Refuses a page that was read with types that the description does not have any more: somebody alters the table at
 * this moment. `columns` are those of the answer, in the order of `places`.
 */
export async function assertSameTypes(
  dialect: Dialect,
  snapshot: Snapshot,
  relation: Relation,
  places: readonly number[],
  columns: Rows['columns'],
  signal: AbortSignal,
): Promise<void> {
  const now = dialect.hidesTypes
    ? await marksNow(dialect, snapshot, relation, places, signal)
    : places.map((_, index) => columns[index]?.type)
  for (const [index, place] of places.entries()) {
    if (now[index] !== relation.typeMarks[place])
      throw new AdapterError(
        'ADAPTER_SCHEMA_MOVED',
        `Column ${relation.columns[place]} of ${relation.name} changed its type while it was read.`,
        { details: { relation: relation.name, column: relation.columns[place] ?? null } },
      )
  }
}

async function marksNow(
  dialect: Dialect,
  snapshot: Snapshot,
  relation: Relation,
  places: readonly number[],
  signal: AbortSignal,
): Promise<readonly (string | undefined)[]> {
  const shape = await snapshot.query(dialect.shape(relation.from), [], signal)
  const marks = new Map(shape.columns.map(({ name, type }) => [name, type]))
  return places.map((place) => marks.get(relation.columns[place] ?? ''))
}

/** Lines of one row: their fields, and the sum of their fingerprints where the engine computes them. */
type LinesOfRow = { readonly rows: Readonly<Record<string, Json>>[]; total: bigint }

type LinesByRow = readonly LinesOfRow[]

/** For each table of lines, the lines of each row; null where they are too many to hold. */
async function readAllLines(
  plan: Plan,
  snapshot: Snapshot,
  rows: readonly Row[],
  signal: AbortSignal,
  linesAtOnce: number,
): Promise<readonly LinesByRow[] | null> {
  const all: LinesByRow[] = []
  for (const lines of plan.lines) {
    const read = await readLines(plan, lines, snapshot, rows, signal, linesAtOnce)
    if (read === null) return null
    all.push(read)
  }
  return all
}

async function readLines(
  plan: Plan,
  lines: LinesPlan,
  snapshot: Snapshot,
  rows: readonly Row[],
  signal: AbortSignal,
  linesAtOnce: number,
): Promise<LinesByRow | null> {
  const { dialect } = plan
  const { relation, on } = lines
  const { parameters, bind } = binding()
  const places = relation.columns.map((_, place) => place)
  // The types of the header, and the database compares: 1 equals 1.00, and blanks at the end of a char(n) count as
  // the engine says.
  const owners = dialect.tuples(
    on.map(({ header }) => typeAt(plan.header, header)),
    rows.map((row) =>
      valuesAt(
        row,
        on.map(({ header }) => header),
      ),
    ),
    bind,
  )
  const equal = on.map(({ line }, index) => `${listed(dialect, relation, [line])[0]} = h.v${index + 1}`)
  const columns = wholeRow(dialect, relation)
  const order = ['h.i', ...listed(dialect, relation, placesOf(relation, lines.settings.key))]
  const answer = await snapshot.query(
    dialect.limited(
      `SELECT ${[...columns, 'h.i'].join(', ')} FROM ${owners} JOIN ${relation.from} ON ${equal.join(' AND ')} ORDER BY ${order.join(', ')}`,
      linesAtOnce + 1,
    ),
    parameters,
    signal,
  )
  await assertSameTypes(dialect, snapshot, relation, places, answer.columns, signal)
  if (answer.rows.length > linesAtOnce) return null
  const byRow: LinesOfRow[] = rows.map(() => ({ rows: [], total: 0n }))
  for (const row of answer.rows) {
    const lines = byRow[Number(row[columns.length]) - 1]
    if (lines === undefined) continue
    lines.rows.push(dataOf(relation, row))
    lines.total += BigInt(printOf(relation, row) ?? 0)
  }
  return byRow
}

function fromRows(plan: Plan, rows: readonly Row[], lines: readonly LinesByRow[]): Made {
  const records: SourceRecord[] = []
  const unreadable: Unreadable[] = []
  const seen = new Set<string>()
  for (const [index, row] of rows.entries()) {
    const key = keyOf(plan, row)
    if (key === null) unreadable.push(unreadableRow(plan, row, 'has no key: a column of it is null'))
    else if (seen.has(key)) unreadable.push(unreadableRow(plan, row, NOT_UNIQUE))
    else records.push(recordOf(plan, key, row, index, lines))
    if (key !== null) seen.add(key)
  }
  return { rows: rows.length, records, unreadable }
}

/** Of two rows with one key only one can be the record; which one would change from poll to poll. */
export const NOT_UNIQUE = 'has the key of another row: the key of the feed must be unique'

function recordOf(
  plan: Plan,
  key: string,
  row: Row,
  index: number,
  lines: readonly LinesByRow[],
): SourceRecord {
  const data = dataOf(plan.header, row)
  for (const [place, { settings }] of plan.lines.entries())
    data[settings.name] = lines[place]?.[index]?.rows ?? []
  return {
    type: plan.header.name,
    key,
    op: 'upsert',
    order: null,
    rowVersion: null,
    fingerprint: recordPrint(
      printOf(plan.header, row),
      lines.map((byRow) => byRow[index]?.total ?? 0n),
    ),
    changedAt: null,
    data,
  }
}

/** The fingerprint that `wholeRow` put behind the columns. */
function printOf(relation: Relation, row: Row): string | null {
  return row[relation.columns.length] ?? null
}

/**
 * The fingerprint of a record: that of its header and all lines, summed, so that the database can add them up for a
 * sweep in any order.
 */
export function recordPrint(header: string | null, lines: readonly bigint[]): string | null {
  if (header === null || lines.length === 0) return header
  const total = lines.reduce((sum, of) => sum + of, BigInt(header))
  return BigInt.asUintN(64, total).toString()
}

function dataOf(relation: Relation, row: Row): Record<string, Json> {
  const { columns, blank } = relation
  const data: Record<string, Json> = { ...blank }
  for (let place = 0; place < columns.length; place += 1) data[columns[place] ?? ''] = row[place] ?? null
  return data
}
