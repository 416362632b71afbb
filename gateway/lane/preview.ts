import type { FeedShape, Json, SourceRecord } from '../../adapters/contract.ts'
import type { Mapped, Mapping } from '../mapping/mapping.ts'
import { missingFields } from '../mapping/missing-fields.ts'
import type { Mistake } from '../mapping/mistake.ts'
import type { SourceConnection } from './connection.ts'

/** What `erpgw preview` shows: how the first records of a feed become events, and what is lost on the way. */
export type Preview = Readonly<{
  entity: string
  key: readonly string[]
  /** Source fields with the source's type names; empty where the source does not describe itself. */
  fields: Readonly<Record<string, string>>
  records: readonly Readonly<{ key: string; data: SourceRecord['data']; mapped: Mapped }>[]
  /** What the mapping reads and the source does not have. */
  missing: readonly Mistake[]
  /** Sentences about what the events will not show. */
  warnings: readonly string[]
}>

/** Looks at a feed through its mapping. Moves nothing: no cursor, no file, no projection. */
export async function previewFeed(
  feed: string,
  mapping: Mapping,
  limit: number,
  connection: SourceConnection,
  signal: AbortSignal,
): Promise<Preview> {
  const shapes = await connection.turn('discover', signal, (session, inner) => session.discover(inner))
  const records = await connection.turn('preview', signal, (session, inner) =>
    session.preview(feed, limit, inner),
  )
  const shape = shapes.find((one) => one.name === feed)
  const mapped = records.map((record) => ({
    key: record.key,
    data: record.data,
    mapped: mapping.map(record),
  }))
  return {
    entity: mapping.entity,
    key: shape?.key ?? [],
    fields: shape?.fields ?? {},
    records: mapped,
    missing: missingFields(mapping, shape?.fields ?? {}),
    warnings: [...unreadFields(shape, records, mapping), ...emptyTargets(mapped.map((one) => one.mapped))],
  }
}

function unreadFields(
  shape: FeedShape | undefined,
  records: readonly SourceRecord[],
  mapping: Mapping,
): string[] {
  const known = new Set([
    ...Object.keys(shape?.fields ?? {}),
    ...records.flatMap((one) => Object.keys(one.data)),
  ])
  const top = [...known].filter((field) => !field.includes('.'))
  const read = new Set(mapping.reads.map(({ path }) => path[0]))
  const unread = top.filter((field) => !read.has(field))
  return unread.length === 0 ? [] : [`The mapping reads nothing from: ${unread.join(', ')}.`]
}

/** Target fields that no event of the preview fills. */
function emptyTargets(mapped: readonly Mapped[]): string[] {
  const events = mapped.flatMap((one) => (one.kind === 'mapped' ? [one.data] : []))
  const names = new Set(events.flatMap((data) => Object.keys(data)))
  const isEmpty = (value: Json | undefined) => value === null || value === undefined
  const empty = [...names].filter((name) => events.every((data) => isEmpty(data[name])))
  return empty.length === 0 ? [] : [`No record of this preview fills: ${empty.join(', ')}.`]
}
