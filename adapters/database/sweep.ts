import type { BucketSum, Sweep } from '../contract.ts'
import { joinKey, splitKey } from '../cursor.ts'
import { behind, notNull, upTo, whereOf } from './keyset.ts'
import type { LinesPlan, Plan } from './plan.ts'
import { columnsOf, fingerprintOf, inSnapshot, listed, planFeed, selected } from './plan.ts'
import { recordPrint } from './records.ts'
import type { Feed } from './settings.ts'
import { present } from './stages.ts'
import type { Bind, Checksums, Dialect, Row, Snapshot, Transport } from './transport.ts'
import { binding } from './transport.ts'

type Asking = Readonly<{
  plan: Plan
  dialect: Dialect
  checksums: Checksums
  snapshot: Snapshot
  signal: AbortSignal
}>

/**
 * Comparisons that the database computes itself. A part is a range of keys in the database's own order, so that each
 * statement is short; sums of header and lines are taken in one snapshot.
 */
export function createSweep(
  transport: Transport,
  checksums: Checksums,
  feedOf: (name: string) => Feed,
): Sweep {
  const asked = <Answer>(name: string, signal: AbortSignal, work: (asking: Asking) => Promise<Answer>) =>
    inSnapshot(transport, signal, async (snapshot) => {
      const { dialect } = transport
      const plan = await planFeed(dialect, snapshot, name, feedOf(name), signal)
      return work({ plan, dialect, checksums, snapshot, signal })
    })
  return {
    digest: (name, { buckets, after, rowsMax }, signal) =>
      asked(name, signal, async (asking) => {
        const range = await nextRange(asking, after, rowsMax)
        if (range === null) return { sums: [], next: null }
        return { sums: await sumsOf(asking, range, buckets), next: range.next }
      }),
    keys: (name, { buckets, wanted, after, rowsMax }, signal) =>
      asked(name, signal, async (asking) => {
        const range = await nextRange(asking, after, rowsMax)
        if (range === null || wanted.length === 0) return { keys: [], next: range?.next ?? null }
        return { keys: await keysOf(asking, range, buckets, wanted), next: range.next }
      }),
  }
}

/** Keys behind the one and up to the other; `next`: where to go on. */
type Range = Readonly<{ after: Row | null; upTo: Row; next: string | null }>

/** The next so many rows in the order of their keys; null where there are none. */
async function nextRange(asking: Asking, after: string | null, rowsMax: number): Promise<Range | null> {
  const { plan, dialect, snapshot, signal } = asking
  const { header, key } = plan
  const start = after === null ? null : splitKey(after)
  const { parameters, bind } = binding()
  const conditions = [
    ...notNull(dialect, header, key),
    ...(start === null ? [] : [behind(dialect, header, key, start, bind)]),
  ]
  const columns = listed(dialect, header, key)
  const named = columns.map((column, index) => `${column} AS v${index + 1}`).join(', ')
  const inner = dialect.limited(
    `SELECT ${named} FROM ${header.from}${whereOf(conditions)} ORDER BY ${columns.join(', ')}`,
    rowsMax,
  )
  const last = key.map((place, index) => dialect.selected(`q.v${index + 1}`, header.types[place] ?? 'text'))
  const falling = key.map((_, index) => `q.v${index + 1} DESC`).join(', ')
  const outer = `SELECT ${last.join(', ')} FROM (${inner}) q ORDER BY ${falling}`
  const [row] = (await snapshot.query(dialect.limited(outer, 1), parameters, signal)).rows
  return row === undefined ? null : { after: start, upTo: row, next: joinKey(present(row)) }
}

/** The headers of a range, as conditions on the alias under which they stand. */
function within({ plan, dialect }: Asking, range: Range, alias: string, bind: Bind): readonly string[] {
  const { header, key } = plan
  return [
    ...(range.after === null ? [] : [behind(dialect, header, key, range.after, bind, alias)]),
    upTo(dialect, header, key, range.upTo, bind, alias),
  ]
}

/** The text of a header's key. */
function keyText({ plan, dialect, checksums }: Asking, alias: string): string {
  return checksums.key(columnsOf(dialect, plan.header, plan.key, alias))
}

