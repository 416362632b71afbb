import type { Context, SourceRecord, Unreadable } from '../contract.ts'
import { AdapterError } from '../errors.ts'
import type { Floor } from './heights.ts'
import { aboveFloor, lowOf } from './heights.ts'
import type { Keyset } from './keyset.ts'
import { readPage, readRecords, upTo } from './keyset.ts'
import type { LinesPlan, Plan } from './plan.ts'
import { listed, selected, typeAt, valuesAt } from './plan.ts'
import { makeRecords, unreadableRow } from './records.ts'
import type { Overlap } from './settings.ts'
import type { Stage } from './stages.ts'
import type { Dialect, Row, Snapshot } from './transport.ts'
import { binding } from './transport.ts'

/** Where to read in a stage. Null: no such limit. */
export type Range = Readonly<{
  after: Row | null
  /** Up to these values of the cursor columns. */
  bound: readonly string[] | null
  /** The highest value that the last round saw; this one begins an overlap below. */
  high: string | null
  floor: Floor | null
}>

export type StagePage = Readonly<{
  records: readonly SourceRecord[]
  unreadable: readonly Unreadable[]
  last: Row | null
  more: boolean
}>

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
      ...(range.floor === null ? [] : aboveFloor(dialect, stage, range.floor, overlap, bind)),
    ],
  }
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
  const columns = selected(dialect, stage.relation, places).join(', ')
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
  const columns = selected(
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
