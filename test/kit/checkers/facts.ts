import type { Event } from '../../../gateway/event.ts'
import type { LogRecord } from '../../../gateway/log/port.ts'

/**
 * What the checkers judge: the source's truth, what the log holds and what was handed over in between. All times are
 * true epoch ms of one clock that never steps. A checker is a pure function from such facts to violations, so the
 * simulation, the chaos runs and the kits use the same ones.
 */

/** A broken promise, in a sentence with the record, the place and the time. */
export type Violation = Readonly<{ checker: string; sentence: string }>

/** What a row was from `at` on, until the next version. `content`: `contentOf` the event's data that it maps to. */
export type RowVersion = Readonly<
  | { at: number; kind: 'value'; content: string }
  | { at: number; kind: 'gone' }
  /** It is there, and cannot be read or mapped. */
  | { at: number; kind: 'unmappable'; raw: string }
>

/** Per record key, everything that was ever committed under it, in the order of the commits. */
export type Truth = ReadonlyMap<string, readonly RowVersion[]>

/** An event as the log holds it. */
export type Published = Readonly<{
  recordKey: string
  time: number
  partition: number
  offset: number
  topic: string
  event: Event
}>

/** A reject as the log holds it. */
export type Rejected = Readonly<{ lane: string; time: number; sourceKey: string | null; raw: string }>

/** The text by which contents are compared: fields in bytewise order. */
export function contentOf(data: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(Object.fromEntries(Object.entries(data).sort(([a], [b]) => (a < b ? -1 : 1))))
}

/** The events among log records, in the order given. */
export function publishedOf(records: readonly LogRecord[]): readonly Published[] {
  return records.flatMap(({ topic, partition, offset, time, key, value }) =>
    key === null || value === null
      ? []
      : [{ recordKey: key, topic, partition, offset, time, event: decodeEvent(value) }],
  )
}

function decodeEvent(value: Uint8Array): Event {
  return JSON.parse(new TextDecoder().decode(value)) as Event
}

/** Groups in the order of first appearance. */
export function groupBy<Item>(
  items: readonly Item[],
  keyOf: (item: Item) => string,
): ReadonlyMap<string, readonly Item[]> {
  const groups = new Map<string, Item[]>()
  for (const item of items) {
    const group = groups.get(keyOf(item))
    if (group === undefined) groups.set(keyOf(item), [item])
    else group.push(item)
  }
  return groups
}

/** A moment for people: ISO, to the millisecond. */
export function moment(at: number): string {
  return new Date(at).toISOString()
}

/** An event for people: what, which revision, where. */
export function place({ recordKey, event, topic, partition, offset }: Published): string {
  return `${recordKey} revision ${event.revision} (${topic}/${partition}@${offset})`
}
