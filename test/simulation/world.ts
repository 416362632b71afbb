import { contentOf, type RowVersion, type Truth } from '../kit/checkers/facts.ts'
import type { SimulatedRuntime } from '../kit/simulated-runtime.ts'

/** The columns of every toy table, as text. `mark` is unique to a write, but for one that brings an old row back. */
export type Fields = Readonly<{ number: string; status: string; amount: string; mark: string }>

/** When and as how many-th write a row was touched; stamped when the write begins, visible when it commits. */
export type Stamp = Readonly<{ watermark: number; rowVersion: number }>

/** A committed version of a row; `fields` null once it is gone. */
export type Change = Stamp &
  Readonly<{
    table: string
    key: string
    fields: Fields | null
    /** Place among all commits of the world, from 1. */
    sequence: number
    at: number
    /** The record key that this version stands under, and what the checkers know it as. */
    recordKey: string
    version: RowVersion
  }>

/** A toy ERP's memory: what is there, and everything that ever was. */
export type World = Readonly<{
  tables: readonly string[]
  /** The newest version of every row that ever was, by key: those that are gone as well. */
  rows(table: string): ReadonlyMap<string, Change>
  /** The versions of one row in the order of their commits. */
  history(table: string, key: string): readonly Change[]
  /** Commits in order, of all tables. */
  changes(): readonly Change[]
  /** The number of the newest commit. */
  sequence(): number
  /** Begins a write: its stamps are those of now. The clock of the ERP counts whole seconds. */
  stamp(): Stamp
  commit(table: string, key: string, fields: Fields | null, stamp: Stamp): Change
  truth(): Truth
}>

export const SYSTEM = 'toy'
export const COMPANY = '001'

/** A number column that cannot be a number: no mapping takes it. */
export const NO_AMOUNT = 'n/a'
/** What the adapter cannot decode. */
export const NO_STATUS = '\ufffd'

export function createWorld(simulated: SimulatedRuntime, tables: readonly string[]): World {
  const rows = new Map(tables.map((table) => [table, new Map<string, Change>()]))
  const histories = new Map<string, Change[]>()
  const changes: Change[] = []
  const truth = new Map<string, RowVersion[]>()
  let writes = 0
  const rowsOf = (table: string) => {
    const found = rows.get(table)
    if (found === undefined) throw new Error(`The world has no table ${table}.`)
    return found
  }
  const remember = (recordKey: string, version: RowVersion) => {
    const versions = truth.get(recordKey)
    if (versions === undefined) truth.set(recordKey, [version])
    else versions.push(version)
  }
  return {
    tables,
    rows: rowsOf,
    history: (table, key) => histories.get(`${table}/${key}`) ?? [],
    changes: () => changes,
    sequence: () => changes.length,
    stamp() {
      writes += 1
      return { watermark: Math.floor(simulated.now() / 1_000) * 1_000, rowVersion: writes }
    },
    commit(table, key, fields, stamp) {
      const before = rowsOf(table).get(key)
      const number = fields?.number ?? before?.fields?.number
      if (number === undefined) throw new Error(`${table}/${key} cannot be deleted: it is not there.`)
      const at = simulated.now()
      const recordKey = recordKeyOf(number)
      if (before?.fields && before.recordKey !== recordKey) remember(before.recordKey, { at, kind: 'gone' })
      const version = versionOf(at, key, fields, stamp)
      remember(recordKey, version)
      const sequence = changes.length + 1
      const change: Change = { ...stamp, table, key, fields, sequence, at, recordKey, version }
      changes.push(change)
      rowsOf(table).set(key, change)
      histories.set(`${table}/${key}`, [...(histories.get(`${table}/${key}`) ?? []), change])
      simulated.trace(`erp ${table}/${key} ${fields === null ? 'gone' : JSON.stringify(fields)}`)
      return change
    },
    truth: () => truth,
  }
}

function recordKeyOf(number: string): string {
  return `${SYSTEM}/${COMPANY}/${number}`
}

/** A row as the source hands it over; the mapping knows no other fields. */
export function dataOf(
  key: string,
  fields: Fields,
  { watermark, rowVersion }: Stamp,
): Readonly<Record<keyof Fields | 'key' | 'changed' | 'version', string>> {
  return { key, ...fields, changed: String(watermark), version: String(rowVersion) }
}

/** What the event of a row says. */
function eventDataOf(fields: Fields): Readonly<Record<keyof Fields, string>> {
  const { number, status, amount, mark } = fields
  return { number, status, amount, mark }
}

function versionOf(at: number, key: string, fields: Fields | null, stamp: Stamp): RowVersion {
  if (fields === null) return { at, kind: 'gone' }
  if (fields.amount === NO_AMOUNT || fields.status === NO_STATUS) {
    return { at, kind: 'unmappable', raw: JSON.stringify(dataOf(key, fields, stamp)) }
  }
  return { at, kind: 'value', content: contentOf(eventDataOf(fields)) }
}
