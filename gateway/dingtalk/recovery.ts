import type { Log, TopicPartition } from '../log/port.ts'
import { TOPICS } from '../topics.ts'
import { decodeNotice, isFinal, type Notice } from './notice.ts'
import type { OpenNotice } from './parcels.ts'

/** What an earlier owner of an input partition left, as the log says it. */
export type Recovered = Readonly<{
  /** In the order of their events. */
  open: readonly OpenNotice[]
  /** Position after all that was read, by partition of the notices topic. */
  frontier: ReadonlyMap<number, number>
  /** Committed positions of the open group; null where there was none. */
  committed: ReadonlyMap<number, number | null>
  /** Calls begun for this input partition lately, with the wall time at which they were last heard of. */
  calls: readonly Readonly<{ notice: Notice; at: number }>[]
}>

/**
 * Reads the notices of one input partition that may be open. A second group keeps, per partition of the notices topic,
 * the lowest offset at which one may stand, so a start reads what is open and not ninety days. Only after the writer
 * is opened: before, the old owner could still add to it.
 */
export async function recover(
  log: Log,
  options: Readonly<{
    input: TopicPartition
    group: string
    noticePartitions: number
    /** Wall time from which on calls count against the limits of a minute. */
    since: number
    signal: AbortSignal
  }>,
): Promise<Recovered> {
  const { input, group, noticePartitions, since, signal } = options
  const found = new Map<string, OpenNotice>()
  const calls = new Map<string, Readonly<{ notice: Notice; at: number }>>()
  const frontier = new Map<number, number>()
  const committed = new Map<number, number | null>()
  for (let partition = 0; partition < noticePartitions; partition += 1) {
    const place = { topic: TOPICS.notices, partition }
    const from = await log.position(group, place, signal)
    const end = await log.end(place, signal)
    committed.set(partition, from)
    // Where nothing was ever committed, nothing of this input partition can stand before this moment's end.
    const start = Math.min(from ?? end, await offsetBefore(log, place, end, since, signal))
    frontier.set(partition, end)
    for await (const chunk of log.readTo(place, start, { to: end, signal })) {
      for (const record of chunk.records) {
        if (record.value === null) continue
        const notice = decodeNotice(record.value)
        if (!isFrom(input, notice)) continue
        note(found, notice, { partition, offset: record.offset })
        if (notice.attempt > 0 && notice.at >= since)
          calls.set(`${notice.id} ${notice.attempt}`, { notice, at: notice.at })
      }
    }
  }
  return { open: [...found.values()].sort(byEvent), frontier, committed, calls: [...calls.values()] }
}

/** An offset with nothing behind `since` before it, found in steps that grow, each at the cost of one record. */
async function offsetBefore(
  log: Log,
  place: TopicPartition,
  end: number,
  since: number,
  signal: AbortSignal,
): Promise<number> {
  let offset = end
  for (let back = LOOK_RECORDS; offset > 0; back *= 2) {
    offset = Math.max(0, end - back)
    for await (const { records } of log.readTo(place, offset, { to: offset + 1, signal })) {
      if ((records[0]?.time ?? since) < since) return offset
    }
  }
  return offset
}

const LOOK_RECORDS = 50

function isFrom(input: TopicPartition, notice: Notice): boolean {
  return notice.input.topic === input.topic && notice.input.partition === input.partition
}

function note(
  found: Map<string, OpenNotice>,
  notice: Notice,
  placed: { partition: number; offset: number },
): void {
  if (isFinal(notice.state)) {
    found.delete(notice.id)
    return
  }
  const known = found.get(notice.id)
  // Only the first record of a notice holds its message.
  const message = notice.message ?? known?.notice.message ?? null
  found.set(notice.id, { notice: { ...notice, message }, placed: known?.placed ?? placed })
}

function byEvent(left: OpenNotice, right: OpenNotice): number {
  return left.notice.input.offset - right.notice.input.offset || (left.notice.id < right.notice.id ? -1 : 1)
}
