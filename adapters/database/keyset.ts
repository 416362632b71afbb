import type { Unreadable } from '../contract.ts'
import type { Plan, Relation } from './plan.ts'
import { fingerprints, listed, selected, typeAt, valuesAt } from './plan.ts'
import type { Made } from './records.ts'
import { assertSameTypes, keyOf, NOT_UNIQUE, unreadableRow } from './records.ts'
import { makeSettled } from './settled.ts'
import type { Bind, Dialect, Row, Snapshot } from './transport.ts'
import { binding } from './transport.ts'

/** Which rows of a relation are wanted, and in which order: ascending by `order`, columns that are not null there. */
export type Keyset = Readonly<{
  relation: Relation
  /** Places of the columns of the order; the last ones make it unique. */
  order: readonly number[]
  /** Rows strictly behind these values of `order`. */
  after: Row | null
  /** Further conditions. Columns must be qualified with `q`. */
  where(bind: Bind): readonly string[]
}>

/** A page of a keyset. `last` is where the next one goes on, null only where there was nothing. */
export type Page = Readonly<{ rows: readonly Row[]; last: Row | null; more: boolean; next: Row | null }>

/** Reads the next `limit` rows of a keyset: the columns at these places, and behind them further expressions. */
export async function readPage(
  dialect: Dialect,
  snapshot: Snapshot,
  keyset: Keyset,
  { places, extra = [] }: Readonly<{ places: readonly number[]; extra?: readonly string[] }>,
  limit: number,
  signal: AbortSignal,
): Promise<Page> {
  const { relation, order } = keyset
  const { parameters, bind } = binding()
  const conditions = [
    ...keyset.where(bind),
    ...notNull(dialect, relation, order),
    ...(keyset.after === null ? [] : [behind(dialect, relation, order, keyset.after, bind)]),
  ]
  const answer = await snapshot.query(
    // One row more than wanted says whether there is more, so that the last page is known as the last.
    dialect.limited(
      `SELECT ${[...selected(dialect, relation, places), ...extra].join(', ')} FROM ${relation.from}${whereOf(conditions)} ORDER BY ${listed(dialect, relation, order).join(', ')}`,
      limit + 1,
    ),
    parameters,
    signal,
  )
  await assertSameTypes(dialect, snapshot, relation, places, answer.columns, signal)
  const rows = answer.rows.slice(0, limit)
  const next = answer.rows[limit] ?? null
  const positions = order.map((place) => places.indexOf(place))
  const last = rows.at(-1)
  return { rows, last: last === undefined ? null : valuesAt(last, positions), more: next !== null, next }
}

/** Header rows of a keyset made records: a page that may be shorter than asked for, where lines are many. */
export type RecordPage = Readonly<{ made: Made; last: Row | null; more: boolean }>

export async function readRecords(
  plan: Plan,
  snapshot: Snapshot,
  keyset: Keyset,
  limit: number,
  signal: AbortSignal,
): Promise<RecordPage> {
  const { dialect, header } = plan
  const places = header.columns.map((_, place) => place)
  const extra = fingerprints(dialect, header)
  const page = await readPage(dialect, snapshot, keyset, { places, extra }, limit, signal)
  const made = await makeSettled(plan, snapshot, page.rows, signal)
  const last = page.rows[made.rows - 1]
  const lost = made.rows === page.rows.length ? twin(plan, keyset, page) : []
  return {
    made: { ...made, unreadable: [...made.unreadable, ...lost] },
    last: last === undefined ? null : valuesAt(last, keyset.order),
    more: page.more || made.rows < page.rows.length,
  }
}

/** `(q.a, q.b) > (…)`, compared by the columns' own types and collations: as the order is. */
export function behind(
  dialect: Dialect,
  relation: Relation,
  order: readonly number[],
  values: Row,
  bind: Bind,
  alias = 'q',
): string {
  return compared(dialect, { relation, order, alias }, values, '>', bind)
}

/** `(q.a, q.b) <= (…)` */
export function upTo(
  dialect: Dialect,
  relation: Relation,
  order: readonly number[],
  values: Row,
  bind: Bind,
  alias = 'q',
): string {
  return compared(dialect, { relation, order, alias }, values, '<=', bind)
}

export function whereOf(conditions: readonly string[]): string {
  return conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`
}

/** Conditions for the columns that the database does not itself keep from being null. */
export function notNull(dialect: Dialect, relation: Relation, places: readonly number[]): readonly string[] {
  const nullable = places.filter((place) => !relation.neverNull.has(relation.columns[place] ?? ''))
  return listed(dialect, relation, nullable).map((column) => `${column} IS NOT NULL`)
}

function compared(
  dialect: Dialect,
  { relation, order, alias }: Readonly<{ relation: Relation; order: readonly number[]; alias: string }>,
  values: Row,
  operator: '>' | '<=',
  bind: Bind,
): string {
  const columns = listed(dialect, relation, order, alias)
  const parameters = order.map((place, index) =>
    dialect.value(bind(values[index] ?? null), typeAt(relation, place)),
  )
  return dialect.compared(columns, operator, parameters)
}

/**
 * The row behind a full page that has the very values of the page's last row. It would be skipped by the strict
 * comparison of the next page; this can only be where the key of the feed is not unique.
 */
function twin(plan: Plan, keyset: Keyset, page: Page): readonly Unreadable[] {
  const last = page.rows.at(-1)
  const { next } = page
  if (last === undefined || next === null) return []
  const isTwin = keyset.order.every((place) => last[place] === next[place]) && keyOf(plan, next) !== null
  return isTwin ? [unreadableRow(plan, next, NOT_UNIQUE)] : []
}
