import { AdapterError } from '../errors.ts'
import type { Moment } from './clock.ts'
import { asValue, readClock } from './clock.ts'
import { behind, notNull, whereOf } from './keyset.ts'
import type { Look, Outlook } from './lateness.ts'
import { reachOf } from './lateness.ts'
import type { Plan } from './plan.ts'
import { listed, selected, typeAt, wholeRow } from './plan.ts'
import type { Overlap, Reach } from './settings.ts'
import { widest } from './settings.ts'
import type { Stage } from './stages.ts'
import { present } from './stages.ts'
import type { Bind, Dialect, Row, Snapshot } from './transport.ts'
import { binding } from './transport.ts'

/** The highest row: its cursor values, and what the next round may take as the highest seen. */
export type Top = Readonly<{
  bound: readonly string[]
  high: string
  /** From here on the round reads; null: from the beginning. */
  low: string | null
  /** It lies below what this round would read. */
  isNothingAbove: boolean
  /** It lies below what any round would read: newest rows were deleted, or the source went back. */
  isBelowAll: boolean
  /** Its first column counts; otherwise it tells a time. */
  isNumber: boolean
  /** All rounds from now on begin above the floor. */
  isFloorPassed: boolean
}>

/**
 * What `startAt` left out. `except`: rows that were there, by their values of cursor and key, from an overlap below
 * `from` on; everything else from there on is new, also what is committed late. `upTo`: where these were too many to
 * list, everything up to one of them. `below`: rows below a value of the first column.
 */
export type Floor = Readonly<
  { from: string; except: readonly (readonly string[])[] } | { upTo: readonly string[] } | { below: string }
>

/** By which moment, and from where, a round reads. */
export type Horizons = Readonly<{
  now: Moment
  zone: string
  outlook: Outlook
  /** Below this nothing is ever read again by itself. */
  widest: Look | null
}>

/** The highest row of a rising stage, or null where there is none. */
export async function readTop(
  plan: Plan,
  stage: Stage,
  snapshot: Snapshot,
  of: Horizons,
  floor: Floor | null,
  signal: AbortSignal,
): Promise<Top | null> {
  const { dialect } = plan
  const { parameters, bind } = binding()
  const [first = ''] = listed(dialect, stage.relation, stage.cursor)
  const now = presentOf(plan, stage, of, bind)
  const low = lowest(dialect, stage, of.outlook.looks, of, bind)
  const base = lowest(dialect, stage, of.widest === null ? [] : [of.widest], of, bind)
  const top = floor === null || base === null ? null : dialect.value(bind(topOf(floor)), typeOf(stage))
  const extra = [
    // A value from the future (2099 for "never") must not drag the cursor with it, or nothing below would be read.
    dialect.selected(
      now === null ? first : `CASE WHEN ${first} > ${now} THEN ${now} ELSE ${first} END`,
      typeOf(stage),
    ),
    low === null ? 'NULL' : dialect.selected(low, typeOf(stage)),
    low === null ? '0' : `CASE WHEN ${first} < ${low} THEN 1 ELSE 0 END`,
    base === null ? '0' : `CASE WHEN ${first} < ${base} THEN 1 ELSE 0 END`,
    top === null ? '0' : `CASE WHEN ${base} > ${top} THEN 1 ELSE 0 END`,
  ]
  const query = newest(dialect, stage, [...selected(dialect, stage.relation, stage.cursor), ...extra], [], 1)
  const [row] = (await snapshot.query(query, parameters, signal)).rows
  if (row === undefined) return null
  const bound = present(row.slice(0, stage.cursor.length))
  const [high, lowText, ...flags] = row.slice(stage.cursor.length)
  refuseEndless(stage, high ?? '')
  const [isNothingAbove, isBelowAll, isPassed] = flags.map((flag) => flag === '1')
  return {
    bound,
    high: high ?? '',
    low: lowText ?? null,
    isNumber: dialect.cursorType(typeOf(stage)) === 'number',
    isNothingAbove: isNothingAbove === true,
    isBelowAll: isBelowAll === true,
    isFloorPassed: isPassed === true && (of.outlook.open ?? []).length === 0,
  }
}

function refuseEndless(stage: Stage, high: string): void {
  if (!/^(NaN|-?Infinity)$/.test(high)) return
  throw new AdapterError(
    'ADAPTER_CONFIG_INVALID',
    `Column ${nameOf(stage)} of ${stage.relation.name} holds ${high}, above which nothing can rise; leave such rows out by a select.`,
  )
}

/** The least value from which one of these looks reaches; null where one reaches over everything, or there is none. */
function lowest(
  dialect: Dialect,
  stage: Stage,
  looks: readonly Look[],
  { now, zone }: Pick<Horizons, 'now' | 'zone'>,
  bind: Bind,
): string | null {
  const type = typeOf(stage)
  const kind = dialect.cursorType(type) ?? 'number'
  const lows: string[] = []
  for (const look of looks) {
    const reach = reachOf(look, now, kind, zone)
    const { sight, since } = look
    const high = sight?.high[stage.name]
    if (sight !== null && high === undefined) return null
    if (high !== undefined) lows.push(below(dialect, dialect.value(bind(high), type), type, reach))
    // What was open at the first poll of all began before anything was seen; a number does not tell when it was drawn.
    else if (since !== null && kind !== 'number')
      lows.push(below(dialect, asValue(dialect, since, { type, zone }, bind), type, reach))
  }
  const [first, ...rest] = lows
  return first === undefined
    ? null
    : rest.reduce((one, other) => `CASE WHEN ${other} < ${one} THEN ${other} ELSE ${one} END`, first)
}

