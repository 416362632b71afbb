import type { Context, SourceRecord, Unreadable } from '../contract.ts'
import { AdapterError } from '../errors.ts'
import type { Keyset } from './keyset.ts'
import { behind, notNull, readPage, readRecords, upTo, whereOf } from './keyset.ts'
import type { LinesPlan, Plan, Relation } from './plan.ts'
import { listed, placesOf, typeAt, valuesAt } from './plan.ts'
import { makeRecords, unreadableRow } from './records.ts'
import type { Feed, Overlap, WatermarkCursor } from './settings.ts'
import type { Bind, Dialect, Row, Snapshot } from './transport.ts'
import { binding } from './transport.ts'

/**
 * A part of a round: rows of one relation in one order. `rising` ones go by the cursor columns. `nulls` are the rows
 * in which one of these is null; they cannot be placed, so all of them are read in every round. `keyless` rows have
 * no key and are reported as unreadable. A stage of lines brings the headers of the lines that it finds.
 */
export type Stage = Readonly<{
  name: string
  kind: 'rising' | 'nulls' | 'keyless'
  relation: Relation
  cursor: readonly number[]
  key: readonly number[]
  lines: LinesPlan | null
}>

/** What is left out for good: rows up to these values of cursor and key, or rows below a value of the first column. */
export type Floor = Readonly<{ upTo: readonly string[] } | { below: string }>

/** Where to read in a stage. Null: no such limit. */
export type Range = Readonly<{
  after: Row | null
  /** Up to these values of the cursor columns. */
  bound: readonly string[] | null
  /** The highest value that the last round saw; this one begins an overlap below. */
  high: string | null
  floor: Floor | null
}>

/** The highest row: its cursor values, and what the next round may take as the highest seen. */
export type Top = Readonly<{ bound: readonly string[]; high: string; isBelowCursor: boolean }>

export type StagePage = Readonly<{
  records: readonly SourceRecord[]
  unreadable: readonly Unreadable[]
  last: Row | null
  more: boolean
}>

export const EMPTY_PAGE: StagePage = { records: [], unreadable: [], last: null, more: false }

/** The stages of a round in their order. */
export function stagesOf(plan: Plan, feed: Feed, cursor: WatermarkCursor): readonly Stage[] {
  const { header, key } = plan
  const places = placesOf(header, cursor.columns)
  assertCursorType(plan.dialect, header, places, cursor.overlap)
  const stages: Stage[] = withNulls(plan.dialect, {
    name: 'changed',
    kind: 'rising',
    relation: header,
    cursor: places,
    key,
    lines: null,
  })
  for (const lines of plan.lines) {
    if (lines.settings.cursor === undefined) continue
    const { relation } = lines
    const own = placesOf(relation, lines.settings.cursor.columns)
    assertCursorType(plan.dialect, relation, own, cursor.overlap)
    const name = `lines:${lines.settings.name}`
    const ownKey = placesOf(relation, lines.settings.key)
    stages.push(
      ...withNulls(plan.dialect, { name, kind: 'rising', relation, cursor: own, key: ownKey, lines }),
    )
  }
  return feed.key.every((column) => header.neverNull.has(column)) ? stages : [...stages, keyless(plan)]
}

/** Rows without a key: each is unreadable, and found anew in every round. */
export function keyless(plan: Plan): Stage {
  return { name: 'keyless', kind: 'keyless', relation: plan.header, cursor: [], key: plan.key, lines: null }
}

/** The highest row of a rising stage, or null where there is none. */
export async function readTop(
  plan: Plan,
  stage: Stage,
  snapshot: Snapshot,
  of: Readonly<{ zone: string; overlap: Overlap; high: string | null }>,
  signal: AbortSignal,
): Promise<Top | null> {
  const { dialect } = plan
  const { parameters, bind } = binding()
  const [first = ''] = listed(dialect, stage.relation, stage.cursor)
  const now = presentOf(plan, stage, of.zone, bind)
  const low = of.high === null ? null : lowOf(dialect, stage, of.high, of.overlap, bind)
  const extra = [
    // A value from the future (2099 for "never") must not drag the cursor with it, or nothing below would be read.
    now === null ? first : `CASE WHEN ${first} > ${now} THEN ${now} ELSE ${first} END`,
    low === null ? '0' : `CASE WHEN ${first} < ${low} THEN 1 ELSE 0 END`,
  ]
  const query = newest(dialect, stage, [...listed(dialect, stage.relation, stage.cursor), ...extra], [], 1)
  const [row] = (await snapshot.query(query, parameters, signal)).rows
  if (row === undefined) return null
  const bound = present(row.slice(0, stage.cursor.length))
  const [high = ''] = present(row.slice(stage.cursor.length, stage.cursor.length + 1))
  if (/^(NaN|-?Infinity)$/.test(high))
    throw new AdapterError(
      'ADAPTER_CONFIG_INVALID',
      `Column ${nameOf(stage)} of ${stage.relation.name} holds ${high}, above which nothing can rise; leave such rows out by a select.`,
    )
  return { bound, high, isBelowCursor: row[stage.cursor.length + 1] === '1' }
}

