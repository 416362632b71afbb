import { hash } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import type { SourceRecord } from '../../adapters/contract.ts'
import { textTable } from '../../gateway/cli/text-table.ts'
import { type EventParts, encodeEvent } from '../../gateway/envelope.ts'
import { fingerprint, splitRecordKey } from '../../gateway/identity.ts'
import { detect, type Finding } from '../../gateway/lane/detect.ts'
import { countedOrder } from '../../gateway/lane/read-order.ts'
import { claimsOf, readOf } from '../../gateway/lane/reads.ts'
import { View } from '../../gateway/lane/view.ts'
import { loadLanguage } from '../../gateway/language.ts'
import type { Mapping } from '../../gateway/mapping/mapping.ts'
import { createFiles } from '../../gateway/node/files.ts'
import { createMemoryProjection } from '../../gateway/node/projection.ts'
import type { Projection } from '../../gateway/ports.ts'
import { ROOT } from '../steps.ts'

/** Where CPU time goes, in µs a row. Raw limits are what the machine takes for the least that could be done at all. */
export type Cost = Readonly<{ what: string; kind: 'step' | 'raw limit'; micros: number }>

/**
 * What a lane does to each new row of a first load, but for reading it and for the log: everything in memory, batch by
 * batch, with the raw limits measured between the same batches. A first batch that counts for nothing warms up.
 */
export function benchLane(rows: number): readonly Cost[] {
  const mapping = demoMapping()
  const insert = rawInsert()
  runBatches(BATCH_ROWS, mapping, stopwatch(), insert)
  const watch = stopwatch()
  runBatches(rows, mapping, watch, insert)
  return watch.costs(rows)
}

/** Of a batch in production. */
const BATCH_ROWS = 2_000

const SYSTEM = 'demo-trading'
const LINEAGE = '01a20bf1-c94f-76ff-82bf-ec28ff24724e'

function runBatches(
  rows: number,
  mapping: Mapping,
  watch: Stopwatch,
  insert: (values: readonly Uint8Array[]) => void,
): void {
  const projection = createMemoryProjection()
  for (let first = 0; first < rows; first += BATCH_ROWS) {
    const records = Array.from({ length: Math.min(BATCH_ROWS, rows - first) }, (_, index) =>
      payment(first + index),
    )
    const findings = laneSteps(records, mapping, projection, watch)
    const values = watch.step('encode', () => findings.map((finding) => encodeEvent(partsOf(finding))))
    watch.raw('JSON.stringify and SHA-256', () => {
      for (const record of records) hash('sha256', JSON.stringify(record))
    })
    watch.raw('insert into node:sqlite', () => insert(values))
  }
  projection.close()
}

function laneSteps(
  records: readonly SourceRecord[],
  mapping: Mapping,
  projection: Projection,
  watch: Stopwatch,
): readonly Finding[] {
  const view = new View(projection)
  const order = countedOrder(1)
  const prints = watch.step('fingerprint', () => records.map((record) => fingerprint(record.data)))
  const mapped = watch.step('map', () => records.map((record) => mapping.map(record)))
  const reads = watch.step('write and hash', () =>
    records.map((record, index) =>
      readOf(record, order, prints[index] ?? '', mapped[index] ?? null, { mapping, system: SYSTEM }),
    ),
  )
  const found = watch.step('detect', () => {
    view.preload(
      records.map((record) => record.key),
      claimsOf(reads),
    )
    const all = { gone: new Set<string>(), known: new Map() }
    return detect(reads, view, { mapping, origin: 'initial', remap: 'hold-back', ...all })
  })
  if (found.findings.length !== records.length) throw new Error('A row of the bench made no event.')
  watch.step('apply to the projection', () => {
    const { rows } = view.changes()
    projection.apply({ rows, applied: { lineage: LINEAGE, positions: {}, sequence: 1, topicIds: {} } })
  })
  return found.findings
}

function partsOf({ row, data, action, time }: Finding): EventParts {
  const { company, subject } = splitRecordKey(row.recordKey)
  return {
    entity: 'payment',
    action,
    system: SYSTEM,
    company,
    subject,
    recordKey: row.recordKey,
    time: time ?? '2026-11-24T05:03:21+00:00',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00',
    revision: row.revision,
    lineage: LINEAGE,
    contentHash: row.contentHash,
    origin: 'initial',
    sourceKey: row.sourceKey,
    sourceFingerprint: row.sourceFingerprint,
    mappingVersion: row.mappingVersion,
    readOrder: row.readOrder,
    changedFields: null,
    data,
  }
}

