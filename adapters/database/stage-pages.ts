import type { Known, SourceRecord, Unreadable } from '../contract.ts'
import { AdapterError } from '../errors.ts'
import type { ChangedPage } from './changed-pages.ts'
import { distinct, makeAll, partKnown, readChanged } from './changed-pages.ts'
import type { Floor } from './heights.ts'
import { aboveFloor } from './heights.ts'
import type { Keyset } from './keyset.ts'
import { readPage, readRecords, upTo } from './keyset.ts'
import type { LinesPlan, Plan } from './plan.ts'
import { fingerprints, listed, selected, typeAt, valuesAt, wholeRow } from './plan.ts'
import { unreadableRow } from './records.ts'
import { narrowPlaces } from './rows-of-keys.ts'
import type { Overlap } from './settings.ts'
import type { Stage } from './stages.ts'
import type { Bind, Dialect, Row, Snapshot } from './transport.ts'
import { binding } from './transport.ts'

/** Where to read in a stage. Null: no such limit. */
export type Range = Readonly<{
  /** `again`: what lies within what the last round saw. `new`: what lies above, or everything where none is known. */
  part: 'again' | 'new'
  after: Row | null
  /** Up to these values of the cursor columns. */
  bound: readonly string[] | null
  /** From this value of the first cursor column on. */
  low: string | null
  /** The highest value that the last round saw. */
  seen: string | null
  floor: Floor | null
}>

export const EVERYTHING: Range = {
  part: 'new',
  after: null,
  bound: null,
  low: null,
  seen: null,
  floor: null,
}

export type StagePage = Readonly<{
  records: readonly SourceRecord[]
  unchanged: readonly string[]
  unreadable: readonly Unreadable[]
  last: Row | null
  more: boolean
}>

/** How pages are read: so many rows at once, and only what is not known, if anybody knows. */
export type Paging = Readonly<{ overlap: Overlap; limit: number; known: Known | undefined }>

/** The next page of a stage. */
export async function readStage(
  plan: Plan,
  stage: Stage,
  snapshot: Snapshot,
  range: Range,
  paging: Paging,
  signal: AbortSignal,
): Promise<StagePage> {
  const { limit } = paging
  if (stage.kind === 'keyless') return readKeyless(plan, stage, snapshot, limit, signal)
  const keyset = keysetOf(plan.dialect, stage, range, paging.overlap)
  const known = stage.kind === 'nulls' || range.part === 'again' ? paging.known : undefined
  if (stage.lines !== null)
    return readTouched(plan, stage.lines, stage, keyset, snapshot, { limit, known }, signal)
  if (known !== undefined) return flat(await readChanged(plan, snapshot, keyset, limit, known, signal))
  const page = await readRecords(plan, snapshot, keyset, limit, signal)
  return flat({ ...page, unchanged: [] })
}

/** A page of records as a page of a stage. */
export function flat(page: ChangedPage): StagePage {
  const { made, unchanged, last, more } = page
  return { records: made.records, unreadable: made.unreadable, unchanged, last, more }
}

function keysetOf(dialect: Dialect, stage: Stage, range: Range, overlap: Overlap): Keyset {
  const { relation, cursor, key } = stage
  if (stage.kind === 'nulls') {
    const someNull = listed(dialect, relation, cursor).map((column) => `${column} IS NULL`)
    return { relation, order: key, after: range.after, where: () => [`(${someNull.join(' OR ')})`] }
  }
  const [first = ''] = listed(dialect, relation, cursor)
  const type = typeAt(relation, cursor[0] ?? 0)
  const { part, after, bound, low, seen, floor } = range
  const valued = (text: string, bind: Bind) => dialect.value(bind(text), type)
  return {
    relation,
    order: [...cursor, ...key],
    after,
    where: (bind) => [
      ...(bound === null ? [] : [upTo(dialect, relation, cursor, bound, bind)]),
      ...(low === null || (part === 'new' && seen !== null) ? [] : [`${first} >= ${valued(low, bind)}`]),
      ...(seen === null ? [] : [`${first} ${part === 'new' ? '>' : '<='} ${valued(seen, bind)}`]),
      ...(floor === null ? [] : aboveFloor(dialect, stage, floor, overlap, bind)),
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
  const columns = wholeRow(dialect, stage.relation).join(', ')
  const someNull = listed(dialect, stage.relation, stage.key).map((column) => `${column} IS NULL`)
  const query = `SELECT ${columns} FROM ${stage.relation.from} WHERE ${someNull.join(' OR ')}`
  const { rows } = await snapshot.query(dialect.limited(query, limit), [], signal)
  const unreadable = rows.map((row) => unreadableRow(plan, row, 'has no key: a column of it is null'))
  return { records: [], unchanged: [], unreadable, last: null, more: false }
}

/** Lines that changed, and whole the records that they belong to. */
async function readTouched(
  plan: Plan,
  lines: LinesPlan,
  stage: Stage,
  keyset: Keyset,
  snapshot: Snapshot,
  { limit, known }: Pick<Paging, 'limit' | 'known'>,
  signal: AbortSignal,
): Promise<StagePage> {
  const on = lines.on.map(({ line }) => line)
  const places = [...new Set([...keyset.order, ...on])]
  const page = await readPage(plan.dialect, snapshot, keyset, { places }, limit, signal)
  const positions = on.map((place) => places.indexOf(place))
  const owners = distinct(page.rows.map((row) => valuesAt(row, positions)))
  const narrow = known === undefined ? plan.header.columns.map((_, place) => place) : narrowPlaces(plan)
  const headers = await readOwners(plan, lines, stage, { owners, places: narrow, limit }, snapshot, signal)
  const told =
    known === undefined
      ? { made: await makeAll(plan, snapshot, headers, signal), unchanged: [] }
      : await partKnown(
          plan,
          snapshot,
          { rows: headers, places: narrow, limit: headers.length + 1 },
          known,
          signal,
        )
  return flat({ ...told, last: page.last, more: page.more })
}

/** The columns at these places, and the fingerprints, of the headers that lines belong to. */
async function readOwners(
  plan: Plan,
  lines: LinesPlan,
  stage: Stage,
  of: Readonly<{ owners: readonly Row[]; places: readonly number[]; limit: number }>,
  snapshot: Snapshot,
  signal: AbortSignal,
): Promise<readonly Row[]> {
  if (of.owners.length === 0) return []
  const { dialect, header } = plan
  const { parameters, bind } = binding()
  const types = lines.on.map(({ line }) => typeAt(stage.relation, line))
  const tuples = dialect.tuples(types, of.owners, bind)
  const equal = lines.on.map(
    ({ header: place }, index) => `${listed(dialect, header, [place])[0]} = h.v${index + 1}`,
  )
  const columns = [...selected(dialect, header, of.places), ...fingerprints(dialect, header)]
  const query = `SELECT ${columns.join(', ')} FROM ${tuples} JOIN ${header.from} ON ${equal.join(' AND ')} ORDER BY ${listed(dialect, header, plan.key).join(', ')}`
  const { rows } = await snapshot.query(dialect.limited(query, of.limit + 1), parameters, signal)
  if (rows.length > of.limit)
    throw new AdapterError(
      'ADAPTER_CONFIG_INVALID',
      `Lines ${lines.settings.name} of feed ${plan.feed} lead to several headers each; \`on\` must name columns that are unique in ${header.name}.`,
    )
  return rows
}