/** The place from which on everything is new: the highest row that is not from the future. */
export async function readFloorNow(
  plan: Plan,
  stage: Stage,
  snapshot: Snapshot,
  zone: string,
  signal: AbortSignal,
): Promise<Floor | null> {
  const { dialect } = plan
  const { parameters, bind } = binding()
  const order = [...stage.cursor, ...stage.key]
  const [first = ''] = listed(dialect, stage.relation, stage.cursor)
  const now = presentOf(plan, stage, zone, bind)
  const conditions = now === null ? [] : [`${first} <= ${now}`]
  const query = newest(dialect, stage, listed(dialect, stage.relation, order), conditions, 1)
  const [row] = (await snapshot.query(query, parameters, signal)).rows
  return row === undefined ? null : { upTo: present(row) }
}

/** The newest rows of the header, for a look at the data. */
export async function readNewest(
  plan: Plan,
  stage: Stage,
  snapshot: Snapshot,
  limit: number,
  signal: AbortSignal,
): Promise<readonly Row[]> {
  const places = stage.relation.columns.map((_, place) => place)
  const query = newest(plan.dialect, stage, listed(plan.dialect, stage.relation, places), [], limit)
  return (await snapshot.query(query, [], signal)).rows
}

/** The next page of a stage. */
export async function readStage(
  plan: Plan,
  stage: Stage,
  snapshot: Snapshot,
  range: Range,
  overlap: Overlap,
  context: Context,
  signal: AbortSignal,
): Promise<StagePage> {
  const limit = context.batchRecordsMax
  if (stage.kind === 'keyless') return readKeyless(plan, stage, snapshot, limit, signal)
  const keyset = keysetOf(plan.dialect, stage, range, overlap)
  if (stage.lines !== null) return readTouched(plan, stage.lines, stage, keyset, snapshot, limit, signal)
  const page = await readRecords(plan, snapshot, keyset, limit, signal)
  return { ...page.made, last: page.last, more: page.more }
}

/** Every value there; a null among them would be a mistake of ours. */
export function present(row: Row): readonly string[] {
  return row.map((value) => {
    if (value === null) throw new Error('A column that the query keeps from being null is null.')
    return value
  })
}

function withNulls(dialect: Dialect, stage: Stage): Stage[] {
  const isNullable = notNull(dialect, stage.relation, stage.cursor).length > 0
  return isNullable ? [stage, { ...stage, name: `${stage.name}:nulls`, kind: 'nulls' }] : [stage]
}

function keysetOf(dialect: Dialect, stage: Stage, range: Range, overlap: Overlap): Keyset {
  const { relation, cursor, key } = stage
  if (stage.kind === 'nulls') {
    const someNull = listed(dialect, relation, cursor).map((column) => `${column} IS NULL`)
    return { relation, order: key, after: range.after, where: () => [`(${someNull.join(' OR ')})`] }
  }
  const [first = ''] = listed(dialect, relation, cursor)
  return {
    relation,
    order: [...cursor, ...key],
    after: range.after,
    where: (bind) => [
      ...(range.bound === null ? [] : [upTo(dialect, relation, cursor, range.bound, bind)]),
      ...(range.high === null ? [] : [`${first} >= ${lowOf(dialect, stage, range.high, overlap, bind)}`]),
      ...(range.floor === null ? [] : [aboveFloor(dialect, stage, range.floor, bind)]),
    ],
  }
}

function aboveFloor(dialect: Dialect, stage: Stage, floor: Floor, bind: Bind): string {
  const { relation, cursor, key } = stage
  if ('upTo' in floor) return behind(dialect, relation, [...cursor, ...key], floor.upTo, bind)
  const [place = 0] = cursor
  const [first = ''] = listed(dialect, relation, cursor)
  return `${first} >= ${dialect.value(bind(floor.below), typeAt(relation, place))}`
}

function lowOf(dialect: Dialect, stage: Stage, high: string, overlap: Overlap, bind: Bind): string {
  const type = typeAt(stage.relation, stage.cursor[0] ?? 0)
  const value = dialect.value(bind(high), type)
  if (overlap.kind === 'numbers') return dialect.less(value, type, { count: overlap.count })
  return overlap.ms === 0 ? value : dialect.less(value, type, { ms: overlap.ms })
}

function presentOf(plan: Plan, stage: Stage, zone: string, bind: Bind): string | null {
  const type = plan.dialect.cursorType(typeAt(stage.relation, stage.cursor[0] ?? 0))
  return type === null || type === 'number' ? null : plan.dialect.now(type, zone, bind)
}

