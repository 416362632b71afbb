import { splitKey } from '../cursor.ts'
import type { Plan } from './plan.ts'
import { fingerprintOf, listed, typeAt, valuesAt, wholeRow } from './plan.ts'
import { recordPrint } from './records.ts'
import type { Dialect, Row, Snapshot } from './transport.ts'
import { binding } from './transport.ts'

/** Whole rows of the header that have these keys, in their order; those that are not there are left out. */
export async function rowsOfKeys(
  plan: Plan,
  snapshot: Snapshot,
  keys: readonly Row[],
  signal: AbortSignal,
): Promise<readonly Row[]> {
  const { dialect, header } = plan
  const { parameters, bind } = binding()
  const types = plan.key.map((place) => typeAt(header, place))
  const tuples = dialect.tuples(types, keys, bind)
  const equal = listed(dialect, header, plan.key).map((column, index) => `${column} = h.v${index + 1}`)
  const query = `SELECT ${wholeRow(dialect, header).join(', ')} FROM ${tuples} JOIN ${header.from} ON ${equal.join(' AND ')} ORDER BY h.i`
  return (await snapshot.query(query, parameters, signal)).rows
}

/** The parts of source keys that have as many as the key of the feed. */
export function keyTuples(keys: readonly string[], columns: readonly string[]): readonly Row[] {
  return keys.map(splitKey).filter((parts) => parts.length === columns.length)
}

/** What of a header is needed to tell the fingerprint of its record: its key, what its lines go by, its own fingerprint. */
export function narrowPlaces(plan: Plan): readonly number[] {
  return [...new Set([...plan.key, ...plan.lines.flatMap(({ on }) => on.map(({ header }) => header))])]
}

/**
 * The fingerprints of records: of each header row, narrow, the one that `makeRecords` would give. `places` are those of
 * its columns; its own fingerprint stands behind them.
 */
export async function recordPrints(
  plan: Plan,
  snapshot: Snapshot,
  rows: readonly Row[],
  places: readonly number[],
  signal: AbortSignal,
): Promise<readonly (string | null)[]> {
  const totals: bigint[][] = rows.map(() => [])
  for (const lines of plan.lines) {
    const owners = rows.map((row) =>
      valuesAt(
        row,
        lines.on.map(({ header }) => places.indexOf(header)),
      ),
    )
    const sums = await lineTotals(plan, lines, snapshot, owners, signal)
    for (const [index, of] of totals.entries()) of.push(sums.get(index) ?? 0n)
  }
  return rows.map((row, index) => recordPrint(row[places.length] ?? null, totals[index] ?? []))
}

async function lineTotals(
  plan: Plan,
  { relation, on }: Plan['lines'][number],
  snapshot: Snapshot,
  owners: readonly Row[],
  signal: AbortSignal,
): Promise<ReadonlyMap<number, bigint>> {
  const { dialect } = plan
  const { parameters, bind } = binding()
  const types = on.map(({ header }) => typeAt(plan.header, header))
  const tuples = dialect.tuples(types, owners, bind)
  const equal = on.map(({ line }, index) => `${listed(dialect, relation, [line])[0]} = h.v${index + 1}`)
  const query = `SELECT h.i, ${totalOf(dialect, relation)} FROM ${tuples} JOIN ${relation.from} ON ${equal.join(' AND ')} GROUP BY h.i`
  const { rows } = await snapshot.query(query, parameters, signal)
  return new Map(rows.map(([index, total]) => [Number(index) - 1, BigInt(total ?? 0)]))
}

function totalOf(dialect: Dialect, relation: Plan['header']): string {
  return dialect.checksums?.total(fingerprintOf(dialect, relation) ?? '0') ?? '0'
}
