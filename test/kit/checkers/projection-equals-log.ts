import type { ProjectionRow } from '../../../gateway/ports.ts'
import { type Published, place, type Violation } from './facts.ts'

/** A projection at rest holds, per record key, the log's newest event, and nothing that is in no event. */
export function projectionEqualsLog(
  lane: string,
  rows: readonly ProjectionRow[],
  events: readonly Published[],
): readonly Violation[] {
  const newest = new Map(events.map((published) => [published.recordKey, published]))
  const published = new Map(rows.filter(({ revision }) => revision > 0).map((row) => [row.recordKey, row]))
  const missing = [...newest.values()].flatMap((event) => {
    const row = published.get(event.recordKey)
    if (row === undefined) return [`${lane} has no row for ${place(event)}.`]
    const differing = differingFields(row, event)
    return differing.length === 0
      ? []
      : [`${lane} has ${differing.join(', ')} of another event than ${place(event)}.`]
  })
  const invented = [...published.keys()]
    .filter((recordKey) => !newest.has(recordKey))
    .map((recordKey) => `${lane} has a row for ${recordKey}, of which the log holds nothing.`)
  return [...missing, ...invented].map((sentence) => ({ checker: 'projection-equals-log', sentence }))
}

function differingFields(row: ProjectionRow, { event, partition, offset }: Published): readonly string[] {
  const pairs = [
    ['revision', row.revision === event.revision],
    ['content hash', row.contentHash === event.contenthash],
    ['deleted', row.deleted === event.type.endsWith('.deleted.v1')],
    ['place', row.partition === partition && row.offset === offset],
  ] as const
  return pairs.filter(([, isEqual]) => !isEqual).map(([name]) => name)
}
