import { decodeNotice } from '../../gateway/dingtalk/notice.ts'
import type { Log, LogRecord } from '../../gateway/log/port.ts'
import { entityTopic, TOPICS } from '../../gateway/topics.ts'
import { type CursorCommit, cursorNeverAhead, type Delivered } from '../kit/checkers/cursor-never-ahead.ts'
import { groupBy, publishedOf, type Rejected, type Violation } from '../kit/checkers/facts.ts'
import { gaplessRevisions } from '../kit/checkers/gapless-revisions.ts'
import { noOlderAfterNewer } from '../kit/checkers/no-older-after-newer.ts'
import { nothingInvented } from '../kit/checkers/nothing-invented.ts'
import { liveness, nothingLost } from '../kit/checkers/nothing-lost.ts'
import { nothingTwice } from '../kit/checkers/nothing-twice.ts'
import { type Notice, noticesOnce } from '../kit/checkers/notices-once.ts'
import { deletesTrue, orderPerKey } from '../kit/checkers/order-per-key.ts'
import { projectionEqualsLog } from '../kit/checkers/projection-equals-log.ts'
import { rejectsOnce } from '../kit/checkers/rejects-once.ts'
import { uniqueIds } from '../kit/checkers/unique-ids.ts'
import { webhookPace } from '../kit/checkers/webhook-pace.ts'
import type { Lives } from './lives.ts'
import type { Plan } from './plan.ts'
import type { ToyDingTalk } from './toy-dingtalk.ts'
import type { ToyErp } from './toy-erp.ts'
import { expectedOf, SOURCE } from './toy-gateway.ts'
import type { World } from './world.ts'

/** What a run leaves behind to be judged. */
export type Remains = Readonly<{
  plan: Plan
  world: World
  erp: ToyErp
  chat: ToyDingTalk
  lives: Lives
  records: readonly LogRecord[]
  /** True time by which everything had to be delivered, and how many minutes after the last fault that is. */
  bound: Readonly<{ at: number; minutes: number }>
}>

/** Everything the log holds, topic by topic and partition by partition. */
export async function readAll(log: Log, plan: Plan, partitions: number): Promise<readonly LogRecord[]> {
  const { signal } = new AbortController()
  const topics = [...entityTopics(plan), ...Object.values(TOPICS)]
  const records: LogRecord[] = []
  for (const topic of topics) {
    for (let partition = 0; partition < partitions; partition += 1) {
      for await (const chunk of log.readTo({ topic, partition }, 0, { signal }))
        records.push(...chunk.records)
    }
  }
  return records
}

function entityTopics(plan: Plan): readonly string[] {
  return [...new Set(plan.feeds.map(({ entity }) => entityTopic(entity)))]
}

/** All promises, judged. */
export function violationsOf(remains: Remains): readonly Violation[] {
  const { plan, world, erp, chat, lives, bound } = remains
  const truth = world.truth()
  const byTopic = groupBy(remains.records, ({ topic }) => topic)
  const records = (topic: string) => byTopic.get(topic) ?? []
  const events = publishedOf(entityTopics(plan).flatMap(records))
  const rejects = records(TOPICS.rejects).flatMap(rejectOf)
  const isExempt = exemptions(world, plan)
  const settled = { truth, events, rejects, isExempt }
  const commits = records(TOPICS.cursors).flatMap(commitOf)
  const lineages = new Map(records(TOPICS.cursors).flatMap(lineageOf))
  return [
    ...lives.failures.map((sentence) => ({ checker: 'no-bugs', sentence })),
    ...uniqueIds(events),
    ...gaplessRevisions(events),
    ...nothingTwice(events),
    ...nothingInvented(events, truth),
    ...orderPerKey(events, truth),
    ...deletesTrue(events, truth),
    ...noOlderAfterNewer(events),
    ...cursorNeverAhead({
      deliveries: toldApart(plan, erp.deliveries),
      commits,
      truth,
      events,
      rejects,
      isReplayed: plan.operatorEveryMs > 0,
    }),
    ...rejectsOnce(rejects),
    ...nothingLost(settled),
    ...liveness(settled, bound, stopped(lives)),
    ...plan.feeds.flatMap(({ name }) => {
      const lane = `${SOURCE}.${name}`
      const rows = lives.current()?.disk.rows(lane) ?? []
      const lineage = lineages.get(lane)
      return projectionEqualsLog(
        lane,
        rows,
        events.filter(({ event }) => event.lineage === lineage),
      )
    }),
    ...noticesOnce({
      events,
      notices: records(TOPICS.notices).flatMap(noticeOf),
      received: chat.received,
      expectedOf: expectedOf(plan.feeds),
    }),
    ...webhookPace(chat.webhookCalls),
  ]
}

/**
 * What a feed cannot see: a last version that committed too late for the overlap (it is seen when the row is written
 * again), and a record key that a row has left for another under which it could not be mapped: nobody learnt that it
 * was free, so who took it is a reject.
 */
function exemptions(world: World, plan: Plan): (recordKey: string) => boolean {
  const exempt = new Set<string>()
  for (const { adapter } of plan.feeds) {
    for (const [key, last] of world.rows(adapter.table)) {
      const isTooLate = adapter.strategy === 'watermark' && last.at - last.watermark > adapter.overlapMs
      const history = world.history(adapter.table, key)
      const hidden = new Set(
        history.flatMap(({ version, recordKey }) => (version.kind === 'unmappable' ? [recordKey] : [])),
      )
      for (const { recordKey } of history) {
        if (isTooLate || hidden.size > (hidden.has(recordKey) ? 1 : 0)) exempt.add(recordKey)
      }
    }
  }
  return (recordKey) => exempt.has(recordKey)
}

/** Deliveries whose cursors are unlike all others: only of those can be said when they were stored. */
function toldApart(plan: Plan, deliveries: readonly Delivered[]): readonly Delivered[] {
  const lanes = plan.feeds.filter(({ adapter }) => adapter.countsPages).map(({ name }) => `${SOURCE}.${name}`)
  return deliveries.filter(({ lane }) => lanes.includes(lane))
}

function stopped(lives: Lives): readonly string[] {
  const current = lives.current()
  if (current === null) return ['No gateway is running.']
  return current.gateway
    .statuses()
    .filter(({ state }) => state === 'stopped' || state === 'held' || state === 'paused')
    .map(({ feed, state, stopped: stop, hold }) => {
      return `Lane ${feed} is ${state}: ${stop?.code ?? hold?.code}, ${stop?.reason ?? hold?.message}`
    })
}

function rejectOf({ time, value }: LogRecord): readonly Rejected[] {
  if (value === null) return []
  const { lane, sourceKey, raw } = json(value) as { lane: string; sourceKey: string; raw: string }
  return [{ lane, time, sourceKey, raw: Buffer.from(raw, 'base64').toString('utf8') }]
}

function commitOf({ time, value }: LogRecord): readonly CursorCommit[] {
  if (value === null) return []
  const { lane, cursor } = json(value) as { lane: string; cursor: string | null }
  return [{ lane, time, cursor }]
}

function lineageOf({ value }: LogRecord): readonly (readonly [lane: string, lineage: string])[] {
  if (value === null) return []
  const { lane, lineage } = json(value) as { lane: string; lineage: string }
  return [[lane, lineage]]
}

function noticeOf({ value }: LogRecord): readonly Notice[] {
  return value === null ? [] : [decodeNotice(value)]
}

function json(value: Uint8Array | null): unknown {
  return JSON.parse(new TextDecoder().decode(value ?? new Uint8Array()))
}
