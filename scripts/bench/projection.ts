import { hash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { textTable } from '../../gateway/cli/text-table.ts'
import { countedOrder } from '../../gateway/lane/read-order.ts'
import { View } from '../../gateway/lane/view.ts'
import { createProjections } from '../../gateway/node/projection.ts'
import type { Projection, ProjectionRow } from '../../gateway/ports.ts'
import { folderBytes } from './measured.ts'
import type { KeyOrder } from './payments.ts'

/** What a lane's projection costs, with as many rows as it was asked for. */
export type ProjectionCosts = Readonly<{
  rows: number
  order: KeyOrder
  /** µs CPU a row: never seen before, then all of them once more with other contents, then all of them as they are. */
  firstLoad: number
  changes: number
  lookUps: number
  /** Beside them, as a measure of the machine: µs for JSON.stringify and SHA-256 of a row. */
  raw: number
  /** Of the whole process, at its highest. */
  rssMegabytes: number
  bytesPerRow: number
  openSeconds: number
}>

/**
 * Loads a projection on disk as a lane does, batch by batch: look up the rows, look up who holds their record keys, apply.
 * Once as a first load, once as changes of every row, and once without a change.
 */
export function benchProjection(rows: number, order: KeyOrder): ProjectionCosts {
  const folder = mkdtempSync(join(tmpdir(), 'erpgw-bench-projection-'))
  try {
    const projection = createProjections(folder).open('bench.rows')
    const rawBefore = rawMicros()
    const firstLoad = pass(projection, rows, order, 1)
    const changes = pass(projection, rows, order, 2)
    const lookUps = pass(projection, rows, order, 2)
    const raw = (rawBefore + rawMicros()) / 2
    projection.close()
    const bytes = folderBytes(folder)
    const before = cpuMicros()
    const again = createProjections(folder).open('bench.rows')
    const openMicros = cpuMicros() - before
    if (again.count().live !== rows) throw new Error('The projection lost what it was given.')
    again.close()
    return {
      ...{ rows, order, firstLoad, changes, lookUps, raw },
      rssMegabytes: process.resourceUsage().maxRSS / 1024,
      bytesPerRow: bytes / rows,
      openSeconds: openMicros / 1_000_000,
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Of a batch in production. */
const BATCH_ROWS = 2_000

/** All rows once, in version `version`; µs of CPU a row inside the projection and its view. */
function pass(projection: Projection, count: number, order: KeyOrder, version: number): number {
  let micros = 0
  for (let first = 0; first < count; first += BATCH_ROWS) {
    const batch = Array.from({ length: Math.min(BATCH_ROWS, count - first) }, (_, index) =>
      rowOf(placeOf(first + index, count, order), version, first),
    )
    const keys = batch.map((row) => row.sourceKey)
    const recordKeys = batch.map((row) => row.recordKey)
    const before = cpuMicros()
    const view = new View(projection)
    view.preload(keys, [])
    view.preload([], recordKeys)
    for (const row of batch) {
      if (view.owner(row.recordKey)?.contentHash !== row.contentHash) view.put(row)
    }
    const { rows } = view.changes()
    const positions = { 'erp.payment.v1/0': first + batch.length }
    if (rows.length > 0) {
      projection.apply({ rows, applied: { lineage: 'bench', sequence: 1, positions, topicIds: {} } })
    }
    micros += cpuMicros() - before
  }
  return micros / count
}

/** Steps through all numbers below `count`, each once: the factor is a prime that divides no count of ours. */
function placeOf(index: number, count: number, order: KeyOrder): number {
  return order === 'ascending' ? index : (index * 6_700_417) % count
}

const FIELDS =
  'amount approvedBy bankAccount currency documentDate dueDate memo method number partner status updatedAt'
    .split(' ')
    .map((name) => `"${name}":"`)

/** A row of twelve fields, whose hashes are as long as real ones and cost nothing to make. */
function rowOf(place: number, version: number, offset: number): ProjectionRow {
  const number = String(place).padStart(9, '0')
  const sourceKey = `P${number}`
  const digest = `${number}-${version}`
  return {
    sourceKey,
    recordKey: `demo/001/${sourceKey}`,
    revision: version,
    contentHash: `${digest}${digest}`,
    fieldDigests: `{${FIELDS.join(`${digest}",`)}${digest}"}`,
    sourceFingerprint: `${digest}${digest}`,
    readOrder: countedOrder(version * 10_000 + offset / BATCH_ROWS),
    mappingVersion: 'b7Qy0a8mJxk3r2p9LwZt1e',
    deleted: false,
    rejected: null,
    partition: place % 6,
    offset,
  }
}

/** µs of CPU for the least that could be done with a row: writing it as text and hashing that. */
function rawMicros(): number {
  const rows = Array.from({ length: BATCH_ROWS }, (_, index) => rowOf(index, 1, 0))
  const before = cpuMicros()
  for (let round = 0; round < RAW_ROUNDS; round += 1) {
    for (const row of rows) hash('sha256', JSON.stringify(row))
  }
  return (cpuMicros() - before) / RAW_ROUNDS / BATCH_ROWS
}

const RAW_ROUNDS = 20

function cpuMicros(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

/** The costs as a table. */
export function projectionTable(costs: ProjectionCosts): string {
  const { rows, order, firstLoad, changes, lookUps, raw, rssMegabytes, bytesPerRow, openSeconds } = costs
  return textTable(
    [
      'ROWS',
      'KEYS',
      'FIRST LOAD',
      'CHANGES',
      'LOOK-UPS',
      'JSON AND SHA-256',
      'RSS MB',
      'BYTES A ROW',
      'OPENING CPU S',
    ],
    [
      [
        String(rows),
        order,
        ...[firstLoad, changes, lookUps, raw].map((micros) => micros.toFixed(1)),
        rssMegabytes.toFixed(0),
        bytesPerRow.toFixed(0),
        openSeconds.toFixed(2),
      ],
    ],
  )
}