async function sumsOf(asking: Asking, range: Range, buckets: number): Promise<readonly BucketSum[]> {
  const { plan, dialect, checksums, snapshot, signal } = asking
  const { parameters, bind } = binding()
  const bucket = checksums.bucket(keyText(asking, 'q'), buckets)
  const total = checksums.total(fingerprintOf(dialect, plan.header) ?? '0')
  const where = whereOf(within(asking, range, 'q', bind))
  const text = `SELECT ${bucket}, count(*), ${total} FROM ${plan.header.from}${where} GROUP BY ${bucket}`
  const { rows } = await snapshot.query(text, parameters, signal)
  const sums = new Map<number, { bucket: number; count: number; sum: bigint }>()
  for (const [of, count, sum] of rows)
    sums.set(Number(of), { bucket: Number(of), count: Number(count), sum: BigInt(sum ?? 0) })
  for (const lines of plan.lines) {
    for (const [of, sum] of await linesBy(asking, lines, range, (alias) =>
      checksums.bucket(keyText(asking, alias), buckets),
    )) {
      const found = sums.get(Number(of))
      if (found !== undefined) found.sum += sum
    }
  }
  return [...sums.values()].map((one) => ({ ...one, sum: BigInt.asUintN(64, one.sum) }))
}

/** Sums of the fingerprints of lines, by something of the header that they belong to. */
async function linesBy(
  asking: Asking,
  { relation, on }: LinesPlan,
  range: Range,
  group: (alias: string) => string,
  condition: (alias: string) => readonly string[] = () => [],
): Promise<readonly (readonly [of: string, sum: bigint])[]> {
  const { plan, dialect, checksums, snapshot, signal } = asking
  const { parameters, bind } = binding()
  const equal = on.map(
    ({ line, header }) =>
      `${listed(dialect, relation, [line])[0]} = ${listed(dialect, plan.header, [header], 'h')[0]}`,
  )
  const where = whereOf([...within(asking, range, 'h', bind), ...condition('h')])
  const total = checksums.total(fingerprintOf(dialect, relation) ?? '0')
  const text = `SELECT ${group('h')}, ${total} FROM ${plan.header.source} h JOIN ${relation.from} ON ${equal.join(' AND ')}${where} GROUP BY ${group('h')}`
  const { rows } = await snapshot.query(text, parameters, signal)
  return rows.map(([of, sum]) => [of ?? '', BigInt(sum ?? 0)] as const)
}

/** More buckets than this are not listed in a statement; then all keys are given. */
const LISTED_MAX = 2_000

async function keysOf(
  asking: Asking,
  range: Range,
  buckets: number,
  wanted: readonly number[],
): Promise<readonly Readonly<{ key: string; fingerprint: string }>[]> {
  const { plan, dialect, checksums, snapshot, signal } = asking
  const { parameters, bind } = binding()
  const among = (alias: string) =>
    wanted.length > LISTED_MAX
      ? []
      : [`${checksums.bucket(keyText(asking, alias), buckets)} IN (${wanted.map(Number).join(', ')})`]
  const where = whereOf([...within(asking, range, 'q', bind), ...among('q')])
  const print = checksums.text(fingerprintOf(dialect, plan.header) ?? '0')
  const columns = [...selected(dialect, plan.header, plan.key), keyText(asking, 'q'), print]
  const text = `SELECT ${columns.join(', ')} FROM ${plan.header.from}${where}`
  const { rows } = await snapshot.query(text, parameters, signal)
  const totals = new Map<string, bigint>()
  for (const lines of plan.lines) {
    for (const [of, sum] of await linesBy(asking, lines, range, (alias) => keyText(asking, alias), among))
      totals.set(of, (totals.get(of) ?? 0n) + sum)
  }
  const count = plan.key.length
  return rows.map((row) => {
    const lines = plan.lines.length === 0 ? [] : [totals.get(row[count] ?? '') ?? 0n]
    const key = joinKey(present(row.slice(0, count)))
    return { key, fingerprint: recordPrint(row[count + 1] ?? null, lines) ?? '' }
  })
}
