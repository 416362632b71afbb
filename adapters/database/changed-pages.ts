import type { Known } from '../contract.ts'
import type { Keyset } from './keyset.ts'
import { readPage } from './keyset.ts'
import type { Plan } from './plan.ts'
import { fingerprints, valuesAt } from './plan.ts'
import type { Made } from './records.ts'
import { keyOfParts } from './records.ts'
import { narrowPlaces, recordPrints, rowsOfKeys } from './rows-of-keys.ts'
import { makeSettled } from './settled.ts'
import type { Row, Snapshot } from './transport.ts'

/** Records of which only those were read whole that are not known as they are; `unchanged` are the keys of the others. */
export type ChangedPage = Readonly<{
  made: Made
  unchanged: readonly string[]
  last: Row | null
  more: boolean
}>

/** Keys and fingerprints are small: so many times more of them make a page. */
const NARROW_TIMES = 4

/**
 * The next page of a keyset of headers that have been read before: keys and fingerprints first, whole rows only of
 * those that differ from what is known.
 */
export async function readChanged(
  plan: Plan,
  snapshot: Snapshot,
  keyset: Keyset,
  limit: number,
  known: Known,
  signal: AbortSignal,
): Promise<ChangedPage> {
  const { dialect, header } = plan
  const places = [...new Set([...keyset.order, ...narrowPlaces(plan)])]
  const extra = fingerprints(dialect, header)
  const page = await readPage(dialect, snapshot, keyset, { places, extra }, limit * NARROW_TIMES, signal)
  const told = await partKnown(plan, snapshot, { rows: page.rows, places, limit }, known, signal)
  const isAll = told.rows === page.rows.length
  const last = page.rows[told.rows - 1]
  const positions = keyset.order.map((place) => places.indexOf(place))
  return {
    made: told.made,
    unchanged: told.unchanged,
    last: last === undefined ? null : valuesAt(last, positions),
    more: page.more || !isAll,
  }
}

/**
 * Of header rows, narrow, the records of those that are not known; of the first `rows` of them, where the others would be
 * more than a page of whole ones.
 */
export async function partKnown(
  plan: Plan,
  snapshot: Snapshot,
  of: Readonly<{ rows: readonly Row[]; places: readonly number[]; limit: number }>,
  known: Known,
  signal: AbortSignal,
): Promise<Readonly<{ rows: number; made: Made; unchanged: readonly string[] }>> {
  const { places, limit } = of
  const prints = await recordPrints(plan, snapshot, of.rows, places, signal)
  const positions = plan.key.map((place) => places.indexOf(place))
  const parts = of.rows.map((row) => valuesAt(row, positions))
  const keys = parts.map((values) => keyOfParts(values) ?? '')
  const flags = known(keys.map((key, index) => ({ key, fingerprint: prints[index] ?? '' })))
  const fresh: Row[] = []
  const unchanged: string[] = []
  let rows = 0
  for (; rows < keys.length && fresh.length < limit; rows += 1) {
    if (flags[rows] === true) unchanged.push(keys[rows] ?? '')
    else fresh.push(parts[rows] ?? [])
  }
  return { rows, made: await makeOf(plan, snapshot, fresh, signal), unchanged }
}

async function makeOf(
  plan: Plan,
  snapshot: Snapshot,
  keys: readonly Row[],
  signal: AbortSignal,
): Promise<Made> {
  if (keys.length === 0) return { rows: 0, records: [], unreadable: [] }
  const rows = await rowsOfKeys(plan, snapshot, distinct(keys), signal)
  return makeAll(plan, snapshot, rows, signal)
}

/** Records of all these header rows, however many their lines are. */
export async function makeAll(
  plan: Plan,
  snapshot: Snapshot,
  rows: readonly Row[],
  signal: AbortSignal,
): Promise<Made> {
  const first = await makeSettled(plan, snapshot, rows, signal)
  if (first.rows >= rows.length) return first
  const rest = await makeAll(plan, snapshot, rows.slice(first.rows), signal)
  return {
    rows: rows.length,
    records: [...first.records, ...rest.records],
    unreadable: [...first.unreadable, ...rest.unreadable],
  }
}

/** Each tuple of values once. */
export function distinct(rows: readonly Row[]): readonly Row[] {
  return [...new Map(rows.map((row) => [JSON.stringify(row), row])).values()]
}