function demoMapping(): Mapping {
  return loadLanguage(createFiles(), ROOT).mapping('demo-trading/payment', [], {
    system: SYSTEM,
    company: 'from-record',
    companies: { '001': { name: 'Example Trading', currency: 'HKD' } },
    zone: 'Asia/Hong_Kong',
  })
}

/** A payment with two invoices, as the adapter hands it over. */
function payment(index: number): SourceRecord {
  const number = String(index).padStart(8, '0')
  const allocation = (line: number) => ({
    ...{ line_no: String(line), invoice_no: `INV-${index}-${line}`, supplier_invoice_no: `OS-26-${index}` },
    ...{ order_no: 'PO-260915', due_date: '2026-10-20', amount: `${index}.2500`, discount: '0.0000' },
    ...{ withholding_tax: '0.0000' },
  })
  return {
    ...{ type: 'payment', key: `${number}/2026`, op: 'upsert', order: null, rowVersion: null },
    ...{ fingerprint: null, changedAt: null },
    data: {
      ...{
        payment_no: number,
        fiscal_year: '2026',
        company_code: '001',
        direction: 'O',
        method: 'TT',
        status: 'A',
      },
      ...{
        partner_no: '0000100077',
        partner_name: '東莞市精誠五金製品有限公司',
        document_date: '2026-10-05',
      },
      ...{
        posting_date: null,
        due_date: '2026-10-20',
        value_date: null,
        currency: 'HKD',
        amount: `${index}.5000`,
      },
      ...{ local_currency: 'HKD', local_amount: null, exchange_rate: null, rate_date: null },
      ...{ bank_account: '012-345-67890', payee_account: '888-12-77654', requested_by: 'chan.ky' },
      ...{
        approved_by: 'wong.sf',
        approved_at: '2026-10-06 10:15:00',
        approval_level: '2',
        block_code: null,
      },
      ...{
        block_text: null,
        memo: '九月份貨款',
        buyer: 'chan.ky',
        purchasing_group: 'HK1',
        reversal_of: null,
      },
      ...{ created_at: '2026-10-05 17:01:02+08', created_by: 'chan.ky' },
      ...{ updated_at: '2026-10-06 02:15:00.123456+00', updated_by: 'wong.sf' },
      allocations: [allocation(1), allocation(2)],
    },
  }
}

/** The same bytes into a table with nothing but a key, a transaction for each batch. */
function rawInsert(): (values: readonly Uint8Array[]) => void {
  const database = new DatabaseSync(':memory:')
  database.exec('CREATE TABLE records (record INTEGER PRIMARY KEY, value BLOB NOT NULL) STRICT')
  const statement = database.prepare('INSERT INTO records (value) VALUES (?)')
  return (values) => {
    database.exec('BEGIN')
    for (const value of values) statement.run(value)
    database.exec('COMMIT')
  }
}

type Stopwatch = ReturnType<typeof stopwatch>

/** CPU time of the process by name, collecting garbage included. */
function stopwatch() {
  const spent = new Map<string, { kind: Cost['kind']; micros: number }>()
  const timed =
    (kind: Cost['kind']) =>
    <Result>(what: string, run: () => Result): Result => {
      const before = process.cpuUsage()
      const result = run()
      const { user, system } = process.cpuUsage(before)
      spent.set(what, { kind, micros: (spent.get(what)?.micros ?? 0) + user + system })
      return result
    }
  return {
    step: timed('step'),
    raw: timed('raw limit'),
    costs: (rows: number): readonly Cost[] =>
      [...spent].map(([what, { kind, micros }]) => ({ what, kind, micros: micros / rows })),
  }
}

/** Costs as a table, each step beside the raw limits of the same run. */
export function costTable(costs: readonly Cost[]): string {
  const sum = (kind: Cost['kind']) =>
    costs.filter((cost) => cost.kind === kind).reduce((total, { micros }) => total + micros, 0)
  const limit = sum('raw limit')
  const line = (what: string, kind: string, micros: number) => [
    what,
    kind,
    micros.toFixed(1),
    (micros / limit).toFixed(2),
  ]
  const rows = [...costs]
    .sort((left, right) => (left.kind === right.kind ? 0 : left.kind === 'step' ? -1 : 1))
    .map(({ what, kind, micros }) => line(what, kind, micros))
  return textTable(
    ['WHAT', '', 'µs CPU A ROW', 'TIMES BOTH RAW LIMITS'],
    [...rows, line('all steps', '', sum('step')), line('both raw limits', '', limit)],
  )
}