/** Clocks that tell the same time are this far apart at most. */
const CLOCKS_APART_MS = 5 * 60_000

/** The highest value of a time column that lies in the future, and the present as the column would hold it; else null. */
export async function readFuture(
  plan: Plan,
  stage: Stage,
  snapshot: Snapshot,
  zone: string,
  signal: AbortSignal,
): Promise<Readonly<{ highest: string; now: string }> | null> {
  const { dialect } = plan
  const { parameters, bind } = binding()
  const clock = await readClock(dialect, snapshot, signal)
  const now = presentOf(plan, stage, { now: clock, zone }, bind)
  if (now === null) return null
  const [first = ''] = listed(dialect, stage.relation, stage.cursor)
  const isFuture = `${dialect.less(first, typeOf(stage), { ms: CLOCKS_APART_MS })} > ${now}`
  const shown = [first, now].map((expression) => dialect.selected(expression, typeOf(stage)))
  const query = newest(dialect, stage, [...shown, `CASE WHEN ${isFuture} THEN 1 ELSE 0 END`], [], 1)
  const [row] = (await snapshot.query(query, parameters, signal)).rows
  if (row === undefined || row[2] !== '1') return null
  const [highest = '', shownNow = ''] = present(row)
  return { highest, now: shownNow }
}

/** More rows than this are not listed one by one: the cursor is written with every batch. */
const EXCEPT_MAX = 200

/** The place from which on everything is new, or null where there is nothing yet. */
export async function readFloorNow(
  plan: Plan,
  stage: Stage,
  snapshot: Snapshot,
  of: Readonly<{ now: Moment; zone: string; overlap: Overlap }>,
  signal: AbortSignal,
): Promise<Floor | null> {
  const { dialect } = plan
  const order = selected(dialect, stage.relation, [...stage.cursor, ...stage.key])
  const [first = ''] = listed(dialect, stage.relation, stage.cursor)
  const highest = binding()
  const now = presentOf(plan, stage, of, highest.bind)
  const past = now === null ? [] : [`${first} <= ${now}`]
  const topQuery = newest(dialect, stage, order, past, 1)
  const [top] = (await snapshot.query(topQuery, highest.parameters, signal)).rows
  if (top === undefined) return null
  const [from = ''] = present(top)
  const near = binding()
  const window = `${first} >= ${lowOf(dialect, stage, from, of.overlap, near.bind)}`
  const nearQuery = newest(dialect, stage, order, [window], EXCEPT_MAX + 1)
  const { rows } = await snapshot.query(nearQuery, near.parameters, signal)
  return rows.length > EXCEPT_MAX ? { upTo: present(top) } : { from, except: rows.map(present) }
}

/** The newest rows of the header, for a look at the data. */
export async function readNewest(
  plan: Plan,
  stage: Stage,
  snapshot: Snapshot,
  limit: number,
  signal: AbortSignal,
): Promise<readonly Row[]> {
  const query = newest(plan.dialect, stage, wholeRow(plan.dialect, stage.relation), [], limit)
  return (await snapshot.query(query, [], signal)).rows
}

/** The conditions of a floor. */
export function aboveFloor(
  dialect: Dialect,
  stage: Stage,
  floor: Floor,
  overlap: Overlap,
  bind: Bind,
): readonly string[] {
  const { relation, cursor, key } = stage
  const order = [...cursor, ...key]
  if ('upTo' in floor) return [behind(dialect, relation, order, floor.upTo, bind)]
  const [first = ''] = listed(dialect, relation, cursor)
  if ('below' in floor) return [`${first} >= ${dialect.value(bind(floor.below), typeOf(stage))}`]
  const types = order.map((place) => typeAt(relation, place))
  const equal = listed(dialect, relation, order).map((column, index) => `${column} = h.v${index + 1}`)
  const known = dialect.tuples(types, floor.except, bind)
  return [
    `${first} >= ${lowOf(dialect, stage, floor.from, overlap, bind)}`,
    `NOT EXISTS (SELECT 1 FROM ${known} WHERE ${equal.join(' AND ')})`,
  ]
}

/** Where the rows of a stage begin that lie as far below this value as an overlap reaches. */
function lowOf(dialect: Dialect, stage: Stage, high: string, overlap: Overlap, bind: Bind): string {
  const type = typeOf(stage)
  return below(dialect, dialect.value(bind(high), type), type, widest(overlap))
}

function below(dialect: Dialect, value: string, type: string, reach: Reach): string {
  if (reach.kind === 'numbers') return dialect.less(value, type, { count: reach.count })
  return reach.ms === 0 ? value : dialect.less(value, type, { ms: reach.ms })
}

function presentOf(
  plan: Plan,
  stage: Stage,
  { now, zone }: Pick<Horizons, 'now' | 'zone'>,
  bind: Bind,
): string | null {
  const type = typeOf(stage)
  const kind = plan.dialect.cursorType(type)
  return kind === null || kind === 'number' ? null : asValue(plan.dialect, now, { type, zone }, bind)
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

function typeOf(stage: Stage): string {
  return typeAt(stage.relation, stage.cursor[0] ?? 0)
}

/** Above this value nothing is left out. A row from the future that was there already counts as well. */
function topOf(floor: Floor): string {
  if ('from' in floor) return floor.except[0]?.[0] ?? floor.from
  return 'below' in floor ? floor.below : (floor.upTo[0] ?? '')
}
