import type { SourceRecord } from '../contract.ts'
import { splitKey } from '../cursor.ts'
import { AdapterError } from '../errors.ts'
import type { Plan } from './plan.ts'
import type { Made } from './records.ts'
import { makeRecords } from './records.ts'
import { rowsOfKeys } from './rows-of-keys.ts'
import type { Row, Snapshot } from './transport.ts'

/** A record that is changed between each two of so many looks is left for a later poll. */
const LOOKS_MAX = 6

/**
 * Makes records of header rows, each as it was at one moment, also where a snapshot moves: there header and lines are
 * read until two looks give the same, which then held between them. A row that is gone by then is left out.
 */
export async function makeSettled(
  plan: Plan,
  snapshot: Snapshot,
  rows: readonly Row[],
  signal: AbortSignal,
): Promise<Made> {
  const first = await makeRecords(plan, snapshot, rows, signal)
  if (snapshot.moves !== true || plan.lines.length === 0) return first
  const settled = new Map<string, SourceRecord>()
  let seen: readonly SourceRecord[] = first.records
  for (let looks = 1; seen.length > 0; looks += 1) {
    if (looks === LOOKS_MAX) throw restless(plan, seen.length)
    const last = new Map(seen.map((record) => [record.key, JSON.stringify(record)]))
    const now = await lookAgain(plan, snapshot, seen, signal)
    for (const record of now)
      if (last.get(record.key) === JSON.stringify(record)) settled.set(record.key, record)
    seen = now.filter(({ key }) => !settled.has(key))
  }
  return { ...first, records: first.records.flatMap(({ key }) => settled.get(key) ?? []) }
}

async function lookAgain(
  plan: Plan,
  snapshot: Snapshot,
  records: readonly SourceRecord[],
  signal: AbortSignal,
): Promise<readonly SourceRecord[]> {
  const keys = records.map(({ key }) => splitKey(key))
  const found: SourceRecord[] = []
  for (let rows = await rowsOfKeys(plan, snapshot, keys, signal); rows.length > 0; ) {
    const made = await makeRecords(plan, snapshot, rows, signal)
    found.push(...made.records)
    rows = rows.slice(made.rows)
  }
  return found
}

function restless(plan: Plan, count: number): AdapterError {
  return new AdapterError(
    'ADAPTER_TIMEOUT',
    `${count} records of ${plan.header.name} change faster than they can be read with their lines; let the database give snapshots, which \`check\` tells how.`,
    { details: { relation: plan.header.name, records: count } },
  )
}