function newest(
  dialect: Dialect,
  stage: Stage,
  columns: readonly string[],
  conditions: readonly string[],
  limit: number,
): string {
  const { relation, cursor, key } = stage
  const order = [...cursor, ...key]
  const falling = listed(dialect, relation, order).map((column) => `${column} DESC`)
  const where = whereOf([...conditions, ...notNull(dialect, relation, order)])
  return dialect.limited(
    `SELECT ${columns.join(', ')} FROM ${relation.from}${where} ORDER BY ${falling.join(', ')}`,
    limit,
  )
}

function nameOf(stage: Stage): string {
  return stage.relation.columns[stage.cursor[0] ?? 0] ?? ''
}

function assertCursorType(
  dialect: Dialect,
  relation: Relation,
  cursor: readonly number[],
  overlap: Overlap,
): void {
  const [first = 0] = cursor
  const column = relation.columns[first] ?? ''
  const type = typeAt(relation, first)
  const meaning = dialect.cursorType(type)
  const refuse = (why: string) => {
    throw new AdapterError(
      'ADAPTER_CONFIG_INVALID',
      `Column ${column} of ${relation.name} is ${type}: ${why}.`,
    )
  }
  if (meaning === null)
    refuse('a cursor needs a date, a time stamp or an exact number; a select can turn it into one')
  if (meaning === 'number' && overlap.kind === 'time' && overlap.ms > 0)
    refuse('its overlap is a whole number, not a duration')
  if (meaning !== 'number' && overlap.kind === 'numbers') refuse('its overlap is a duration like 10m')
}

async function readKeyless(
  plan: Plan,
  stage: Stage,
  snapshot: Snapshot,
  limit: number,
  signal: AbortSignal,
): Promise<StagePage> {
  const { dialect } = plan
  const places = stage.relation.columns.map((_, place) => place)
  const columns = listed(dialect, stage.relation, places).join(', ')
  const someNull = listed(dialect, stage.relation, stage.key).map((column) => `${column} IS NULL`)
  const query = `SELECT ${columns} FROM ${stage.relation.from} WHERE ${someNull.join(' OR ')}`
  const { rows } = await snapshot.query(dialect.limited(query, limit), [], signal)
  const unreadable = rows.map((row) => unreadableRow(plan, row, 'has no key: a column of it is null'))
  return { records: [], unreadable, last: null, more: false }
}

/** Lines that changed, and whole the records that they belong to. */
async function readTouched(
  plan: Plan,
  lines: LinesPlan,
  stage: Stage,
  keyset: Keyset,
  snapshot: Snapshot,
  limit: number,
  signal: AbortSignal,
): Promise<StagePage> {
  const on = lines.on.map(({ line }) => line)
  const places = [...new Set([...keyset.order, ...on])]
  const page = await readPage(plan.dialect, snapshot, keyset, places, limit, signal)
  const positions = on.map((place) => places.indexOf(place))
  const owners = distinct(page.rows.map((row) => valuesAt(row, positions)))
  const headers = await readOwners(plan, lines, stage, owners, snapshot, limit, signal)
  const records: SourceRecord[] = []
  const unreadable: Unreadable[] = []
  for (let done = 0; done < headers.length; ) {
    const made = await makeRecords(plan, snapshot, headers.slice(done), signal)
    records.push(...made.records)
    unreadable.push(...made.unreadable)
    done += made.rows
  }
  return { records, unreadable, last: page.last, more: page.more }
}

async function readOwners(
  plan: Plan,
  lines: LinesPlan,
  stage: Stage,
  owners: readonly Row[],
  snapshot: Snapshot,
  limit: number,
  signal: AbortSignal,
): Promise<readonly Row[]> {
  if (owners.length === 0) return []
  const { dialect, header } = plan
  const { parameters, bind } = binding()
  const types = lines.on.map(({ line }) => typeAt(stage.relation, line))
  const tuples = dialect.tuples(types, owners, bind)
  const equal = lines.on.map(
    ({ header: place }, index) => `${listed(dialect, header, [place])[0]} = h.v${index + 1}`,
  )
  const columns = listed(
    dialect,
    header,
    header.columns.map((_, place) => place),
  )
  const query = `SELECT ${columns.join(', ')} FROM ${tuples} JOIN ${header.from} ON ${equal.join(' AND ')} ORDER BY ${listed(dialect, header, plan.key).join(', ')}`
  const { rows } = await snapshot.query(dialect.limited(query, limit + 1), parameters, signal)
  if (rows.length > limit)
    throw new AdapterError(
      'ADAPTER_CONFIG_INVALID',
      `Lines ${lines.settings.name} of feed ${plan.feed} lead to several headers each; \`on\` must name columns that are unique in ${header.name}.`,
    )
  return rows
}

function distinct(rows: readonly Row[]): readonly Row[] {
  return [...new Map(rows.map((row) => [JSON.stringify(row), row])).values()]
}
